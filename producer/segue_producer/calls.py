"""The arguments of `identify` and `track` as events of the Segment spec."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from segue_producer.typed_events import Id, Moment

_NAMES: Final = ("userId", "context", "timestamp", "anonymousId", "integrations", "messageId")
"""Of the fields of `Call`, in their order."""


class Call(NamedTuple):
    """What identify and track take alike."""

    user_id: Id | None
    context: Mapping[str, Any] | None
    timestamp: Moment | None
    anonymous_id: Id | None
    integrations: Mapping[str, Any] | None
    message_id: str | None


def identify_event(call: Call, traits: Mapping[str, Any] | None) -> dict[str, Any]:
    """An identify event; what was not given is absent."""
    return {"type": "identify", **_common(call), "traits": {} if traits is None else traits}


def track_event(call: Call, event: str, properties: Mapping[str, Any] | None) -> dict[str, Any]:
    """A track event; what was not given is absent."""
    return {"type": "track", **_common(call), "event": event, "properties": {} if properties is None else properties}


def _common(call: Call) -> dict[str, Any]:
    return {name: value for name, value in zip(_NAMES, call, strict=True) if value is not None}
