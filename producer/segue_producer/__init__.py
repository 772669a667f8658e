"""What a backend service imports to hand identify and track events to Segue.

from segue_producer import Producer

segue = Producer()
segue.identify("u1", {"email": "ada@example.com"})
segue.track("u1", "User Registered", {"plan": "Pro"})
"""

from segue_producer.async_producer import AsyncProducer
from segue_producer.errors import (
    EnqueueError,
    InvalidEvent,
    OutboxFull,
    OutboxUnavailable,
    SegueError,
    UnknownDestination,
)
from segue_producer.events import Identify, Track
from segue_producer.producer import Producer

__all__ = [
    "AsyncProducer",
    "EnqueueError",
    "Identify",
    "InvalidEvent",
    "OutboxFull",
    "OutboxUnavailable",
    "Producer",
    "SegueError",
    "Track",
    "UnknownDestination",
]
