"""Makes the steps of an event from what the log, an outbox or a dead letter says of it."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson
from redis import Redis

from segue_producer.entries import split_identity
from segue_producer.keys import Keys
from segue_worker.mapping.values import why_of
from segue_worker.observing.log import Logged
from segue_worker.observing.outbox_search import WaitingEvent
from segue_worker.observing.status import utc_text_ms
from segue_worker.observing.trail import TrailStep
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.log_record import EventPart, Fault, RequestPart

Shown = Callable[..., str]
"""Masks a text that may quote an answer, given what it may quote; or leaves it as it is."""


class LoggedSteps:
    """Makes the steps of events from entries of the log of a destination."""

    def __init__(self, redis: "Redis", destination: str, shown: Shown) -> None:
        self._redis = redis
        self._keys = Keys(destination)
        self._shown = shown

    def of(self, item: Logged, message_id: str) -> Iterator[TrailStep]:
        """What an entry says of an event, given what it is known by, oldest first."""
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


def waiting_step(found: WaitingEvent, standstill: str, shown: Shown) -> TrailStep:
    """That an event waits, and for what; `standstill`: why nothing is sent to its destination at all, or ""."""
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


def given_up(letter: DeadLetter, shown: Shown) -> TrailStep:
    """That an event was given up, of which no entry of the log tells."""
    details = {
        "reason": letter.reason,
        "detail": shown(letter.detail, *letter.quotable),
        "letter": letter.id,
        "kept": True,
    }
    return TrailStep("dead", letter.at, details)
