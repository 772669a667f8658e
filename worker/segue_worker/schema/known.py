"""What Loops knows of a team: names and types of contact properties, mailing lists, and events with their properties."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import quote

import orjson
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from segue_producer.keys import Keys
from segue_worker.config import Destination
from segue_worker.loops import LoopsClient, NoAnswerError
from segue_worker.loops.errors import LoopsRefusedError
from segue_worker.pacing import Pacer

_OTHER_PATHS: Final = frozenset({".", ".."})
"""Names of events that would be read as steps of the path: who sends one must not keep the rest from being known."""
_OF_ONE_NAME: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND})
"""What a server may answer to a name that it cannot read in a path, such as one with a slash. It says nothing of the others."""


@dataclass(frozen=True, slots=True)
class Known:
    """What Loops said when it was asked last.

    Attributes:
        at: unix ms; 0 where it never answered.
        problem: why the last asking failed; "" where it did not.
        properties: of contacts: name → type.
        lists: id → name.
        events: of those that were asked for: name → its properties' types by name; None where Loops has none of that name.
        told: keys of what is not known, of which the log told.
    """

    at: int = 0
    problem: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    events: dict[str, dict[str, str] | None] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def to_json(self) -> bytes:
        """As it lies in Redis."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, raw: bytes | str | None) -> Self:
        """From Redis; nothing where another version wrote it."""
        try:
            return cls(**orjson.loads(raw or b"{}"))
        except (ValueError, TypeError):
            return cls()


def read_known(redis: "Redis", destination: str) -> Known:
    """What Loops knows. Raises redis.RedisError where Redis does not answer."""
    raw: Any = redis.get(Keys(destination).known)
    return Known.from_json(raw)


class Asking:
    """Asks Loops within the team's limit, and behind every live delivery.

    Args:
        client: of the team.
        pacer: gives slots; None where there is no Redis, and so no delivery: then it asks slower than the limit.
        rate_limit: requests a second.
    """

    def __init__(self, client: LoopsClient, pacer: Pacer | None, rate_limit: int) -> None:
        self.client = client
        self._pacer = pacer
        self._rate_limit = rate_limit

    async def paced(self, request: Callable[[], Any]) -> Any:
        """Wait for a slot, and await the request. Raises what it raises, and redis.RedisError."""
        if self._pacer is None:
            await asyncio.sleep(1 / self._rate_limit)
            return await request()
        slot = await self._pacer.slot(live=lambda: False)
        loop = asyncio.get_running_loop()
        sent, answer = loop.time(), None
        try:
            answer = await request()
        finally:
            said = answer[0] if isinstance(answer, tuple) else answer
            refused = getattr(said, "status", 0) == HTTPStatus.TOO_MANY_REQUESTS
            if slot is not None:
                remaining = getattr(said, "remaining", None)
                self._pacer.used(slot, sent, loop.time(), remaining=remaining, refused=refused)
        return answer

    async def ask(self, path: str, body: bytes = b"") -> Any:
        """Ask by GET; with a body tell by POST.

        Returns:
            the answer's JSON; None for a 404 that is Loops' own.

        Raises:
            NoAnswerError: no answer came.
            LoopsRefusedError: it is no success.
            redis.RedisError: the limiter cannot be reached.
        """
        answer, said = await self.paced(lambda: self.client.read("POST" if body else "GET", path, body))
        if answer.status == HTTPStatus.NOT_FOUND and not answer.html:
            return None
        if not answer.delivered or said is None:
            text = f"Loops answered {path.partition('?')[0]} with {answer.describe()}"
            raise LoopsRefusedError(text, answer.status)
        return said


@asynccontextmanager
async def asking(destination: Destination, redis: "AsyncRedis | None") -> AsyncIterator[Asking]:
    """Ask the team of a destination; without a Redis see `Asking`."""
    key, timeout = destination.api_key.get_secret_value(), destination.timeout.total_seconds()
    pacer = None if redis is None else Pacer(redis, key, destination.rate_limit, destination=destination.name)
    async with LoopsClient(destination.base_url, key, timeout=timeout) as client:
        yield Asking(client, pacer, destination.rate_limit)


async def learn(  # noqa: PLR0913 - what is asked for
    asker: Asking, known: Known, now_ms: int, *, events: Iterable[str], properties: bool = True, lists: bool = True
) -> Known:
    """Ask Loops for what it knows; where it does not answer, what is known stays, and `problem` says why.

    Args:
        asker: of the team.
        known: what is known already.
        now_ms: unix ms.
        events: names of those to ask for, one by one.
        properties: whether to ask for contact properties.
        lists: whether to ask for mailing lists.

    Raises:
        redis.RedisError: the limiter cannot be reached.
    """
    asked = {name: known.events[name] for name in known.events}
    found = replace(known, at=now_ms, problem="", events=asked)
    try:
        if properties:
            said = await asker.ask("/contacts/properties?list=all")
            found = replace(found, properties=_by_name(said, "key", "type"))
        if lists:
            found = replace(found, lists=_by_name(await asker.ask("/lists"), "id", "name"))
        for name in events:
            if name in _OTHER_PATHS:
                continue
            try:
                said = await asker.ask(f"/event-patterns/by-name/{quote(name, safe='')}")
            except LoopsRefusedError as error:
                if error.status not in _OF_ONE_NAME:
                    raise
                continue
            asked[name] = None if said is None else _by_name(said["eventProperties"], "name", "type")
    except (NoAnswerError, LoopsRefusedError) as error:
        return replace(known, problem=str(error))
    except (KeyError, TypeError):
        return replace(known, problem="Loops' answer does not have the documented form")
    return found


def _by_name(said: Any, name: str, about: str) -> dict[str, str]:
    """What a list of objects says about each name; "" for what is no text. Raises KeyError or TypeError for anything else."""
    if not isinstance(said, list) or not all(isinstance(each[name], str) for each in said):
        raise TypeError
    return {each[name]: each[about] if isinstance(each[about], str) else "" for each in said}
