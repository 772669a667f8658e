"""Corrects timestamps for the client's clock: `receivedAt - (sentAt - originalTimestamp)`."""

from datetime import UTC, datetime
from typing import Any


def instant(value: object) -> datetime | None:
    """Return the moment that an ISO 8601 text gives, in UTC if it names no zone, or None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def correct(event: dict[str, Any], *, batch_sent_at: datetime | None, received_at: datetime) -> None:
    """Set the timestamps of an event to what Segment's destinations get to see.

    `originalTimestamp` keeps the time by the client's clock; without a valid `sentAt`, `timestamp` is the same. Values
    that are no timestamps are removed: the event then happened when it was received.

    Args:
        event: the event, which is changed in place.
        batch_sent_at: `sentAt` of the batch, for an event that has none of its own.
        received_at: when the request arrived, by the clock of this machine.
    """
    event["receivedAt"] = _written(received_at)
    sent_at = instant(event.get("sentAt")) or batch_sent_at
    if sent_at is not None:
        event["sentAt"] = sent_at
    else:
        event.pop("sentAt", None)
    original = event.get("originalTimestamp")
    if original is None:
        original = event.get("timestamp")
    happened_at = instant(original)
    if happened_at is None:
        event.pop("originalTimestamp", None)
        event["timestamp"] = received_at
        return
    event["originalTimestamp"] = original
    event["timestamp"] = happened_at
    if sent_at is not None:
        try:
            event["timestamp"] = received_at - (sent_at - happened_at)
        except OverflowError:
            # The client's clock is thousands of years off, so its time is as good as any other.
            return


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
