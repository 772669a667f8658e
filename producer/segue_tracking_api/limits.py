"""Limits on what one client may send, so that no client can bring the process down."""

from dataclasses import dataclass
from typing import Final

from segue_producer.events import MAX_EVENT_BYTES

MAX_EVENTS: Final = 2500
"""How many events a batch may have, which is Segment's limit."""

DEFAULT_BATCH_BYTES: Final = 500 * 1024
MAX_BATCH_BYTES: Final = 16 * 1024 * 1024

DISCARDED_BYTES: Final = 2 * MAX_BATCH_BYTES
"""How much of a body that is too large is read and discarded, so that the client gets to read the refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a request and of the process.

    Attributes:
        batch_bytes: size of a body, both as it was sent and decompressed.
        event_bytes: size of one event.
        in_flight: how many requests that have arrived are handled at once; further ones are told to try again.
        arriving_per_address: how many requests of one address may be arriving at once; beyond, the one that has been
            arriving for the longest is cut.
        arriving_bytes: the same for what has arrived of all of them, whatever their addresses.
        public_letters: how many invalid events of public write keys are kept a minute.
        head_bytes: size of the request line and the headers.
        receive_s: seconds within which a whole request must arrive.
        shutdown_s: seconds in which current requests may finish when the process is told to stop.
    """

    batch_bytes: int = DEFAULT_BATCH_BYTES
    event_bytes: int = MAX_EVENT_BYTES
    in_flight: int = 256
    public_letters: int = 100
    arriving_per_address: int = 128
    arriving_bytes: int = 64 * 1024 * 1024
    head_bytes: int = 64 * 1024
    receive_s: float = 20.0
    shutdown_s: float = 15.0
