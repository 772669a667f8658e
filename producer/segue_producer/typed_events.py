"""Events as editors and type checkers know them: a misspelt field is an error before anything runs.

At run time an event is any mapping with Segment's field names, and further fields are kept; one whose type is not known to the
checker is passed as `Any`.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Required, TypedDict
from uuid import UUID

Id = str | int | float | Decimal | UUID
"""An id; it becomes text with all its digits."""
Moment = datetime | str
"""A moment; as text in ISO 8601."""


class _Common(TypedDict, total=False):
    messageId: str | int | UUID | None
    userId: Id | None
    anonymousId: Id | None
    timestamp: Moment | None
    originalTimestamp: Moment | None
    sentAt: Moment | None
    receivedAt: Moment | None
    context: Mapping[str, Any] | None
    integrations: Mapping[str, bool | Mapping[str, Any] | None] | None
    channel: str | None
    version: str | int | None
    email: str | None


class IdentifyEvent(_Common, total=False):
    """Who somebody is."""

    type: Required[Literal["identify"]]
    traits: Mapping[str, Any] | None


class TrackEvent(_Common, total=False):
    """What somebody did."""

    type: Required[Literal["track"]]
    event: Required[str]
    properties: Mapping[str, Any] | None
