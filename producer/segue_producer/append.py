"""The append step, apart from how Redis is reached: batches, script arguments, answers, and what errors mean."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from redis import exceptions

from segue_producer.clients import AllInUseError, where, why_refused
from segue_producer.entries import entry_stamps
from segue_producer.errors import (
    AddressError,
    EnqueueError,
    InvalidEvent,
    OutboxFull,
    OutboxUnavailable,
    UnknownDestination,
)
from segue_producer.events import Identify, Prepared, Track, prepare
from segue_producer.keys import DEFAULT_MAX_PENDING, DESTINATION_NAME, STATS_KEPT_S, Keys
from segue_producer.lanes import Lane
from segue_producer.lua import CLOCK, HINT, LANES, read_script
from segue_producer.replicated import NotReplicatedError
from segue_producer.typed_events import IdentifyEvent, TrackEvent
from segue_producer.urls import LONGEST_WAIT_S, is_wait

APPEND_SCRIPT: Final = read_script("segue_producer/append", CLOCK, HINT, LANES)
BATCH: Final = 250
"""Events appended in one round trip at most, so that one script keeps Redis for a few milliseconds."""

REMEMBERED: Final = 10_000
_NAMED: Final = 5
"""MessageIds that a message names at most."""

_UNREACHABLE: Final = "check that Redis runs and that SEGUE_REDIS_URL points to it, then enqueue again"
_REFUSED: Final = "Redis runs, but refused; its log may say why"

EventInput = IdentifyEvent | TrackEvent | Identify | Track


def prepare_all(events: Iterable[EventInput]) -> list[Prepared]:
    """Prepare every event, or raise InvalidEvent naming the first that is at fault by its place in the batch."""
    prepared: list[Prepared] = []
    try:
        # What came before one that is refused stays in the list, so that it is known which one it was.
        prepared.extend(map(prepare, events))
    except InvalidEvent as error:
        message = f"events[{len(prepared)}]: {str(error).removeprefix('event: ')}"
        raise InvalidEvent(message, reason=error.reason) from None
    except TypeError:
        if isinstance(events, Iterable):
            raise
        raise InvalidEvent(f"events: must be several events, but this is of type {type(events).__name__}") from None
    return prepared


def check_names(destinations: Sequence[str]) -> tuple[str, ...]:
    """The destinations, each once, or UnknownDestination where a name could not be one, or none is given."""
    names = () if isinstance(destinations, str) or not isinstance(destinations, Iterable) else tuple(destinations)
    if not names:
        raise UnknownDestination("destinations: give a sequence of at least one name, like ('loops',)")
    for name in names:
        if not isinstance(name, str) or not DESTINATION_NAME.fullmatch(name):
            raise UnknownDestination(
                f"destination {name!r}: names have lower case letters, digits, - and _, at most 64"
            )
    return tuple(dict.fromkeys(names))


def check_timeout(timeout: float) -> float:
    """The seconds for which a call may wait, or EnqueueError where nobody can wait so long."""
    if not is_wait(timeout):
        raise EnqueueError(
            f"timeout {timeout!r}: it must be a number of seconds, more than 0 and at most {LONGEST_WAIT_S}, like 2.0"
        )
    return timeout


def as_names(destinations: Iterable[str | bytes]) -> list[str]:
    """What Redis answers of destinations, sorted."""
    return sorted(name.decode() if isinstance(name, bytes) else name for name in destinations)


def check_known(destinations: Sequence[str], known: Iterable[str | bytes]) -> None:
    """Raise UnknownDestination for a destination no worker serves. Before any worker has ever started, all may pass."""
    names = as_names(known)
    for name in destinations:
        if names and name not in names:
            raise UnknownDestination(
                f"destination {name!r}: no worker serves it; known are {', '.join(names)}. "
                "Correct the name, or add it to the workers' configuration and restart them"
            )


def batches(events: Sequence[Prepared]) -> Iterator[Sequence[Prepared]]:
    """The events in order, in groups of at most `BATCH`."""
    for start in range(0, len(events), BATCH):
        yield events[start : start + BATCH]


def arguments(
    keys: Keys, events: Sequence[Prepared], *, lane: Lane = "live", now_ms: int = 0
) -> tuple[tuple[str, ...], list[Any]]:
    """KEYS and ARGV of append.lua; `now_ms` 0 stands for the server's clock."""
    unix_ms = now_ms or int(time.time() * 1000)
    names = _names(keys, unix_ms // 60_000)
    args: list[Any] = [now_ms, DEFAULT_MAX_PENDING, STATS_KEPT_S, keys.outbox, lane]
    stamps = entry_stamps(unix_ms)
    for event in events:
        text = event.text if not (event.source or event.trace) else _with_more(event)
        args += (event.contact, text + stamps[event.kind])
    return names, args


@lru_cache(maxsize=256)
def _names(keys: Keys, minute: int) -> tuple[str, ...]:
    """KEYS of append.lua in a minute."""
    return (
        *(keys.due, keys.run, keys.pending, keys.settings, keys.hinted, keys.paused, f"{keys.stats}{minute}"),
        *(keys.measures, keys.away, keys.bulk, keys.live, keys.pending_bulk),
    )


def _with_more(event: Prepared) -> bytes:
    return b" ".join((event.text, *(each.encode() for each in (event.source, event.trace) if each)))


class Partly:
    """Remembers which destinations took events that others refused.

    Whoever enqueues these again, under the same messageIds, then does not fill the first ones with copies. Of the last
    `REMEMBERED` events; beyond, the workers drop the copies.
    """

    def __init__(self) -> None:
        self._has: dict[tuple[str, str], frozenset[str]] = {}

    def note(self, events: Sequence[Prepared], destinations: frozenset[str]) -> None:
        """Note that only these destinations have the events."""
        for event in events:
            self._has[event.source, event.message_id] = destinations
        while len(self._has) > REMEMBERED:
            # Two threads may be at it.
            with suppress(KeyError, StopIteration, RuntimeError):
                del self._has[next(iter(self._has))]

    def wanted(self, destination: str, events: Sequence[Prepared]) -> Sequence[Prepared]:
        """Those of the events that a destination does not have already."""
        if not self._has:
            return events
        has = self._has
        return [event for event in events if destination not in has.get((event.source, event.message_id), ())]

    def forget(self, events: Sequence[Prepared]) -> None:
        """Note that every destination has the events."""
        if self._has:
            for event in events:
                self._has.pop((event.source, event.message_id), None)


class Taking:
    """What becomes of the events of one call, destination by destination: each takes or refuses on its own.

    A destination that refuses a batch gets none of the later ones, which would overtake it.
    """

    def __init__(self, destinations: Sequence[str], partly: Partly) -> None:
        self.open: Sequence[str] = destinations
        """The destinations that have not refused anything yet."""
        self.taken: list[str] = []
        self._partly = partly
        self._full: dict[str, OutboxFull] = {}
        self._owed: dict[str, list[str]] = {}

    def wanted(self, destination: str, events: Sequence[Prepared]) -> Sequence[Prepared]:
        """Those of the events that a destination does not have already."""
        return self._partly.wanted(destination, events)

    def refuse(self, destination: str, error: OutboxFull) -> None:
        """Note that a destination did not take the batch."""
        self._full[destination] = error
        self.open = [name for name in self.open if name != destination]

    def end(self, batch: Sequence[Prepared]) -> None:
        """Note that a batch was offered to all open destinations."""
        ids = [event.message_id for event in batch]
        if not self._full:
            self._partly.forget(batch)
            self.taken += ids
            return
        for destination in self._full:
            self._owed.setdefault(destination, []).extend(ids)
        if self.open:
            self._partly.note(batch, frozenset(self.open))

    def result(self) -> list[str]:
        """The messageIds, in order.

        Raises:
            OutboxFull: a destination did not take all of them.
        """
        if not self._full:
            return self.taken
        what = "; ".join(map(str, self._full.values()))
        owed = next(iter(self._owed.values()))
        ids = ", ".join(owed[:_NAMED]) + (f" and {len(owed) - _NAMED} more" if len(owed) > _NAMED else "")
        has = f" ({', '.join(self.open)} took them)" if self.open else ""
        raise OutboxFull(
            f"{what}. Not taken there{has}: {ids}; enqueue them again with the same messageIds",
            taken=self.taken,
            owed=self._owed,
        )


def hint_needed(answer: Sequence[int], destination: str) -> bool:
    """Read the answer of append.lua: whether to send a hint. Raises OutboxFull where it refused."""
    taken, detail, *rest = answer
    if not taken:
        raise OutboxFull(
            f"destination {destination!r}: events pending: {detail}, at most {rest[0]}; "
            "wait for the workers, enqueue fewer at once, or raise max_pending"
        )
    return bool(detail)


def bad_address(error: AddressError) -> EnqueueError:
    """The EnqueueError for a URL that cannot be used, of Redis or of the broker."""
    return OutboxUnavailable(str(error))


def is_unreachable(error: exceptions.RedisError | OSError) -> bool:
    """Whether an error says that Redis cannot be reached, and not that it refused or that all connections are in use."""
    return isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError) and not isinstance(
        error, AllInUseError | exceptions.AuthenticationError
    )


def unavailable(error: exceptions.RedisError | OSError, url: str) -> OutboxUnavailable:
    """The EnqueueError for a Redis failure: which server, what happened, what to do. Never the URL's password."""
    if isinstance(error, AllInUseError):
        return OutboxUnavailable(
            f"{error} to Redis at {where(url)}: this process enqueues more at once than they carry; enqueue many events "
            "in one call, or spread them over time"
        )
    if isinstance(error, NotReplicatedError):
        return OutboxUnavailable(
            f"Redis at {where(url)} took the events, but no replica did in time (durability: replicated): check "
            "replication, then enqueue again with the same messageIds"
        )
    advice = why_refused(error) or (_REFUSED if isinstance(error, exceptions.ResponseError) else _UNREACHABLE)
    return OutboxUnavailable(f"Redis at {where(url)} did not take the events ({type(error).__name__}): {advice}")
