"""What the log says, event by event, and the filter that chooses among it for `segue tail`, the dashboard and `segue trace`. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import orjson

from segue_producer.entries import split_identity
from segue_worker.delivery.journal import LONGEST_NAME
from segue_worker.observing.log import Logged
from segue_worker.observing.status import utc_text_ms
from segue_worker.observing.wording import interruption
from segue_worker.outbox.dead_letter import REASONS
from segue_worker.outbox.log_record import Attempt, RequestPart
from segue_worker.printable import visible

OUTCOMES: Final = (
    *("delivered", "filtered", "duplicate", "dead", "parked", "replayed", "interrupted", "moved", "arrived"),
)
"""What can become of an event in one step of the log."""
NO_ANSWER: Final = "none"
_SAID_BY: Final = {"dead": ("dead", *REASONS), "delivered": ("delivered", "unchanged")}
"""Outcome → the texts of which one stands in an entry with a line of it, where it is not the outcome itself: a mapping that
failed is told of by its reason."""
_STATUS: Final = re.compile(r"[1-5](\d\d|xx)")


@dataclass(frozen=True, slots=True)
class Line:
    """One event in one step of the log.

    Attributes:
        at: unix ms.
        destination: where to.
        message_id: of the event.
        event: name of the event; "" where the step does not say it.
        outcome: what became of it.
        mappings: whose request it was, or which failed.
        attempts: those of this step, oldest first.
        merged: how many events the request stood for.
        repaired: keys of values that were repaired, left out or noticed.
        interrupted: how many deliveries of the contact were interrupted before; see `Record.interrupted`.
        why: the reason of a dead letter, or what a parked request was answered.
        letter: id of the dead letter, or "".
    """

    at: int
    destination: str
    message_id: str
    event: str
    outcome: str
    mappings: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    merged: int = 0
    repaired: tuple[str, ...] = ()
    interrupted: int = 0
    why: str = ""
    letter: str = ""

    @property
    def status(self) -> int | None:
        """Status of the last answer; None where there was none."""
        return self.attempts[-1].status or None if self.attempts else None

    @property
    def ms(self) -> int | None:
        """What the last attempt took; None where there was none."""
        return self.attempts[-1].ms if self.attempts else None

    @property
    def answers(self) -> tuple[str, ...]:
        """The status of each attempt, `none` where no answer came."""
        return tuple(str(attempt.status or NO_ANSWER) for attempt in self.attempts)

    def to_dict(self) -> dict[str, Any]:
        """The form of `segue tail --json`."""
        return {
            "at": utc_text_ms(self.at),
            "destination": self.destination,
            "messageId": self.message_id,
            "event": self.event,
            "outcome": self.outcome,
            "mapping": ", ".join(self.mappings),
            "status": self.status,
            "ms": self.ms,
            "merged": self.merged,
            "repaired": list(self.repaired),
            "interrupted": self.interrupted,
            "why": self.why,
            "letter": self.letter,
        }

    def text(self, moment: str) -> str:
        """A line for people, beginning with the moment."""
        answer = "" if self.ms is None else f"  {self.status or 'no answer'} in {self.ms} ms"
        merged = f"  merged from {self.merged}" if self.merged > 1 else ""
        repaired = f"  repaired or left out: {', '.join(self.repaired)}" if self.repaired else ""
        mapping = f"  {', '.join(map(repr, self.mappings))}" if self.mappings else ""
        why = f"  {self.why}" if self.why and self.why != str(self.status) else ""
        letter = f"  segue dead show {self.letter}" if self.letter else ""
        before = f"  ({interruption(self.interrupted)})" if self.interrupted else ""
        return visible(
            f"{moment}  {self.destination}  {self.outcome:<11}  {self.message_id}  {self.event}"
            f"{mapping}{answer}{merged}{repaired}{why}{letter}{before}"
        )


@dataclass(frozen=True, kw_only=True)
class LogFilter:
    """What must hold of a line. Of each kind any of the values may; none means that anything may.

    Attributes:
        outcomes: some of `OUTCOMES`.
        events: names of events; `identify` for an identify.
        mappings: names of mappings.
        statuses: of one of the attempts: as `429`, `5xx` for all of a class, or `none` where no answer came.
        since_ms: recorded at this time (unix ms) or later.
        until_ms: recorded at this time or earlier.
    """

    outcomes: Sequence[str] = ()
    events: Sequence[str] = ()
    mappings: Sequence[str] = ()
    statuses: Sequence[str] = ()
    since_ms: int | None = None
    until_ms: int | None = None

    def matches(self, line: Line) -> bool:
        """Whether a line matches."""
        return (
            (not self.outcomes or line.outcome in self.outcomes)
            and (not self.events or line.event in self._events)
            and (not self.mappings or not set(self.mappings).isdisjoint(line.mappings))
            and (not self.statuses or any(_is(status, each) for status in self.statuses for each in line.answers))
            and (self.since_ms is None or line.at >= self.since_ms)
            and (self.until_ms is None or line.at <= self.until_ms)
        )

    def may_match(self, raw: bytes) -> bool:
        """Whether an entry of the log may have a line that matches, as far as its text shows: reading it takes longer."""
        for signs in self._signs:
            # Spelled out, because it is asked of each entry of a log.
            for sign in signs:
                if sign in raw:
                    break
            else:
                return False
        return self._status_sign is None or self._status_sign.search(raw) is not None

    @cached_property
    def _events(self) -> frozenset[str]:
        return frozenset(name[:LONGEST_NAME] for name in self.events)

    @cached_property
    def _signs(self) -> list[list[bytes]]:
        """Of each kind the texts of which one stands in an entry with a line that matches."""
        outcomes = [text for outcome in self.outcomes for text in _SAID_BY.get(outcome, (outcome,))]
        texts = [outcomes, tuple(self._events), self.mappings]
        return [[orjson.dumps(text) for text in kind] for kind in texts if kind]

    @cached_property
    def _status_sign(self) -> re.Pattern[bytes] | None:
        """What an attempt looks like that was answered so; None where any may have been."""
        texts = [status.replace("xx", r"\d\d").replace(NO_ANSWER, "0") for status in self.statuses]
        return re.compile(f",(?:{'|'.join(texts)}),".encode()) if texts else None


def read_status(text: str) -> str:
    """A status to filter by, as people write it: `429`, `5xx`, `none`. Raises ValueError where it is none."""
    status = text.strip().lower()
    if status != NO_ANSWER and not _STATUS.fullmatch(status):
        raise ValueError(f"write a status like 429, a class like 5xx, or {NO_ANSWER} where no answer came")
    return status


def lines(destination: str, logged: Logged) -> Iterator[Line]:
    """The lines of one log entry: one for each event that it names, with the event's request if there was one.

    An event that goes on, or ends well, while something of it became a dead letter has a line for that too.
    """
    record, request = logged.record, logged.record.request
    answers = _answers(request) if request is not None and request.outcome != "apart" else {}
    names = {part.message_id: part.name for part in record.events}

    def line(known_by: str, outcome: str, **more: Any) -> Line:
        message_id = split_identity(known_by)[1]
        name = names.get(known_by, "")
        return Line(logged.at, destination, message_id, name, outcome, **more, interrupted=record.interrupted)

    for part in record.events:
        for fault in part.faults:
            failed = (fault.mapping,) if fault.mapping else ()
            yield line(part.message_id, "dead", mappings=failed, why=fault.reason, letter=fault.letter)
        if part.outcome == "begun" or (part.outcome == "dead" and part.faults):
            continue
        apart = request is not None and request.outcome == "dead" and part.outcome != "dead"
        sent = {} if apart or part.outcome == "duplicate" else answers.pop(part.message_id, {})
        yield line(part.message_id, part.outcome, **sent)
    for known_by, sent in answers.items():
        outcome = request.outcome if request is not None else ""
        yield line(known_by, "delivered" if outcome == "unchanged" else outcome, **sent)


def _answers(request: RequestPart) -> dict[str, dict[str, Any]]:
    """What is known of each event's request."""
    told = {"attempts": request.attempts, "merged": len(request.refs)}
    told |= {"why": request.why, "letter": request.letter} if request.outcome != "delivered" else {}
    found: dict[str, dict[str, Any]] = {}
    for place, (known_by, mapping) in enumerate(request.refs):
        mine = found.setdefault(known_by, {**told, "mappings": (), "repaired": ()})
        mine["mappings"] += (mapping,)
        mine["repaired"] += tuple(repair.key for repair in request.repairs if place in repair.refs)
    return found


def _is(wanted: str, status: str) -> bool:
    return wanted == status or (wanted.endswith("xx") and status[0] == wanted[0] and status != NO_ANSWER)
