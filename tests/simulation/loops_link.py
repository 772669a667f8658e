"""Loops, as a model: the sandbox's rules behind the product's own client, with a network in between, and faults.

What the model received is the evidence: each sending with when it left, when it arrived, what it said and whether it took
effect.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx

from segue_sandbox.address import API_PREFIX
from segue_sandbox.clock import SandboxClock
from segue_sandbox.core import Sandbox
from segue_sandbox.request import ApiRequest
from tests.simulation.loop import NOBODY, Process, current

_UPDATED: Final = re.compile(r"p(\d+)")
_SENT: Final = re.compile(r"E(\d+)")
HOSTILE_HEADERS: Final = (
    ("x-ratelimit-remaining", "9" * 5000),
    ("x-ratelimit-remaining", "-1"),
    ("x-ratelimit-remaining", "1e400"),
    ("retry-after", "Fri, 31 Dec 99999999999 23:59:59 GMT"),
    ("retry-after", "Fri, 31 Dec 2099 23:59:59 GMT"),
    ("retry-after", "9" * 400),
    ("content-type", "\x00\x1b[31m"),
)

Effect = tuple[str, int]
"""Mapping and number of the event."""


@dataclass
class Sending:
    """A request that left.

    Attributes:
        left, arrived, ended: times of the loop; the last is when the client had its answer, or gave up.
        effects: what it stands for, as far as its body says so.
        applied: whether it took effect.
        status: of the answer, or None where none was given.
    """

    destination: str
    process: Process | None
    method: str
    path: str
    body: bytes
    key: str | None
    contact: str
    effects: tuple[Effect, ...]
    left: float
    arrived: float | None = None
    ended: float | None = None
    status: int | None = None
    applied: bool = False
    fault: str = ""
    wait: float = 0.0
    """The longest wait that the answer asked for."""

    @property
    def same(self) -> tuple[str, str, bytes]:
        """What a repeat has in common with it."""
        return self.method, self.path, self.body


@dataclass
class Climate:
    """How Loops and the way to it are just now, for one destination.

    Attributes:
        latency_s: least and most of one way.
        faults: kind → share of the requests that it strikes.
    """

    latency_s: tuple[float, float] = (0.02, 0.1)
    faults: dict[str, float] = field(default_factory=dict)


class LoopTime(SandboxClock):
    """The sandbox's clock, on the loop's time."""

    def __init__(self, unix: Callable[[], float]) -> None:
        super().__init__()
        self._unix = unix

    def unix(self, counter: float | None = None) -> float:
        del counter
        return self._unix()


class Team(httpx.AsyncBaseTransport):
    """What the client of one destination speaks to.

    Args:
        struck: is called with the name of each fault that strikes a request.
        told: is called with a sending when it leaves, and when it has ended.

    Attributes:
        sick: a contact for which Loops fails.
        sick_ones: all contacts for which it ever did.
        struck: whether a fault was ever meant for this destination as a whole.
        blocked_until: time until which Loops has asked to wait, by the answers that have arrived.
        longest_asked: the longest wait that any answer asked for.
        repeats: how often each request left, by its contact and what its repeats have in common.
    """

    def __init__(  # noqa: PLR0913 - what a destination's model needs
        self,
        name: str,
        sandbox: Sandbox,
        loop: asyncio.AbstractEventLoop,
        random: Random,
        *,
        struck: Callable[[str], None],
        told: Callable[[str, Sending], None],
    ) -> None:
        self.name = name
        self.climate = Climate()
        self.sick: str | None = None
        self.sick_ones: set[str] = set()
        self.struck = False
        self.blocked_until = 0.0
        self.longest_asked = 0.0
        self.repeats = Counter[tuple[str, tuple[str, str, bytes]]]()
        self.sendings: list[Sending] = []
        self.sandbox = sandbox
        self._loop = loop
        self._random = random
        self._note = struck
        self._told = told

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        sending = self._sending(request, body)
        fault = self._fault(body)
        if fault:
            sending.fault = fault
            self._note(fault)
        if request.method != "GET":
            self.sendings.append(sending)
            self.repeats[sending.contact, sending.same] += 1
        self._told("send", sending)
        answered: asyncio.Future[httpx.Response] = self._loop.create_future()
        self._loop.call_later(self._way(), self._arrive, request, body, sending, answered, context=NOBODY)
        try:
            return await answered
        finally:
            sending.ended = self._loop.time()
            if request.method != "GET":
                self.blocked_until = max(self.blocked_until, sending.ended + sending.wait)
            self._told("end", sending)

    def _sending(self, request: httpx.Request, body: bytes) -> Sending:
        fields = json.loads(body) if body else {}
        return Sending(
            destination=self.name,
            process=current(),
            method=request.method,
            path=request.url.path.removeprefix(API_PREFIX),
            body=body,
            key=request.headers.get("Idempotency-Key"),
            contact=fields.get("userId") or fields.get("email") or "",
            effects=tuple(_effects(fields)),
            left=self._loop.time(),
        )

    def _fault(self, body: bytes) -> str:
        if b'"attack"' in body:
            return "403 page"
        if self.sick and b'"%b"' % self.sick.encode() in body:
            return "500"
        draw = self._random.random()
        for kind, share in self.climate.faults.items():
            draw -= share
            if draw < 0:
                return kind
        return ""

    def _way(self) -> float:
        return self._random.uniform(*self.climate.latency_s)

    def _arrive(
        self, request: httpx.Request, body: bytes, sending: Sending, answered: "asyncio.Future[httpx.Response]"
    ) -> None:
        sending.arrived = self._loop.time()
        kind = sending.fault
        if kind in {"drop before", "silent before"}:
            self._later(answered, None if kind.startswith("silent") else httpx.RemoteProtocolError("hung up"))
            return
        response = self._without_effect(kind, request)
        if response is None:
            response = self._judged(kind, request, body, sending)
        sending.status = response.status_code
        waits = response.headers.get("retry-after", "")
        sending.wait = min(float(waits), 3600.0) if waits.isdigit() else 3600.0 if waits else 0.0
        if request.method != "GET":
            self.longest_asked = max(self.longest_asked, sending.wait)
        if kind in {"drop after", "silent after"}:
            sending.status = None
            self._later(answered, None if kind.startswith("silent") else httpx.RemoteProtocolError("hung up"))
            return
        self._later(answered, response)

    def _later(
        self, answered: "asyncio.Future[httpx.Response]", outcome: httpx.Response | httpx.HTTPError | None
    ) -> None:
        def end() -> None:
            if answered.done() or outcome is None:
                return
            if isinstance(outcome, httpx.Response):
                answered.set_result(outcome)
            else:
                answered.set_exception(outcome)
                # Whoever waited may have been killed; then nobody hears of it.
                answered.exception()

        self._loop.call_later(self._way(), end, context=NOBODY)

    def _without_effect(self, kind: str, request: httpx.Request) -> httpx.Response | None:
        """The answer of a fault that keeps a request from the API."""
        if kind == "403 page":
            return _response(request, 403, "<html>Access denied</html>", ("content-type", "text/html"))
        if kind == "503 page":
            return _response(request, 503, "<html>Sorry</html>", ("content-type", "text/html"))
        if kind == "500":
            return _response(request, 500, '{"success":false,"message":"Internal error"}')
        if kind.startswith("429"):
            waits = kind.removeprefix("429").strip()
            headers = [("retry-after", waits)] if waits else []
            return _response(request, 429, '{"success":false,"message":"Rate limit exceeded"}', *headers)
        return None

    def _judged(self, kind: str, request: httpx.Request, body: bytes, sending: Sending) -> httpx.Response:
        outcome = self.sandbox.handle(
            ApiRequest(
                method=request.method,
                path=sending.path,
                query="",
                headers=dict(request.headers),
                body=body,
                arrival=self.sandbox.clock.unix(),
            )
        )
        answer = outcome.answer
        sending.applied = answer.applied
        headers = [*outcome.headers, *([("content-type", answer.content_type)] if answer.content_type else [])]
        if kind == "hostile header":
            name, value = HOSTILE_HEADERS[self._random.randrange(len(HOSTILE_HEADERS))]
            headers = [pair for pair in headers if pair[0] != name] + [(name, value)]
        return _response(request, answer.status, answer.body, *headers)


def _response(request: httpx.Request, status: int, content: str | bytes, *headers: tuple[str, str]) -> httpx.Response:
    return httpx.Response(status, headers=list(headers), content=content, request=request)


def _effects(fields: dict[str, Any]) -> list[Effect]:
    found: list[Effect] = [("contacts", int(match[1])) for name in fields if (match := _UPDATED.fullmatch(name))]
    if match := _SENT.fullmatch(str(fields.get("eventName", ""))):
        found.append(("events", int(match[1])))
    if "last" in fields:
        found.append(("touch", fields["last"]))
    return found
