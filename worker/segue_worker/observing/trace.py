"""What happened to one event, from all places that know: the log, the outboxes, dead letters and seen messageIds."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson
from redis import Redis

from segue_producer.entries import identity, split_identity
from segue_producer.keys import Keys
from segue_producer.lua import CLOCK, read_script
from segue_worker.delivery.journal import event_name
from segue_worker.mapping.values import why_of
from segue_worker.masking import mask_known
from segue_worker.observing.log import Logged, LogScan
from segue_worker.observing.status import utc_text_ms
from segue_worker.observing.waiting import WaitingEvent, find_waiting
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.entry import read_entry
from segue_worker.outbox.log_record import EventPart, Fault, RequestPart
from segue_worker.outbox.outbox import WINDOWS, digest
from segue_worker.outbox.pause import Pause

EventState = Literal["pending", "parked", "delivered", "filtered", "duplicate", "dead", "settled", "moved"]
"""`moved`: to another destination, which knows what became of it; `settled`: it was settled within the dedupe window, but the log no longer says how."""
What = Literal[
    "enqueued", "interrupted", "attempt", "delivered", "parked", "dead", "apart", "unchanged", "filtered", "duplicate",
    "failed", "replayed", "pending", "settled", "value", "moved", "arrived",
]  # fmt: skip
_Shown = Callable[..., str]
_PASSING: Final = {"interrupted", "attempt", "apart", "enqueued", "failed", "replayed", "value", "arrived"}
_SEEN: Final = read_script("segue_worker/outbox/seen", CLOCK, WINDOWS)


@dataclass(frozen=True, slots=True)
class TrailStep:
    """Something that happened to the event.

    Attributes:
        what: what happened.
        at: unix ms, or None where it is not known.
        details: what else is known of it.
    """

    what: What
    at: int | None
    details: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The form of `segue trace --json`."""
        return {"at": None if self.at is None else utc_text_ms(self.at), "what": self.what, **self.details}


