"""Lists the contacts that wait for a retry, and brings a retry forward to now."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal, cast

from redis import Redis

from segue_producer.keys import Keys
from segue_producer.lua import CLOCK, HINT, LANES, read_script
from segue_worker.outbox.outbox import AWAY
from segue_worker.outbox.outgoing import Parked
from segue_worker.outbox.redis_time import time_ms

LOOKED_AT: Final = 2000
"""How many contacts are looked at: what is remembered of each holds a whole request, and pages are rendered every second."""
_AT_ONCE: Final = 200
_RETRY_NOW: Final = read_script("segue_worker/operating/retry_now", CLOCK, HINT, LANES, AWAY)

RetryNowResult = Literal["now", "claimed", "gone"]


@dataclass(frozen=True, slots=True)
class ParkedContact:
    """A parked contact.

    Attributes:
        contact: its name.
        parked: the request that waits to be sent again.
        due: unix ms of its next attempt, or of the end of its claim. If in the past, since when it waits for its turn.
        claimed: whether a run has claimed it.
        queued: how many events of it wait, those of the request included.
    """

    contact: str
    parked: Parked
    due: int
    claimed: bool
    queued: int = 0

    @property
    def since(self) -> int:
        """Unix ms since which it has been waiting."""
        return self.parked.since or self.parked.first or self.due

    @property
    def behind(self) -> int:
        """How many of its events wait behind those of the request."""
        refs = self.parked.request.refs if self.parked.request else ()
        return max(0, self.queued - len({ref.event for ref in refs}))

    @property
    def quotable(self) -> tuple[str, ...]:
        """What an answer to the request may quote: the contact and the body."""
        return self.contact, *self.parked.quotable


def waiting_retries(redis: "Redis", destination: str) -> list[ParkedContact]:
    """The parked contacts, the longest waiting first; where there are more than `LOOKED_AT`, some of them.

    Args:
        redis: client that answers bytes.
        destination: its name.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    keys = Keys(destination)
    some: Any = islice(redis.hscan_iter(keys.parked, count=_AT_ONCE), LOOKED_AT)
    return sorted(_placed(redis, keys, dict(some)), key=lambda each: each.since)


def _placed(redis: "Redis", keys: Keys, found: Mapping[bytes, bytes]) -> Iterator[ParkedContact]:
    """What is known of parked contacts: name → what is remembered of each."""
    names: list[Any] = list(found)
    if not names:
        return
    with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.hmget(keys.lease, names)
        for key in (keys.due, keys.bulk, keys.away):
            pipe.zmscore(key, names)
        for name in names:
            pipe.llen(keys.outbox.encode() + name)
        answers = pipe.execute(raise_on_error=False)
    # An outbox that is no list is that contact's trouble alone.
    counts = answers[5:]
    for answer in answers[:5]:
        if isinstance(answer, Exception):
            raise answer
    time, leases, *times = answers[:5]
    now_ms = time_ms(time)
    for name, lease, *places, count in zip(names, leases, *times, counts, strict=True):
        due = next((int(place) for place in places if place is not None), 0)
        queued = count if isinstance(count, int) else 0
        parked = Parked.from_json(found[name])
        yield ParkedContact(name.decode("utf-8", "replace"), parked, due, lease is not None and due > now_ms, queued)


def find_retry(redis: "Redis", destination: str, contact: str) -> ParkedContact | None:
    """A parked contact, or None where it is not parked."""
    keys, name = Keys(destination), contact.encode("utf-8", "surrogatepass")
    raw: Any = redis.hget(keys.parked, contact)
    return next(_placed(redis, keys, {name: raw}), None) if raw is not None else None


def parked_contacts(redis: "Redis", destination: str) -> list[str]:
    """The names of all parked contacts."""
    return [name.decode() for name in cast("list[bytes]", redis.hkeys(Keys(destination).parked))]


def retry_all_now(
    redis: "Redis", destination: str, contacts: Sequence[str], *, now_ms: int = 0
) -> Iterator[tuple[RetryNowResult, bool]]:
    """Bring the next attempts of parked contacts forward to now, each in one atomic step.

    Args:
        redis: client that answers bytes.
        destination: its name.
        contacts: their names.
        now_ms: unix ms, or 0 for the server's clock.

    Yields:
        of each contact, in order: `now`; `claimed` if a run has claimed it; `gone` if it is not parked. And whether the
        caller must send a hint.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    keys = Keys(destination)
    script = redis.register_script(_RETRY_NOW)
    names = [keys.due, keys.lease, keys.parked, keys.run, keys.hinted, keys.paused, keys.away, keys.bulk, keys.live]
    for start in range(0, len(contacts), _AT_ONCE):
        with redis.pipeline(transaction=False) as pipe:
            for contact in contacts[start : start + _AT_ONCE]:
                script(keys=names, args=[now_ms, contact], client=pipe)
            for outcome, hint in pipe.execute():
                yield cast("RetryNowResult", outcome.decode()), bool(hint)
