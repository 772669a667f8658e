"""What happened to an event, step by step."""

import sys
from dataclasses import dataclass, field
from typing import Any, Literal

from segue_producer.entries import identity
from segue_worker.observing.status import utc_text_ms

EventState = Literal["pending", "parked", "delivered", "filtered", "duplicate", "dead", "settled", "moved"]
"""`moved`: to another destination, which knows what became of it; `settled`: it was settled within the dedupe window, but the log no longer says how."""
StepKind = Literal[
    "enqueued", "interrupted", "attempt", "delivered", "parked", "dead", "apart", "unchanged", "filtered", "duplicate",
    "failed", "replayed", "pending", "settled", "value", "moved", "arrived",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrailStep:
    """Something that happened to the event.

    Attributes:
        what: what happened.
        at: unix ms, or None where it is not known.
        details: what else is known of it.
    """

    what: StepKind
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