@dataclass(frozen=True, slots=True)
class Trail:
    """What happened to an event at one destination.

    Attributes:
        message_id: of the event.
        destination: its name.
        name: of the event; "" where it is not known.
        outcome: the event's state now.
        steps: what happened, oldest first.
        merged_with: messageIds of the events that shared a request with it.
        source: whose messageId it is: "" for backend services, else the digest of a write key.
    """

    message_id: str
    destination: str
    name: str
    outcome: EventState
    steps: tuple[TrailStep, ...]
    merged_with: tuple[str, ...]
    source: str = ""

    @property
    def identity(self) -> str:
        """What the event is known by."""
        return identity(self.source, self.message_id)

    @property
    def began(self) -> int:
        """Unix ms of the first that is known of it; far in the future where no time is."""
        return min((step.at for step in self.steps if step.at is not None), default=sys.maxsize)

    def to_dict(self) -> dict[str, Any]:
        """The form of `segue trace --json`."""
        return {
            "messageId": self.message_id,
            "destination": self.destination,
            "source": self.source,
            "event": self.name,
            "outcome": self.outcome,
            "merged_with": list(self.merged_with),
            "steps": [step.to_dict() for step in self.steps],
        }


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
    sources = Sources(scan.naming, [found] if found else [], letters, standstill, reveal)
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
    """

    logged: Sequence[Logged]
    waiting: Sequence[WaitingEvent]
    letters: Sequence[DeadLetter]
    standstill: str = ""
    reveal: bool = False

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
                letters.setdefault(identity(letter.source(place), message_id), []).append((place, letter))
    logged: dict[str, list[Logged]] = {}
    for item in known.logged:
        for each in item.record.identities:
            logged.setdefault(each, []).append(item)
    waiting = {found.waiting.identity: found for found in reversed(known.waiting)}
    standstill = known.standstill or (_pause(redis, destination) if waiting else "")
    told_by = _Steps(redis, destination, known.shown)
    trails = []
    for each in sorted(logged.keys() | letters.keys() | waiting.keys(), key=split_identity):
        items, found = logged.get(each, []), waiting.get(each)
        steps = [step for item in items for step in told_by.of(item, each)]
        steps += [_given_up(letter, known.shown) for _, letter in letters.get(each, [])]
        if found is not None:
            steps.append(_waiting_step(found, standstill, known.shown))
        parts = [part for item in items for part in item.record.events if part.message_id == each]
        enqueued = _enqueued(parts, found)
        names = [part.name for part in parts]
        names += [event_name(found.waiting.event)] if found else []
        names += [
            event_name(read_entry(letter.events[place].encode()).event) for place, letter in letters.get(each, [])
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


class _Steps:
    """Makes the steps of events from entries of the log of a destination."""

    def __init__(self, redis: "Redis", destination: str, shown: _Shown) -> None:
        self._redis = redis
        self._keys = Keys(destination)
        self._shown = shown

    def of(self, item: Logged, message_id: str) -> Iterator[TrailStep]:
        request = item.record.request
        if item.record.interrupted:
            # The interruption came before everything else that this entry tells.
            at = request.attempts[0].at if request is not None and request.attempts else item.at
            yield TrailStep("interrupted", at, {"times": item.record.interrupted})
        if request is not None and any(message_id == ref for ref, _ in request.refs):
            yield from self._request_steps(item.at, request, message_id)
        for part in item.record.events:
            if part.message_id == message_id:
                yield from self._event_steps(item.at, part)

    def _request_steps(self, at: int, request: RequestPart, message_id: str) -> Iterator[TrailStep]:
        mapping = ", ".join(mapping for ref, mapping in request.refs if ref == message_id)
        others = [split_identity(ref)[1] for ref in dict(request.refs) if ref != message_id]
        first = request.sent - len(request.attempts) + 1
        for number, attempt in enumerate(request.attempts, first):
            answer = {"status": attempt.status or None, "ms": attempt.ms}
            yield TrailStep(
                "attempt", attempt.at, {"number": number, "mapping": mapping, "path": request.path, **answer}
            )
        details: dict[str, Any] = {"mapping": mapping, "attempts": request.sent}
        if others:
            details["merged_with"] = others
        if request.outcome == "parked":
            details |= {"because": request.why, "until": utc_text_ms(request.next)}
        elif request.outcome == "dead":
            details |= {"reason": request.why, **self._letter_details(request.letter)}
        for repair in request.repairs:
            if any(request.refs[place][0] == message_id for place in repair.refs):
                yield TrailStep("value", at, {"key": repair.key, "mapping": mapping, "why": why_of(repair.rule)})
        yield TrailStep(request.outcome, at, details)

    def _event_steps(self, at: int, part: EventPart) -> Iterator[TrailStep]:
        for fault in part.faults:
            yield TrailStep("failed", at, self._fault_details(fault))
        match part.outcome:
            case "filtered":
                yield TrailStep("filtered", at, {"because": self._explanation(part.because)})
            case "duplicate":
                enqueued = {"enqueued": utc_text_ms(part.enqueued)} if part.enqueued else {}
                yield TrailStep("duplicate", at, enqueued)
            case "replayed":
                yield TrailStep("replayed", at, {"letter": part.because})
            case "moved":
                yield TrailStep("moved", at, {"to": part.because})
            case "arrived":
                yield TrailStep("arrived", at, {"from": part.because})
            case "dead" if part.faults:
                yield TrailStep("dead", at, {"reason": part.faults[-1].reason})
            case _:
                # The entry of its last request said it already.
                return

    def _fault_details(self, fault: Fault) -> dict[str, Any]:
        return {
            "mapping": fault.mapping,
            "reason": fault.reason,
            **self._letter_details(fault.letter),
        }

    def _letter_details(self, letter: str) -> dict[str, Any]:
        raw: Any = self._redis.hget(self._keys.dead, letter)
        found = DeadLetter.read(letter, raw) if raw else None
        why = {"detail": self._shown(found.detail, *found.quotable)} if found else {}
        return {**why, "letter": letter, "kept": found is not None}

    def _explanation(self, name: str) -> list[dict[str, str]]:
        raw: Any = self._redis.hget(self._keys.because, name) if name else None
        reasons = orjson.loads(raw) if raw else {}
        return [{"mapping": mapping, "condition": condition} for mapping, condition in reasons.items()]


def _pause(redis: "Redis", destination: str) -> str:
    raw = redis.get(Keys(destination).paused)
    return f"the destination is paused: {Pause.from_json(raw).reason}" if raw else ""


def _waiting_step(found: WaitingEvent, standstill: str, shown: _Shown) -> TrailStep:
    details: dict[str, Any] = {"events_before": found.place, "in_flight": found.claimed}
    if found.parked is not None:
        details |= {
            "attempts": found.parked.attempts,
            "because": shown(found.parked.because, found.waiting.text, *found.parked.quotable),
            "until": utc_text_ms(found.parked.next),
        }
    if standstill:
        details["standstill"] = standstill
    return TrailStep("pending", None, details)


def _given_up(letter: DeadLetter, shown: _Shown) -> TrailStep:
    details = {
        "reason": letter.reason,
        "detail": shown(letter.detail, *letter.quotable),
        "letter": letter.id,
        "kept": True,
    }
    return TrailStep("dead", letter.at, details)


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
