"""What happened to one event, from all places that know: the log, the outboxes, dead letters and seen messageIds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from redis import Redis

from segue_producer.entries import identity, split_identity
from segue_producer.keys import Keys
from segue_producer.lua import CLOCK, read_script
from segue_worker.delivery.journal import event_name
from segue_worker.masking import mask_known
from segue_worker.observing.log import Logged, LogScan
from segue_worker.observing.outbox_search import WaitingEvent, find_waiting
from segue_worker.observing.trail import EventState, Trail, TrailStep
from segue_worker.observing.trail_steps import LoggedSteps, given_up, waiting_step
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.entry import read_entry
from segue_worker.outbox.log_record import EventPart
from segue_worker.outbox.outbox import WINDOWS, digest
from segue_worker.outbox.pause import Pause

_PASSING: Final = {"interrupted", "attempt", "apart", "enqueued", "failed", "replayed", "value", "arrived"}
_SEEN: Final = read_script("segue_worker/outbox/seen", CLOCK, WINDOWS)


def read_trails(
    redis: "Redis", destination: str, message_id: str, *, standstill: str = "", reveal: bool = False
) -> list[Trail]:
    """Find out what happened to an event; to several, where sources have used the same messageId.

    Args:
        redis: client that answers bytes.
        destination: its name.
        message_id: of the event.
        standstill: why nothing is sent to the destination at all; "" where nothing is known of that.
        reveal: show personal data in answers instead of masking it.

    Returns:
        its trails, the backend's first; of several that wait, only one is found.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    message_id = message_id.encode("utf-8", "replace").decode()
    scan = LogScan(redis, destination, message_id)
    scan.read()
    found = find_waiting(redis, destination, message_id)
    if not found:
        # Or an event that was settled in between would be found in neither.
        scan.read()
    letters = [] if scan.naming or found else list(_letters(redis, destination, message_id))
    sources = Sources(scan.naming, [found] if found else [], letters, standstill, reveal, message_id)
    trails = [each for each in trails_of(redis, destination, sources) if each.message_id == message_id]
    return trails or settled_trails(redis, destination, message_id)


def settled_trails(redis: "Redis", destination: str, message_id: str) -> list[Trail]:
    """One that says that an event was settled within the dedupe window, of which nothing else is known; or none."""
    if not _seen(redis, destination, message_id):
        return []
    return [Trail(message_id, destination, "", "settled", (TrailStep("settled", None),), ())]


@dataclass(frozen=True, slots=True)
class Sources:
    """What is known of some events.

    Attributes:
        logged: entries of the log, oldest first.
        waiting: events in outboxes.
        letters: dead letters that the log may not tell of.
        standstill: why nothing is sent to the destination at all; "" where nothing is known of that.
        reveal: whether personal data in answers is shown instead of masked.
        message_id: of the event that was asked for; "" where none was. Of a letter of no contact only that is told: what a
            batch had too many is one letter of thousands of events.
    """

    logged: Sequence[Logged]
    waiting: Sequence[WaitingEvent]
    letters: Sequence[DeadLetter]
    standstill: str = ""
    reveal: bool = False
    message_id: str = ""

    def shown(self, text: str, *known: str | None) -> str:
        """A text that may quote an answer, with what is `known` of the event masked unless it is to be revealed."""
        return text if self.reveal else mask_known(text, *known)


def trails_of(redis: "Redis", destination: str, known: Sources) -> list[Trail]:
    """The trails of all events that something is known of, in the order of their sources and messageIds."""
    told = {request.letter for item in known.logged if (request := item.record.request)}
    told |= {fault.letter for item in known.logged for part in item.record.events for fault in part.faults}
    letters: dict[str, list[tuple[int, DeadLetter]]] = {}
    for letter in known.letters:
        if letter.id not in told:
            for place, message_id in enumerate(letter.message_ids or ("",)):
                if letter.contact or known.message_id in {"", message_id}:
                    letters.setdefault(identity(letter.source(place), message_id), []).append((place, letter))
    logged: dict[str, list[Logged]] = {}
    for item in known.logged:
        for each in item.record.identities:
            logged.setdefault(each, []).append(item)
    waiting = {found.waiting.identity: found for found in reversed(known.waiting)}
    standstill = known.standstill or (_pause(redis, destination) if waiting else "")
    told_by = LoggedSteps(redis, destination, known.shown)
    trails = []
    for each in sorted(logged.keys() | letters.keys() | waiting.keys(), key=split_identity):
        items, found = logged.get(each, []), waiting.get(each)
        steps = [step for item in items for step in told_by.of(item, each)]
        steps += [given_up(letter, known.shown) for _, letter in letters.get(each, [])]
        if found is not None:
            steps.append(waiting_step(found, standstill, known.shown))
        parts = [part for item in items for part in item.record.events if part.message_id == each]
        enqueued = _enqueued(parts, found)
        names = [part.name for part in parts]
        names += [event_name(found.waiting.event)] if found else []
        # A letter may name more events than it holds: all that a batch had too many are one.
        names += [
            event_name(read_entry(text.encode()).event)
            for place, letter in letters.get(each, [])
            for text in letter.events[place : place + 1]
        ]
        trails.append(
            Trail(
                message_id=split_identity(each)[1],
                destination=destination,
                name=next(filter(None, names), ""),
                outcome=_outcome(steps, found),
                steps=(*([TrailStep("enqueued", enqueued)] if enqueued else []), *steps),
                merged_with=_merged_with(items, each),
                source=split_identity(each)[0],
            )
        )
    return trails


def _enqueued(parts: Sequence[EventPart], found: WaitingEvent | None) -> int:
    times = [part.enqueued for part in parts if part.enqueued]
    if found is not None:
        times.append(found.waiting.enqueued)
    return min(filter(None, times), default=0)


def _outcome(steps: Sequence[TrailStep], found: WaitingEvent | None) -> EventState:
    """The last thing that happened. That a second copy was dropped does not change what became of the first."""
    last = [step.what for step in steps if step.what not in _PASSING]
    first_copy = [what for what in last if what != "duplicate"]
    match (first_copy or last or ["pending"])[-1]:
        case "unchanged":
            return "delivered"
        case "pending" if found is not None and found.parked is not None:
            return "parked"
        case "delivered" | "filtered" | "duplicate" | "dead" | "settled" | "parked" | "moved" as outcome:
            return outcome
    return "pending"


def _pause(redis: "Redis", destination: str) -> str:
    raw = redis.get(Keys(destination).paused)
    return f"the destination is paused: {Pause.from_json(raw).reason}" if raw else ""


def _letters(redis: "Redis", destination: str, message_id: str) -> Iterator[DeadLetter]:
    """Dead letters that name an event, for events that the log no longer has."""
    part = orjson.dumps(message_id)
    for letter_id, raw in redis.hscan_iter(Keys(destination).dead, count=200):
        if part in raw and message_id in (letter := DeadLetter.read(letter_id.decode(), raw)).message_ids:
            yield letter


def _seen(redis: "Redis", destination: str, message_id: str) -> bool:
    keys = Keys(destination)
    answer: Any = redis.register_script(_SEEN)(keys=[keys.windows], args=[0, keys.seen, 0, digest(message_id)])
    return bool(answer[0])


def _merged_with(logged: Sequence[Logged], message_id: str) -> tuple[str, ...]:
    others: dict[str, None] = {}
    for item in logged:
        request = item.record.request
        if request is not None and request.outcome != "apart" and any(ref == message_id for ref, _ in request.refs):
            others |= dict.fromkeys(split_identity(ref)[1] for ref, _ in request.refs if ref != message_id)
    return tuple(others)
