"""Lists the contacts that wait for a retry, and brings a retry forward to now."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal, cast

from redis import Redis

from segue_producer.keys import Keys
from segue_producer.lua import CLOCK, HINT, LANES, read_script
from segue_worker.outbox.outbox import AWAY
from segue_worker.outbox.outgoing import Parked

LOOKED_AT: Final = 2000
"""How many contacts of each lane are searched, and how many that are away: a page is rendered each second."""
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
    """

    contact: str
    parked: Parked
    due: int
    claimed: bool

    @property
    def quotable(self) -> tuple[str, ...]:
        """What an answer to the request may quote: the contact and the body."""
        return self.contact, *self.parked.quotable


def waiting_retries(redis: "Redis", destination: str, limit: int) -> list[ParkedContact]:
    """The parked contacts, the next attempt first.

    Args:
        redis: client that answers bytes.
        destination: its name.
        limit: at most so many.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    return list(islice(_waiting(redis, destination), limit))


def _waiting(redis: "Redis", destination: str) -> Iterator[ParkedContact]:
    keys = Keys(destination)
    seconds, microseconds = redis.time()
    now = seconds * 1000 + microseconds // 1000
    found: list[Any] = []
    for key in (keys.due, keys.bulk, keys.away):
        found += redis.zrange(key, 0, LOOKED_AT - 1, withscores=True)
    for some in _few_at_once(found):
        names = [name for name, _ in some]
        with redis.pipeline(transaction=False) as pipe:
            pipe.hmget(keys.parked, names)
            pipe.hmget(keys.lease, names)
            parked, leases = pipe.execute()
        for (name, due), raw, lease in zip(some, parked, leases, strict=True):
            if raw is not None:
                yield ParkedContact(name.decode(), Parked.from_json(raw), int(due), lease is not None and due > now)


def _few_at_once(found: Any) -> Iterator[list[tuple[bytes, float]]]:
    """Contacts with their due times, a few hundred at once."""
    for start in range(0, len(found), _AT_ONCE):
        yield found[start : start + _AT_ONCE]


def find_retry(redis: "Redis", destination: str, contact: str) -> ParkedContact | None:
    """A parked contact, or None where it is not parked."""
    keys = Keys(destination)
    with redis.pipeline(transaction=False) as pipe:
        pipe.hget(keys.parked, contact)
        pipe.zscore(keys.due, contact)
        pipe.zscore(keys.bulk, contact)
        pipe.zscore(keys.away, contact)
        pipe.hexists(keys.lease, contact)
        pipe.time()
        raw, *times, leased, (seconds, _) = pipe.execute()
    due = next(filter(None, times), None)
    if raw is None or due is None:
        return None
    return ParkedContact(contact, Parked.from_json(raw), int(due), bool(leased) and due > seconds * 1000)


def parked_contacts(redis: "Redis", destination: str) -> list[str]:
    """The names of all parked contacts."""
    return [name.decode() for name in cast("list[bytes]", redis.hkeys(Keys(destination).parked))]


def retry_now(redis: "Redis", destination: str, contact: str, *, now_ms: int = 0) -> tuple[RetryNowResult, bool]:
    """Bring a parked contact's next attempt forward to now, in one atomic step.

    Args:
        redis: client that answers bytes.
        destination: its name.
        contact: its name.
        now_ms: unix ms, or 0 for the server's clock.

    Returns:
        `now`; `claimed` if a run has claimed it; `gone` if it is not parked. And whether the caller must send a hint.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    keys = Keys(destination)
    script = redis.register_script(_RETRY_NOW)
    names = [keys.due, keys.lease, keys.parked, keys.run, keys.hinted, keys.paused, keys.away, keys.bulk, keys.live]
    outcome, hint = script(keys=names, args=[now_ms, contact])
    return cast("RetryNowResult", outcome.decode()), bool(hint)
