"""How much one client may ask for, so that none of them can take the process down."""

from dataclasses import dataclass
from typing import Final

from segue_producer.events import MAX_EVENT_BYTES

MAX_EVENTS: Final = 2500
"""Events in one batch: Segment's limit."""

DEFAULT_BATCH_BYTES: Final = 500 * 1024
MAX_BATCH_BYTES: Final = 16 * 1024 * 1024

DISCARDED_BYTES: Final = 2 * MAX_BATCH_BYTES
"""Of a body that is too large, read and thrown away so that the client comes to read the refusal."""

ADDED_BYTES: Final = 512
"""What the Tracking API itself adds to an event (messageId and three timestamps) does not count against the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a request and of the process.

    Attributes:
        batch_bytes: of a body, both as sent and after gunzip.
        event_bytes: of one event.
        in_flight: requests worked on at once; beyond, clients are told to come again.
        head_bytes: of a request line and its headers.
        receive_s: seconds in which a whole request must have arrived.
        shutdown_s: seconds that requests under way have to end when the process is told to stop.
    """

    batch_bytes: int = DEFAULT_BATCH_BYTES
    event_bytes: int = MAX_EVENT_BYTES
    in_flight: int = 256
    head_bytes: int = 64 * 1024
    receive_s: float = 20.0
    shutdown_s: float = 15.0
