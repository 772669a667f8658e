"""Collects what the next settlement is to record of a contact's events, so that recording needs no step of its own."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import orjson

from segue_producer.keys import contact_digest
from segue_worker.mapping.values import Repair
from segue_worker.outbox import histogram
from segue_worker.outbox.counters import FAILED, FIRED, MAPPED
from segue_worker.outbox.entry import Waiting
from segue_worker.outbox.log_record import (
    Attempt,
    EventOutcome,
    EventPart,
    Fault,
    Record,
    RepairPart,
    RequestOutcome,
    RequestPart,
)
from segue_worker.outbox.names import names_of
from segue_worker.schema.sent import SentKeys

LONGEST_NAME: Final = 100
"""Characters of an event's name that the log keeps."""
_REPAIRS_TOLD: Final = 50


class Journal:
    """What is to be recorded of one contact, until `take` hands it over.

    Args:
        contact: as it stands in keys.
        interrupted: how many earlier claims of the contact were interrupted; the first entry says so.
        sent: notes what requests hold; nothing does where it is left out.
    """

    __slots__ = ("_attempts", "_contact", "_explanations", "_interrupted", "_measures", "_request", "_told", "sent")

    def __init__(self, contact: bytes, *, interrupted: int = 0, sent: SentKeys | None = None) -> None:
        self.sent = sent or SentKeys()
        self._interrupted = interrupted
        self._contact = contact
        self._attempts: list[Attempt] = []
        self._request: RequestPart | None = None
        self._measures: dict[str, int] = {}
        self._explanations: dict[str, bytes] = {}
        self._told: list[Mapping[str, Any] | None] = []

    def event(
        self,
        waiting: Waiting,
        outcome: EventOutcome,
        enqueued: int = 0,
        because: str = "",
        faults: Sequence[Fault] = (),
    ) -> EventPart:
        """What is said of an event; see `EventPart`. The next entry names whose it is."""
        self._told.append(waiting.event)
        return EventPart(waiting.identity, event_name(waiting.event), outcome, enqueued, because, faults)

    def attempt(self, at_ms: int, status: int, seconds: float) -> None:
        """Note a sending: when, the answer's status (0 where there was none), and how long it took."""
        self._attempts.append(Attempt(at_ms, status, round(seconds * 1000)))
        histogram.count("took", seconds * 1000, self._measures)

    def request(  # noqa: PLR0913 - what is told of a request
        self,
        path: str,
        refs: Sequence[tuple[str, str]],
        *,
        sent: int,
        outcome: RequestOutcome,
        why: str = "",
        next_ms: int = 0,
        letter: str = "",
        repairs: Sequence[Sequence[Repair]] = (),
    ) -> bool:
        """Note what followed from the attempts noted since the last time; see `RequestPart`. `repairs` are those of each ref.

        Returns whether there is anything to note: what was given back without a sending is where it was.
        """
        noted = bool(self._attempts) or outcome != "parked"
        if noted:
            attempts = tuple(self._attempts)
            told = _told(repairs)
            self._request = RequestPart(path, tuple(refs), attempts, sent, outcome, why, next_ms, letter, told)
        self._attempts.clear()
        return noted

    def names(self, waiting: Waiting) -> bool:
        """Whether a request was noted that stood for an event, other than one that is parked with it."""
        request = self._request
        return request is not None and request.outcome != "parked" and waiting.identity in dict(request.refs)

    @property
    def interrupted(self) -> bool:
        """Whether a request may have been sent that no entry tells of."""
        return bool(self._interrupted)

    @property
    def wants_event(self) -> bool:
        """Whether an interruption is to be noted, and there is no request to note it with."""
        return bool(self._interrupted and self._request is None)

    def mapped(self, mappings: Mapping[str, str]) -> None:
        """Note that an event went through the mappings, and what became of those that fired: `failed`, or anything.

        "" stands for no mapping in particular, which is none to be counted.
        """
        measures = self._measures
        measures[MAPPED] = measures.get(MAPPED, 0) + 1
        for mapping, fate in mappings.items():
            if mapping:
                name = f"{FAILED if fate == 'failed' else FIRED}:{mapping}"
                measures[name] = measures.get(name, 0) + 1

    def limited(self, seconds: float) -> None:
        """Note how long a request waited for its slot. One that did not wait costs nothing."""
        if ms := round(seconds * 1000):
            self._measures[histogram.LIMITED] = self._measures.get(histogram.LIMITED, 0) + ms

    def waited(self, enqueued_ms: int, now_ms: int) -> None:
        """Note how long an event waited for its delivery, until now."""
        if enqueued_ms:
            histogram.count("wait", now_ms - enqueued_ms, self._measures)

    def explanation(self, reasons: Mapping[str, str]) -> str:
        """Note why an event was filtered, mapping by mapping. Returns the digest by which the log refers to it."""
        text = orjson.dumps(reasons)
        name = blake2b(text, digest_size=8).hexdigest()
        self._explanations[name] = text
        return name

    def take(self, events: Sequence[EventPart]) -> tuple[bytes, dict[str, int], dict[str, bytes]]:
        """Hand over what was noted.

        Args:
            events: what is said of events.

        Returns:
            the log's entry, empty where there is nothing to say; measures, name → increment; and explanations by
            digest.
        """
        record = b""
        if events or self._request:
            names = names_of(self._told, self._contact.decode("utf-8", "replace"))
            record = Record(contact_digest(self._contact), events, self._request, self._interrupted, names).to_json()
            self._interrupted = 0
            self._told.clear()
        taken = record, self._measures, self._explanations
        self._request, self._measures, self._explanations = None, {}, {}
        return taken


def _told(repairs: Sequence[Sequence[Repair]]) -> tuple[RepairPart, ...]:
    """What the log says of repairs: each key and rule once, with the refs that had it, and only so many of them."""
    if not any(repairs):
        return ()
    places: dict[Repair, list[int]] = {}
    for place, of_ref in enumerate(repairs):
        for repair in of_ref:
            places.setdefault(repair if len(places) < _REPAIRS_TOLD else repair._replace(key="…"), []).append(place)
    return tuple(RepairPart(*repair, tuple(dict.fromkeys(refs))) for repair, refs in places.items())


def event_name(event: Mapping[str, Any] | None) -> str:
    """What an event is called in the log: the name of a track event, `identify`, or "" for what is no event."""
    if event is None:
        return ""
    # Of what was refused at intake, the type may be missing.
    kind = event.get("type")
    name = event.get("event") if kind in ("track", None) else kind
    return name[:LONGEST_NAME] if isinstance(name, str) else ""


def event_name_in(text: str) -> str:
    """The same of an event as JSON, as a dead letter has it; "" for what is no event."""
    try:
        event = orjson.loads(text)
    except ValueError:
        return ""
    return event_name(event) if isinstance(event, dict) else ""
