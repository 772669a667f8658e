"""An entry of the log: what one step recorded of a contact's events. Pure.

The JSON has short names, because there is an entry for each request; what they mean is said here once. An entry holds
messageIds, names of events and mappings, answers' status codes and digests of the contact and of the other ids of its
events (`segue_worker.outbox.names`): no other data of a person. Entries of one person are found by these digests, and may be
deleted one by one (XDEL).
"""

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple, Self

import orjson

from segue_producer.entries import split_identity

FIELD: Final = b"e"
"""The one field of a stream entry."""

EventOutcome = Literal[
    "begun", "parked", "delivered", "filtered", "duplicate", "dead", "replayed", "interrupted", "moved", "arrived"
]
"""`begun`: still in the outbox, while one of its mappings has failed; `replayed`: back in the outbox; `interrupted`:
still in the outbox, and only named because of `Record.interrupted`; `moved`, `arrived`: to or from another destination."""
RequestOutcome = Literal["delivered", "parked", "dead", "apart", "unchanged"]
"""`apart`: a merge that Loops refused, sent again piece by piece; `unchanged`: not sent, because Loops has it already."""


class Attempt(NamedTuple):
    """One sending.

    Attributes:
        at: unix ms.
        status: of the answer; 0 where there was none.
        ms: until the answer, or the failure.
    """

    at: int
    status: int
    ms: int


class RepairPart(NamedTuple):
    """A value of a request that was repaired, left out or noticed.

    Attributes:
        key: its place in the body.
        rule: name in `segue_worker.mapping.values.RULES`; another version may have others.
        refs: which of the request's `refs` had it, by their places.
    """

    key: str
    rule: str
    refs: tuple[int, ...]


class RequestPart(NamedTuple):
    """What became of a request in one run.

    Attributes:
        path: what follows the base URL.
        refs: messageId (as in `EventPart`) and mapping of what it stood for, in order; several where it was merged.
        attempts: those of this run, oldest first.
        sent: how often it was sent in all.
        outcome: what followed.
        why: the last answer's status or failure, or the dead letter's reason; never the answer's text.
        next: for `parked`, unix ms of the next attempt.
        letter: for `dead`, id of the dead letter.
        repairs: what was done about values, as far as no earlier entry says it.
    """

    path: str
    refs: tuple[tuple[str, str], ...]
    attempts: tuple[Attempt, ...]
    sent: int
    outcome: RequestOutcome
    why: str = ""
    next: int = 0
    letter: str = ""
    repairs: tuple[RepairPart, ...] = ()

    @classmethod
    def from_list(cls, values: Sequence[Any]) -> Self:
        """Read what JSON makes of it."""
        path, refs, attempts, sent, outcome, why, next_ms, letter, *rest = values
        repairs = tuple(RepairPart(key, rule, tuple(places)) for key, rule, places in (rest[0] if rest else ()))
        return cls(
            *(path, tuple((i, m) for i, m in refs), tuple(Attempt(*each) for each in attempts), sent, outcome),
            *(why, next_ms, letter, repairs),
        )


class Fault(NamedTuple):
    """A mapping of an event that failed, or an entry that was no event.

    Attributes:
        reason: as in `DeadLetter`.
        mapping: which mapping, or "".
        letter: id of the dead letter.
    """

    reason: str
    mapping: str
    letter: str


class EventPart(NamedTuple):
    """What became of an event.

    Attributes:
        message_id: its messageId within its source, as `segue_producer.entries.identity` makes it; "" where it was no
            event.
        name: of the track event; `identify` for an identify.
        outcome: what became of it.
        enqueued: unix ms, or 0 where it is not known.
        because: for `filtered`, digest of the explanation; for `replayed`, id of the dead letter; for `moved` and
            `arrived`, the other destination.
        faults: mappings that failed.
    """

    message_id: str
    name: str
    outcome: EventOutcome
    enqueued: int
    because: str = ""
    faults: Sequence[Fault] = ()


class Record(NamedTuple):
    """What one step recorded.

    Attributes:
        contact: digest of the contact (`segue_producer.keys.contact_digest`).
        events: those that left the outbox, came back to it, or are parked with the request.
        request: the request whose end, or parking, the step recorded, if it was one.
        interrupted: how many deliveries of the contact before this one were interrupted, since its last entry: the last
            request of each may have been sent without being recorded.
        names: digests of the other ids that the events name.
    """

    contact: str
    events: Sequence[EventPart] = ()
    request: RequestPart | None = None
    interrupted: int = 0
    names: Sequence[str] = ()

    def to_json(self) -> bytes:
        """The form in which it is kept."""
        # In one text with the contact, so that versions which know of no other ids read it too.
        names = " ".join(dict.fromkeys((self.contact, *self.names)))
        # Rare, so that most entries do without.
        interrupted = (self.interrupted,) if self.interrupted else ()
        # Of plain tuples, which is what nearly all of it is, orjson does not ask how to write them.
        return orjson.dumps((names, list(map(tuple, self.events)), self.request, *interrupted), default=list)

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """Read what `to_json` wrote."""
        digests, events, request, *interrupted = orjson.loads(raw)
        contact, *names = digests.split(" ")
        parts = ((*values, tuple(Fault(*fault) for fault in faults)) for *values, faults in events)
        return cls(
            contact,
            tuple(EventPart(*part) for part in parts),
            None if request is None else RequestPart.from_list(request),
            interrupted[0] if interrupted else 0,
            tuple(names),
        )

    @property
    def identities(self) -> set[str]:
        """What its events are known by."""
        refs = self.request.refs if self.request is not None else ()
        return {event.message_id for event in self.events} | {ref for ref, _ in refs}

    def named(self, message_id: str) -> set[str]:
        """The identities of its events with this messageId, one for each source."""
        return {each for each in self.identities if split_identity(each)[1] == message_id}
