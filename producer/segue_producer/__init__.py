"""What a backend service imports to hand identify and track events to Segue.

from segue_producer import Producer

segue = Producer()
segue.identify("u1", {"email": "ada@example.com"})
segue.track("u1", "User Registered", {"plan": "Pro"})
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from segue_producer.errors import (
    EnqueueError,
    InvalidEvent,
    OutboxFull,
    OutboxUnavailable,
    SegueError,
    UnknownDestination,
)

if TYPE_CHECKING:
    from segue_producer.async_producer import AsyncProducer
    from segue_producer.events import Identify, Track
    from segue_producer.producer import Producer
    from segue_producer.typed_events import IdentifyEvent, TrackEvent

    __version__: str

__all__ = [
    "AsyncProducer",
    "EnqueueError",
    "Identify",
    "IdentifyEvent",
    "InvalidEvent",
    "OutboxFull",
    "OutboxUnavailable",
    "Producer",
    "SegueError",
    "Track",
    "TrackEvent",
    "UnknownDestination",
    "__version__",
]

# Celery, redis and pydantic are loaded with the name that needs them: most `segue` commands, and all who only want
# the errors or the key schema, do without.
_LAZY = {
    "AsyncProducer": "segue_producer.async_producer",
    "Identify": "segue_producer.events",
    "IdentifyEvent": "segue_producer.typed_events",
    "Producer": "segue_producer.producer",
    "Track": "segue_producer.events",
    "TrackEvent": "segue_producer.typed_events",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("segue")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
