"""The claimed events of one contact: what is left to send of each, and what may be recorded. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, Unpack, cast

from segue_worker.config.model import Coalesce
from segue_worker.delivery.coalesce import Piece, coalesce
from segue_worker.delivery.journal import Journal, event_name
from segue_worker.delivery.letters import Letters
from segue_worker.delivery.planning import Planner, keep_to
from segue_worker.delivery.process_log import subject
from segue_worker.delivery.requests import outgoing
from segue_worker.errors import DamagedError
from segue_worker.mapping import CompiledMapping
from segue_worker.outbox.counters import Counts
from segue_worker.outbox.entry import Fate, Waiting, read_entry
from segue_worker.outbox.log_record import EventOutcome, EventPart, Fault, RequestOutcome
from segue_worker.outbox.outbox import digest
from segue_worker.outbox.outgoing import Outgoing, Ref
from segue_worker.outbox.plan import Plan
from segue_worker.outbox.settlement import Next, Settlement

OUTCOMES: Final[dict[str, EventOutcome]] = {
    "delivered": "delivered",
    "filtered": "filtered",
    "duplicates": "duplicate",
    "": "dead",
}
"""Counter → what the log says."""
_ATTEMPTS: Final[tuple[str, ...]] = ("requests", "retries", "rate_limited")
"""The counters of attempts."""


class Backlog:
    """The claimed events of one contact, oldest first.

    Args:
        contact: whose they are.
        entries: as they lie in the outbox.
        now_ms: gives unix ms, for the times of dead letters.
        journal: collects what is recorded besides.
    """

    def __init__(
        self, contact: bytes, entries: Sequence[bytes], *, now_ms: Callable[[], int], journal: Journal
    ) -> None:
        self.contact = contact
        self.journal = journal
        events = [read_entry(raw) for raw in entries]
        # Nothing is planned beyond an entry that cannot be read: its turn comes when it is the oldest.
        readable = next((place for place, waiting in enumerate(events) if waiting.damaged), len(events))
        self._events = events[: max(1, readable)]
        self.message_ids = [waiting.identity for waiting in self._events]
        """The messageId of each event, within its source; "" for what is no event."""
        self.digests = [digest(message_id) for message_id in self.message_ids]
        self._now_ms = now_ms
        self._letters = Letters(contact, now_ms)
        self._counters: dict[str, int] = {}
        self._parked: list[EventPart] = []
        self.head = 0
        """How many of the events have been taken off the outbox; `Ref`s count from the first one claimed."""

    def plan(  # noqa: PLR0913 - what a plan depends on
        self,
        mappings: Sequence[CompiledMapping],
        *,
        destination: str,
        mode: Coalesce,
        seen: set[str],
        frozen: Outgoing | None = None,
        begun_with: Plan | None = None,
    ) -> list[Outgoing]:
        """Decide what to send for the events, in order.

        Args:
            mappings: the destination's, in their order.
            destination: its name.
            mode: what may be merged.
            seen: messageIds already settled, or being settled elsewhere.
            frozen: a request attempted before, which goes first and as it is.
            begun_with: the plan by which an interrupted claim may have sent the first request, if not that of `mappings`.

        Returns:
            the requests. What needs none (filtered, duplicate, at fault) is noted for the next settlement.

        Raises:
            DamagedError: the oldest entry cannot be read.
        """
        if begun_with and not frozen:
            keep_to(begun_with, self._events, destination)
        taken = set(seen)
        pieces: list[Piece] = []
        held = set(frozen.refs) if frozen else set()
        planner = Planner(
            mappings,
            letters=self._letters,
            sent=self.journal.sent,
            now_ms=self._now_ms,
            held=held,
            in_doubt=self.journal.interrupted and not frozen,
        )
        for place, waiting in enumerate(self._events):
            if waiting.damaged:
                raise DamagedError("its oldest entry in the outbox cannot be read")
            if waiting.event is None:
                self._letters.bury(waiting, "unreadable", "the entry is no event with a messageId")
                waiting.state = "sending"
            elif waiting.identity in taken and self._is_fresh(place, waiting, held):
                waiting.state = "duplicate"
            else:
                pieces += planner.pieces(place, waiting)
            taken.add(waiting.identity)
        first = [frozen] if frozen else []
        planned = [outgoing(group, self._events, destination) for group in coalesce(pieces, mode)]
        if self.journal.interrupted and planned and not frozen:
            self._may_be_sent(planned[0].refs, destination)
        return first + planned

    def _may_be_sent(self, refs: Sequence[Ref], destination: str) -> None:
        """Note with the next settlement that a request may have been sent: by which mappings, and under which keys."""
        for waiting in {ref.event: self._events[ref.event] for ref in refs}.values():
            waiting.origin = waiting.origin or destination
            waiting.changed = True

    @staticmethod
    def _is_fresh(place: int, waiting: Waiting, held: set[Ref]) -> bool:
        """Whether nothing has been sent of an event yet, and it is no replay."""
        return not waiting.done and not waiting.replay and not any(ref.event == place for ref in held)

    def count(self, **counters: Unpack[Counts]) -> None:
        """Add to what the next settlement counts."""
        for name, count in counters.items():
            self._counters[name] = self._counters.get(name, 0) + cast("int", count)

    def record(self, refs: Sequence[Ref], fate: Fate) -> None:
        """Note what became of requests."""
        for ref in refs:
            waiting = self._events[ref.event]
            self._note_sent(ref)
            waiting.left.discard(ref.mapping)
            waiting.done[ref.mapping] = fate
            waiting.changed = True

    def leave_unchanged(self, request: Outgoing) -> None:
        """Note that an update need not be sent, because it is the last that Loops has confirmed of the contact."""
        self.note(request, "unchanged", sent=0)
        self.count(unchanged=len({ref.event for ref in request.refs}))
        self.record(request.refs, "delivered")

    def begin(self, request: Outgoing) -> None:
        """Note that a request was attempted: with the next settlement its events keep the mappings they were begun with."""
        for ref in request.refs:
            self._note_sent(ref)
            self._events[ref.event].changed = True

    def _note_sent(self, ref: Ref) -> None:
        """Note once what a request held that was attempted, whatever came of it."""
        made = self._events[ref.event].made.pop(ref.mapping, None)
        if made is not None:
            self.journal.sent.note(made)

    def take_apart(self, request: Outgoing) -> list[Outgoing]:
        """What is sent in place of a merged request that was refused.

        It is recorded with the next settlement, so that whoever plans it again neither merges what was taken apart nor
        sends the event under another key.
        """
        for number, part in enumerate(request.parts):
            for ref in part.refs:
                waiting = self._events[ref.event]
                waiting.apart[ref.mapping] = f"{waiting.apart.get(ref.mapping, '')}{number}."
                waiting.changed = True
        return list(request.parts)

    def note(self, request: Outgoing, outcome: RequestOutcome, *, sent: int, **details: Any) -> None:
        """Note for the log what followed from sending a request; `details` are further ones of `Journal.request`."""
        refs = [(self._events[ref.event].identity, ref.mapping) for ref in request.refs]
        repairs = [self._events[ref.event].repairs.get(ref.mapping, ()) for ref in request.refs]
        noted = self.journal.request(request.path, refs, sent=sent, outcome=outcome, repairs=repairs, **details)
        if noted and any(repairs):
            self._count_repairs(request.refs)
        if noted and outcome == "parked":
            waiting = (self._events[place] for place in sorted({ref.event for ref in request.refs}))
            self._parked = [self.journal.event(each, "parked", each.enqueued) for each in waiting]

    def subject(self, request: Outgoing) -> dict[str, Any]:
        """What a request stands for, as fields of the log."""
        events = [self._events[ref.event] for ref in request.refs]
        mappings = (ref.mapping for ref in request.refs)
        # Only where there is one: not everybody traces.
        trace = next((each.trace for each in events if each.trace), "")
        traced = {"trace_id": trace.split("-")[1]} if trace else {}
        return traced | subject(
            (each.message_id for each in events), (event_name(each.event) for each in events), mappings
        )

    def traces(self, request: Outgoing) -> list[str]:
        """The `traceparent` of each event that a request stands for, or ""."""
        return [self._events[ref.event].trace for ref in request.refs]

    def _count_repairs(self, refs: Sequence[Ref]) -> None:
        for ref in refs:
            fates = [repair.fate for repair in self._events[ref.event].repairs.pop(ref.mapping, ())]
            self.count(repaired=fates.count("repaired"), left_out=fates.count("left out"))

    def bury(self, request: Outgoing, reason: str, detail: str, **attempt: Any) -> str:
        """Note that a request was given up; `attempt` is what `DeadLetter` says of it. Returns the letter's id."""
        letter = self._letters.of_request(request, self._events, reason, detail, **attempt)
        self.record(request.refs, "dead")
        # By the time anything is recorded of the last of them, everything is recorded of the others.
        last = self._events[max(ref.event for ref in request.refs)]
        last.dead = (*last.dead, letter)
        return letter.id

    def bury_oldest(self, reason: str, detail: str, mappings: Sequence[CompiledMapping]) -> None:
        """Note that the oldest event is given up, for all of the destination's mappings of which nothing is recorded."""
        waiting = self._events[0]
        waiting.state = "sending"
        left: list[str] = []
        if waiting.done or waiting.only is not None:
            names = waiting.only if waiting.only is not None else [mapping.name for mapping in mappings]
            left = [name for name in names if name not in waiting.done]
        self._letters.bury(waiting, reason, detail, *left)
        if left:
            *before, letter = waiting.dead
            waiting.dead = (*before, replace(letter, beside=tuple((0, name) for name in waiting.others(left))))

    def unchanged(self) -> Settlement:
        """What may be recorded where nothing else may: the attempts noted since the last settlement."""
        record, measures, _ = self.journal.take(self._parked)
        self._parked = []
        return Settlement(counters=self._attempts(), record=record, measures=measures)

    def afresh(self, entries: Sequence[bytes]) -> "Backlog":
        """Entries of the same contact, of which nothing is planned; it goes on with the attempts noted here."""
        fresh = Backlog(self.contact, entries, now_ms=self._now_ms, journal=self.journal)
        fresh.count(**self._attempts())
        return fresh

    def _attempts(self) -> dict[str, int]:
        return {name: self._counters.pop(name) for name in _ATTEMPTS if name in self._counters}

    def settlement(self, then: Next, *, park_for_ms: int = 0) -> Settlement:
        """What may be recorded now: the oldest events as far as they are finished, and what is finished of those behind.

        Recorded is recorded: the next settlement goes on from there.
        """
        gone: list[Waiting] = []
        for waiting in self._events[self.head :]:
            if waiting.state == "open" or waiting.left:
                break
            gone.append(waiting)
        self.head += len(gone)
        counters, now_ms = self._counters, self._now_ms()
        self._counters = {}
        parts = []
        for waiting in gone:
            fate = _fate(waiting)
            counters[fate] = counters.get(fate, 0) + 1
            parts.append(self._part(waiting, OUTCOMES[fate], now_ms))
        parts += self._parked
        self._parked = []
        dead = [letter for waiting in gone for letter in waiting.dead]
        replaced = {}
        for place, waiting in enumerate(self._events[self.head :]):
            if waiting.changed or (place == 0 and waiting.dead):
                replaced[place] = waiting.partial()
                waiting.changed = False
                dead += waiting.dead
                faults = _faults(waiting)
                if faults or self.journal.names(waiting):
                    parts.append(self.journal.event(waiting, "begun", faults=faults))
                waiting.dead = ()
        # If nothing is recorded now, the next claim records the interruption.
        records = bool(gone or replaced) or then is not Next.RETURN
        if not parts and records and self.journal.wants_event and self.head < len(self._events):
            head = self._events[self.head]
            parts.append(self.journal.event(head, "interrupted", head.enqueued))
        counters["dead"] = len(dead)
        record, measures, explanations = self.journal.take(parts)
        return Settlement(
            taken=len(gone),
            replaced=replaced,
            next=then,
            park_for_ms=park_for_ms,
            oldest_ms=self.oldest_ms,
            digests=[
                self.digests[place] for place in range(self.head - len(gone), self.head) if self.message_ids[place]
            ],
            counters={name: count for name, count in counters.items() if name and count},
            dead=dead,
            record=record,
            measures=measures,
            explanations=explanations,
        )

    @property
    def oldest_ms(self) -> int:
        """Unix ms at which the oldest event that is left was enqueued; 0 where that is not known."""
        return self._events[self.head].enqueued if self.head < len(self._events) else 0

    def _part(self, waiting: Waiting, outcome: EventOutcome, now_ms: int) -> EventPart:
        """What the log says of an event that leaves the outbox."""
        because = self.journal.explanation(waiting.because) if waiting.because else ""
        if outcome == "delivered" and not waiting.replay:
            self.journal.waited(waiting.enqueued, now_ms)
        if waiting.event is not None and outcome != "duplicate" and not waiting.replay:
            self.journal.mapped(waiting.done)
        faults = _faults(waiting) if waiting.dead else ()
        return self.journal.event(waiting, outcome, waiting.enqueued, because, faults)


def _faults(waiting: Waiting) -> list[Fault]:
    """The mappings that failed, as far as they are not recorded yet."""
    return [
        Fault(letter.reason, letter.mappings[0] if letter.mappings else "", letter.id)
        for letter in waiting.dead
        if letter.request is None
    ]


def _fate(waiting: Waiting) -> str:
    """The counter of a finished event; "" for one that died with all its requests, which `dead` has counted."""
    if waiting.state == "duplicate":
        return "duplicates"
    if waiting.state == "filtered":
        return "filtered"
    return "delivered" if "delivered" in waiting.done.values() else ""
