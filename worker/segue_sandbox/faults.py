"""Faults on demand (docs/loops.md#faults-that-happen): which request meets which. Pure, but for the random numbers of a given seed."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from segue_sandbox.address import API_PREFIX
from segue_sandbox.request import ApiRequest

FaultKind = Literal[
    "status",
    "drop_before_apply",
    "drop_after_apply",
    "delay",
    "delay_before_apply",
    "invalid_json",
    "not_mailed",
]
BodyKind = Literal["json", "html", "text", "empty", "quote"]
"""`quote`: JSON whose message quotes the request's body."""


class InjectedFault(BaseModel):
    """What goes wrong, and for which requests. Every condition given must hold; none given matches every request.

    Kinds: `status` answers `status` with a `body`, not applied. `drop_before_apply` and
    `drop_after_apply` close the connection without an answer. `delay` applies at once and answers `delay_ms`
    late, `delay_before_apply` answers 504 that late and applies nothing. `invalid_json` applies and answers 200
    with a body that is no JSON. `not_mailed` accepts an event that Loops never acts on: a mark in the
    events list.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FaultKind = "status"
    name: str | None = Field(None, description="shown in the ledger; by default the kind, or `status 503`")
    status: int = Field(500, ge=400, le=599)
    body: BodyKind = "json"
    delay_ms: float = Field(0, ge=0, description="the answer, or the drop, comes this much later; with any kind")
    retry_after: int | str | None = Field(None, description="a Retry-After header: seconds or an HTTP date")

    method: str | None = None
    path: str | None = Field(None, description="below the base URL, as /events/send")
    contact: str | None = Field(None, description="the body's email or userId")
    event: str | None = Field(None, description="the body's eventName")
    body_matches: str | None = Field(None, description="a regular expression searched in the body's text")
    nth: int | None = Field(None, ge=1, description="only the nth of the requests that match, from 1")
    count: int | None = Field(None, ge=1, description="only so many times")
    for_seconds: float | None = Field(None, gt=0, description="only so long after its first time")
    probability: float = Field(1, ge=0, le=1)

    @field_validator("path")
    @classmethod
    def _below_base(cls, path: str | None) -> str | None:
        return path and path.removeprefix(API_PREFIX)

    @field_validator("body_matches")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return pattern

    @property
    def label(self) -> str:
        """The fault's name in the ledger."""
        return self.name or (f"status {self.status}" if self.kind == "status" else self.kind)

    @property
    def reaches_api(self) -> bool:
        """Whether the request is processed as usual, so that only the answer is changed."""
        return self.kind not in ("status", "drop_before_apply", "delay_before_apply")

    @property
    def drops(self) -> bool:
        """Whether the connection is closed instead of an answer."""
        return self.kind in ("drop_before_apply", "drop_after_apply")

    def matches(self, request: ApiRequest) -> bool:
        """Whether the fault applies to such a request, leaving aside counts, time and probability."""
        return (
            self.method in (None, request.method)
            and self.path in (None, request.path)
            and (self.contact is None or self.contact in (_field(request, "email"), _field(request, "userId")))
            and self.event in (None, _field(request, "eventName"))
            and (self.body_matches is None or bool(re.search(self.body_matches, request.body.decode(errors="replace"))))
        )


# What `--fail` chooses from: the five kinds that a client must survive, equally often.
RANDOM_FAULTS: tuple[tuple[InjectedFault, ...], ...] = (
    (InjectedFault(status=429),),
    (InjectedFault(status=500),),
    (
        InjectedFault(status=502, body="html"),
        InjectedFault(status=503, body="empty"),
        InjectedFault(status=504, body="html"),
    ),
    (InjectedFault(kind="drop_before_apply"),),
    (InjectedFault(kind="drop_after_apply"),),
)


@dataclass
class _Rule:
    fault: InjectedFault
    random: Random
    matched: int = 0
    fired: int = 0
    first_fired_at: float | None = None

    def fires(self, request: ApiRequest) -> bool:
        fault = self.fault
        if not fault.matches(request) or self._spent(request.arrival):
            return False
        self.matched += 1
        if fault.nth is not None and self.matched != fault.nth:
            return False
        if fault.probability < 1 and self.random.random() >= fault.probability:
            return False
        self.fired += 1
        if self.first_fired_at is None:
            self.first_fired_at = request.arrival
        return True

    def _spent(self, now: float) -> bool:
        fault = self.fault
        if fault.count is not None and self.fired >= fault.count:
            return True
        started = self.first_fired_at
        return fault.for_seconds is not None and started is not None and now - started >= fault.for_seconds


class FaultPlan:
    """The faults in force. The same seed and the same requests in the same order give the same faults.

    Each rule has a random sequence of its own, and so have the random failures: adding a rule does not change others.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._rules: list[_Rule] = []
        self._random = Random(f"{seed}:fail")  # noqa: S311  repeatable on purpose, no secret

    def replace(self, faults: Iterable[InjectedFault]) -> None:
        """Replace all rules by these; an empty list removes every injected fault."""
        self._rules = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: InjectedFault) -> None:
        """Add a rule; the first that fires wins."""
        rng = Random(f"{self._seed}:{len(self._rules)}")  # noqa: S311  repeatable on purpose, no secret
        self._rules.append(_Rule(fault, rng))

    def decide(self, request: ApiRequest, fail_rate: float) -> InjectedFault | None:
        """The fault that this request meets, if any: an injected one, else a random one."""
        for rule in self._rules:
            if rule.fires(request):
                return rule.fault
        if fail_rate and self._random.random() < fail_rate:
            kind: Sequence[InjectedFault] = self._random.choice(RANDOM_FAULTS)
            return self._random.choice(kind)
        return None

    def describe(self) -> list[dict[str, Any]]:
        """Every rule in force, with how often it matched and fired."""
        return [
            {**rule.fault.model_dump(exclude_none=True), "matched": rule.matched, "fired": rule.fired}
            for rule in self._rules
        ]


def _field(request: ApiRequest, name: str) -> Any:
    body = request.json
    return body.get(name) if isinstance(body, dict) else None
