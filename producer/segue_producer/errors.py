"""Every error a service that enqueues can meet.

    SegueError
    └── EnqueueError                   nothing was taken, or only what `.taken` lists
        ├── InvalidEvent               an event breaks the Segment spec or a size limit
        ├── UnknownDestination         no worker has that destination in its configuration
        ├── OutboxFull                 the destination already holds `max_pending` events
        └── OutboxUnavailable          Redis cannot be reached, or refused the write

`segue_worker.errors` goes on from the same root. Apart from it is `AddressError`, a ValueError, which nobody meets who
enqueues: producers make an OutboxUnavailable of it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime


class SegueError(Exception):
    """Root of everything Segue raises on purpose."""


class AddressError(ValueError):
    """A URL of Redis, or of the broker, cannot be used. The message quotes no value of it, which may be a password."""


class EnqueueError(SegueError):
    """An event, or part of a batch, was not taken.

    Enqueueing any of the events again with the same messageId is safe: a messageId takes effect once.

    Attributes:
        taken: messageIds that are in the outbox of every destination asked for, in order. They need not be sent again.
        uncertain: messageIds whose fate the connection did not report.
        owed: destination → messageIds that it did not take, in order, where other destinations may have.
    """

    def __init__(
        self,
        message: str,
        *,
        taken: Sequence[str] = (),
        uncertain: Sequence[str] = (),
        owed: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(message)
        self.taken = tuple(taken)
        self.uncertain = tuple(uncertain)
        self.owed = {name: tuple(ids) for name, ids in (owed or {}).items()}


class InvalidEvent(EnqueueError):
    """An event breaks the Segment spec or a size limit; nothing of its call was taken.

    Attributes:
        reason: one word for metrics: `malformed`, `no_identity`, `too_large`, or `type` for a call that is neither
            identify nor track.
    """

    def __init__(self, message: str, *, reason: str = "malformed") -> None:
        super().__init__(message)
        self.reason = reason


class UnknownDestination(EnqueueError):
    """No worker serves a destination of this name."""


class OutboxFull(EnqueueError):
    """The destination already holds `max_pending` events."""


class OutboxUnavailable(EnqueueError):
    """Redis cannot be reached in time, or refused the write.

    Attributes:
        since: when it was first found to be away; None where it answers, but refused.
    """

    def __init__(self, message: str, *, uncertain: Sequence[str] = (), since: datetime | None = None) -> None:
        super().__init__(message, uncertain=uncertain)
        self.since = since
