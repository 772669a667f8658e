"""What happened to one event, from all places that know: the log, the outboxes, dead letters and seen messageIds."""

from collections.abc import Iterator, Sequence
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
from segue_worker.observing.log import Logged, find
from segue_worker.observing.status import utc_text_ms
from segue_worker.observing.waiting import WaitingEvent, find_waiting
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.log_record import EventPart, Fault, RequestPart
from segue_worker.outbox.outbox import WINDOWS, digest
from segue_worker.outbox.pause import Pause

EventState = Literal["pending", "parked", "delivered", "filtered", "duplicate", "dead", "settled", "moved"]
"""`moved`: to another destination, which knows what became of it; `settled`: it was settled within the dedupe window, but the log no longer says how."""
What = Literal[
    "enqueued", "interrupted", "attempt", "delivered", "parked", "dead", "apart", "unchanged", "filtered", "duplicate",
    "failed", "replayed", "pending", "settled", "value", "moved", "arrived",
]  # fmt: skip
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


def read_trails(redis: "Redis", destination: str, message_id: str, *, standstill: str = "") -> list[Trail]:
    """Find out what happened to an event; to several, where sources have used the same messageId.

    Args:
        redis: client that answers bytes.
        destination: its name.
        message_id: of the event.
        standstill: why nothing is sent to the destination at all; "" where nothing is known of that.

    Returns:
        its trails, the backend's first; of several that wait, only one is found.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    message_id = message_id.encode("utf-8", "replace").decode()
    logged = find(redis, destination, message_id)
    # Searched after the log, or an event that is settled in between would be found in neither.
    found = find_waiting(redis, destination, message_id)
    logged = logged if found else find(redis, destination, message_id)
    letters = [] if logged or found else list(_letters(redis, destination, message_id))
    known = {each for item in logged for each in item.record.named(message_id)}
    known |= {identity(letter.source(letter.message_ids.index(message_id)), message_id) for letter in letters}
    if found is not None:
        known.add(found.waiting.identity)
    if not known and _seen(redis, destination, message_id):
        return [Trail(message_id, destination, "", "settled", (TrailStep("settled", None),), ())]
    trails = []
    for each in sorted(known, key=split_identity):
        steps = [step for item in logged for step in _steps(redis, destination, item, each)]
        steps += [_given_up(letter) for letter in letters]
        waiting = found if found is not None and found.waiting.identity == each else None
        if waiting is not None:
            steps.append(_waiting_step(waiting, standstill or _pause(redis, destination)))
        parts = [part for item in logged for part in item.record.events if part.message_id == each]
        enqueued = _enqueued(parts, waiting)
        trails.append(
            Trail(
                message_id=message_id,
                destination=destination,
                name=next((part.name for part in parts), event_name(waiting.waiting.event) if waiting else ""),
                outcome=_outcome(steps, waiting),
                steps=(*([TrailStep("enqueued", enqueued)] if enqueued else []), *steps),
                merged_with=_merged_with(logged, each),
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


def _steps(redis: "Redis", destination: str, item: Logged, message_id: str) -> Iterator[TrailStep]:
    request = item.record.request
    if item.record.interrupted:
        # The interruption came before everything else that this entry tells.
        at = request.attempts[0].at if request is not None and request.attempts else item.at
        yield TrailStep("interrupted", at, {"times": item.record.interrupted})
    if request is not None and any(message_id == ref for ref, _ in request.refs):
        yield from _request_steps(redis, destination, item.at, request, message_id)
    for part in item.record.events:
        if part.message_id == message_id:
            yield from _event_steps(redis, destination, item.at, part)


def _request_steps(
    redis: "Redis", destination: str, at: int, request: RequestPart, message_id: str
) -> Iterator[TrailStep]:
    mapping = ", ".join(mapping for ref, mapping in request.refs if ref == message_id)
    others = [split_identity(ref)[1] for ref in dict(request.refs) if ref != message_id]
    first = request.sent - len(request.attempts) + 1
    for number, attempt in enumerate(request.attempts, first):
        answer = {"status": attempt.status or None, "ms": attempt.ms}
        yield TrailStep("attempt", attempt.at, {"number": number, "mapping": mapping, "path": request.path, **answer})
    details: dict[str, Any] = {"mapping": mapping, "attempts": request.sent}
    if others:
        details["merged_with"] = others
    if request.outcome == "parked":
        details |= {"because": request.why, "until": utc_text_ms(request.next)}
    elif request.outcome == "dead":
        details |= {"reason": request.why, **_letter_details(redis, destination, request.letter)}
    for repair in request.repairs:
        if any(request.refs[place][0] == message_id for place in repair.refs):
            yield TrailStep("value", at, {"key": repair.key, "mapping": mapping, "why": why_of(repair.rule)})
    yield TrailStep(request.outcome, at, details)


def _event_steps(redis: "Redis", destination: str, at: int, part: EventPart) -> Iterator[TrailStep]:
    for fault in part.faults:
        yield TrailStep("failed", at, _fault_details(redis, destination, fault))
    match part.outcome:
        case "filtered":
            yield TrailStep("filtered", at, {"because": _explanation(redis, destination, part.because)})
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


def _fault_details(redis: "Redis", destination: str, fault: Fault) -> dict[str, Any]:
    return {"mapping": fault.mapping, "reason": fault.reason, **_letter_details(redis, destination, fault.letter)}


def _letter_details(redis: "Redis", destination: str, letter: str) -> dict[str, Any]:
    kept = bool(redis.hexists(Keys(destination).dead, letter))
    return {"letter": letter, "kept": kept}


def _explanation(redis: "Redis", destination: str, name: str) -> list[dict[str, str]]:
    raw: Any = redis.hget(Keys(destination).because, name) if name else None
    reasons = orjson.loads(raw) if raw else {}
    return [{"mapping": mapping, "condition": condition} for mapping, condition in reasons.items()]


def _pause(redis: "Redis", destination: str) -> str:
    raw = redis.get(Keys(destination).paused)
    return f"the destination is paused: {Pause.from_json(raw).reason}" if raw else ""


def _waiting_step(found: WaitingEvent, standstill: str) -> TrailStep:
    details: dict[str, Any] = {"events_before": found.place, "in_flight": found.claimed}
    if found.parked is not None:
        details |= {
            "attempts": found.parked.attempts,
            "because": mask_known(found.parked.because, found.waiting.text, *found.parked.quotable),
            "until": utc_text_ms(found.parked.next),
        }
    if standstill:
        details["standstill"] = standstill
    return TrailStep("pending", None, details)


def _given_up(letter: DeadLetter) -> TrailStep:
    return TrailStep("dead", letter.at, {"reason": letter.reason, "letter": letter.id, "kept": True})


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
