"""Every error a service that enqueues can meet.

    SegueError
    └── EnqueueError                   nothing was taken, or only what `.taken` lists
        ├── InvalidEvent               an event breaks the Segment spec or a size limit
        ├── UnknownDestination         no worker has that destination in its configuration
        ├── OutboxFull                 the destination already holds `max_pending` events
        └── OutboxUnavailable          Redis cannot be reached, or refused the write

`segue_worker.errors` goes on from the same root.
"""

from collections.abc import Sequence


class SegueError(Exception):
    """Root of everything Segue raises on purpose."""


class EnqueueError(SegueError):
    """An event, or part of a batch, was not taken.

    Attributes:
        taken: messageIds that are in the outbox of every destination asked for, in order. They need not be sent again.
        uncertain: messageIds whose fate the connection did not report. Enqueueing them again with the same
            messageId is safe: a messageId takes effect once.
    """

    def __init__(self, message: str, *, taken: Sequence[str] = (), uncertain: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.taken = tuple(taken)
        self.uncertain = tuple(uncertain)


class InvalidEvent(EnqueueError):
    """An event breaks the Segment spec or a size limit; nothing of its call was taken."""


class UnknownDestination(EnqueueError):
    """No worker serves a destination of this name."""


class OutboxFull(EnqueueError):
    """The destination already holds `max_pending` events."""


class OutboxUnavailable(EnqueueError):
    """Redis cannot be reached in time, or refused the write."""
