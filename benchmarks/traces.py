"""The events that are sent. Addresses are of example.com; nothing depends on chance."""

from collections.abc import Iterator
from typing import Any

Event = Any
"""As `Producer.enqueue` takes it."""


def identify(contact: str, message_id: str, **traits: Any) -> Event:
    """An identify event as a web application sends it."""
    return {
        "type": "identify",
        "userId": contact,
        "messageId": message_id,
        "timestamp": "2026-01-02T03:04:05.678Z",
        "traits": {"email": f"{contact}@example.com", "firstName": "Ada", "lastName": "Lovelace", **traits},
        "context": {"library": {"name": "analytics-python", "version": "2.3.2"}},
    }


def track(contact: str, message_id: str, name: str) -> Event:
    """A track event."""
    return {
        "type": "track",
        "event": name,
        "userId": contact,
        "messageId": message_id,
        "timestamp": "2026-01-02T03:04:05.678Z",
        "properties": {"email": f"{contact}@example.com", "plan": "pro", "total": 30},
    }


def updates(contacts: int, each: int = 1, *, prefix: str = "user") -> Iterator[Event]:
    """`each` updates of every contact, one contact after the other."""
    for number in range(contacts):
        contact = f"{prefix}-{number:07}"
        for turn in range(each):
            yield identify(contact, f"{contact}-{turn}", logins=turn)


def sign_ups(people: int) -> Iterator[Event]:
    """What a sign-up sends, for each person: identify, track, track, identify, identify, identify."""
    for number in range(people):
        contact = f"person-{number:07}"
        yield identify(contact, f"{contact}-0")
        yield track(contact, f"{contact}-1", "User Registered")
        yield track(contact, f"{contact}-2", "Trial Started")
        for turn in range(3, 6):
            yield identify(contact, f"{contact}-{turn}", step=turn)
