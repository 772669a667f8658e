"""The arguments of `identify` and `track` as events of the Segment spec."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple


class Call(NamedTuple):
    """What identify and track take alike."""

    user_id: str | None
    context: Mapping[str, Any] | None
    timestamp: datetime | str | None
    anonymous_id: str | None
    integrations: Mapping[str, Any] | None
    message_id: str | None


def identify_event(call: Call, traits: Mapping[str, Any] | None) -> dict[str, Any]:
    """An identify event; what was not given is absent."""
    return {"type": "identify", **_common(call), "traits": {} if traits is None else traits}


def track_event(call: Call, event: str, properties: Mapping[str, Any] | None) -> dict[str, Any]:
    """A track event; what was not given is absent."""
    return {"type": "track", **_common(call), "event": event, "properties": {} if properties is None else properties}


def _common(call: Call) -> dict[str, Any]:
    fields = {
        "userId": call.user_id,
        "anonymousId": call.anonymous_id,
        "messageId": call.message_id,
        "timestamp": call.timestamp,
        "context": call.context,
        "integrations": call.integrations,
    }
    return {name: value for name, value in fields.items() if value is not None}
