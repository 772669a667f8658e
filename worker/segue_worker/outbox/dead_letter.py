"""A dead letter: a request, or an event that never became one, given up for good; it can be seen and replayed."""

from collections.abc import Container, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self
from uuid import uuid4

import orjson

REASONS: Final[dict[str, str]] = {
    "refused": "Loops refused the request for good",
    "unknown_contact": "Loops does not know the contact, and there is no email to make it with",
    "expired": "it was not delivered within retry.max_age",
    "payload": "the payload breaks the action's rules",
    "mapping": "a directive of the mapping failed",
    "late": "its turn came later than max_wait after it was enqueued",
    "mapping_gone": "it was begun with a mapping that the configuration no longer has, or has disabled",
    "invalid": "it is no valid event, and was never in an outbox",
    "full": "the outbox was full when it came by the Tracking API, and another destination of its source took it",
    "misaddressed": "no worker serves the destination that a task named",
    "unreadable": "the outbox held no event there",
    "internal": "its delivery kept failing in Segue itself",
}
"""Why a request or an event was given up: code → meaning."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What was given up, and why.

    Attributes:
        reason: code, one of `REASONS`.
        detail: for people; names fields, never their values.
        contact: whose outbox it was in.
        mappings: names of the mappings whose request it was.
        message_ids: of the events in the request.
        events: the events, as JSON text, for a replay.
        refs: which mapping of which event (its place in `events`) the request stood for; empty where all are meant.
        sources: of each event, whose messageId it has (`segue_producer.entries`); empty where all are the backend's.
        request: method, path and body text as sent; None where there never was a request.
        answer: status and start of the text of the last answer, or None.
        attempts: how often it was sent.
        first_attempt: unix ms, or None.
        at: unix ms.
        beside: which other mappings its events were for, as `refs`: they delivered them, or have a letter of their own.
            None where a version wrote it that did not say so.
        id: unique.
    """

    reason: str
    detail: str
    contact: str
    mappings: tuple[str, ...]
    message_ids: tuple[str, ...]
    events: tuple[str, ...]
    at: int
    refs: tuple[tuple[int, str], ...] = ()
    sources: tuple[str, ...] = ()
    request: dict[str, str] | None = None
    answer: dict[str, Any] | None = None
    attempts: int = 0
    first_attempt: int | None = None
    beside: tuple[tuple[int, str], ...] | None = None
    id: str = field(default_factory=lambda: uuid4().hex)

    def to_json(self) -> bytes:
        """The form in which it is kept in Redis."""
        fields = asdict(self)
        if not self.sources:
            # An older version reads all others.
            del fields["sources"]
        return orjson.dumps(fields)

    @property
    def quotable(self) -> tuple[str, ...]:
        """What an answer to the request may quote: the contact, the body and the events."""
        return (self.contact, self.request["body"] if self.request else "", *self.events)

    def source(self, place: int) -> str:
        """Whose messageId the event at a place has."""
        return self.sources[place] if place < len(self.sources) else ""

    def others(self, place: int, mappings: Container[str] = ()) -> tuple[str, ...]:
        """The mappings that the event at a place was for beside those of the letter, without these."""
        return tuple(name for event, name in self.beside or () if event == place and name not in mappings)

    @classmethod
    def read(cls, letter_id: str, raw: bytes) -> Self:
        """Read a letter as it lies in Redis; one that cannot be read is handed over as one that says so."""
        try:
            return cls.from_json(raw)
        except (KeyError, TypeError, ValueError, AttributeError):
            detail = "the dead letter itself cannot be read: it is damaged, or another version wrote it"
            return cls("unreadable", detail, "", (), (), (raw.decode("utf-8", "replace"),), at=0, id=letter_id)

    @classmethod
    def from_json(cls, raw: bytes | str) -> Self:
        """Read what `to_json` wrote."""
        fields = orjson.loads(raw)
        for name in ("mappings", "message_ids", "events"):
            fields[name] = tuple(fields[name])
        fields["sources"] = tuple(fields.get("sources", ()))
        fields["refs"] = tuple((place, mapping) for place, mapping in fields.get("refs", ()))
        if fields.get("beside") is not None:
            fields["beside"] = tuple((place, mapping) for place, mapping in fields["beside"])
        return cls(**fields)


def sources_of(sources: Iterable[str]) -> tuple[str, ...]:
    """What a letter says of its events' sources: nothing where all are the backend's."""
    listed = tuple(sources)
    return listed if any(listed) else ()
