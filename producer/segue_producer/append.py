"""The append step, apart from how Redis is reached: batches, script arguments, answers, and what errors mean."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from redis import exceptions

from segue_producer.clients import AllInUseError, where
from segue_producer.entries import entry_stamp
from segue_producer.errors import InvalidEvent, OutboxFull, OutboxUnavailable, UnknownDestination
from segue_producer.events import Identify, Prepared, Track, prepare
from segue_producer.keys import DEFAULT_MAX_PENDING, DESTINATION_NAME, STATS_KEPT_S, Keys
from segue_producer.lanes import Lane
from segue_producer.lua import CLOCK, HINT, LANES, read_script

APPEND_SCRIPT: Final = read_script("segue_producer/append", CLOCK, HINT, LANES)
BATCH: Final = 250
"""Events appended in one round trip at most, so that one script keeps Redis for a few milliseconds."""

EventInput = Mapping[str, Any] | Identify | Track


def prepare_all(events: Iterable[EventInput]) -> list[Prepared]:
    """Prepare every event, or raise InvalidEvent naming the first that is at fault by its place in the batch."""
    prepared = []
    for place, event in enumerate(events):
        try:
            prepared.append(prepare(event))
        except InvalidEvent as error:
            raise InvalidEvent(f"events[{place}]: {str(error).removeprefix('event: ')}") from None
    return prepared


def check_names(destinations: Sequence[str]) -> tuple[str, ...]:
    """The destinations, each once, or UnknownDestination where a name could not be one, or none is given."""
    if not destinations or isinstance(destinations, str):
        raise UnknownDestination("destinations: give a sequence of at least one name, like ('loops',)")
    for name in destinations:
        if not isinstance(name, str) or not DESTINATION_NAME.fullmatch(name):
            raise UnknownDestination(
                f"destination {name!r}: names have lower case letters, digits, - and _, at most 64"
            )
    return tuple(dict.fromkeys(destinations))


def check_known(destinations: Sequence[str], known: Iterable[str | bytes]) -> None:
    """Raise UnknownDestination for a destination no worker serves. Before any worker has ever started, all may pass."""
    names = sorted(name.decode() if isinstance(name, bytes) else name for name in known)
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
) -> tuple[list[str], list[Any]]:
    """KEYS and ARGV of append.lua; `now_ms` 0 stands for the server's clock."""
    unix_ms = now_ms or int(time.time() * 1000)
    names = [keys.due, keys.run, keys.pending, keys.settings, keys.hinted, keys.paused]
    names += [f"{keys.stats}{unix_ms // 60_000}", keys.measures, keys.away]
    names += [keys.bulk, keys.live, keys.pending_bulk]
    args: list[Any] = [now_ms, DEFAULT_MAX_PENDING, STATS_KEPT_S, keys.outbox, lane]
    stamp = entry_stamp(unix_ms)
    for event in events:
        args += (event.contact, event.json + stamp)
    return names, args


def hint_needed(answer: Sequence[int], destination: str) -> bool:
    """Read the answer of append.lua: whether to send a hint. Raises OutboxFull where it refused."""
    taken, detail, *rest = answer
    if not taken:
        raise OutboxFull(
            f"destination {destination!r}: {detail} events are pending, at most {rest[0]}; "
            "wait for the workers, or raise max_pending"
        )
    return bool(detail)


def unavailable(error: exceptions.RedisError | OSError, url: str) -> OutboxUnavailable:
    """The EnqueueError for a Redis failure: which server, what happened, what to do. Never the URL's password."""
    if isinstance(error, AllInUseError):
        return OutboxUnavailable(
            f"{error} to Redis at {where(url)}: this process enqueues more at once than they carry; enqueue many events "
            "in one call, or spread them over time"
        )
    advice = "check that Redis runs and that SEGUE_REDIS_URL points to it, then enqueue again"
    # What stops a script comes as a plain ResponseError with the reason in its text.
    text = str(error)
    if isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError):
        advice = "check the user and password in SEGUE_REDIS_URL"
    elif isinstance(error, exceptions.ReadOnlyError) or "READONLY" in text:
        advice = "this is a read-only replica; point SEGUE_REDIS_URL to the primary"
    elif isinstance(error, exceptions.OutOfMemoryError) or "OOM" in text:
        advice = "Redis is out of memory; give it more, or let the workers drain the outbox"
    return OutboxUnavailable(f"Redis at {where(url)} did not take the events ({type(error).__name__}): {advice}")
