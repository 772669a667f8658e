"""Timestamps freed of the client's clock: `receivedAt - (sentAt - originalTimestamp)`."""

from datetime import UTC, datetime
from typing import Any


def instant(value: object) -> datetime | None:
    """The moment an ISO 8601 text stands for, UTC where it names no zone; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def correct(event: dict[str, Any], *, batch_sent_at: datetime | None, received_at: datetime) -> None:
    """Write the timestamps of an event as Segment's destinations see them.

    `originalTimestamp` keeps what the client's clock said. Without a usable `sentAt` that is also the `timestamp`. What
    is no timestamp at all stays, for the event's check to name, except `sentAt`: it says nothing about the event.

    Args:
        event: changed in place.
        batch_sent_at: the batch's `sentAt`, for an event without its own.
        received_at: when the request arrived, by this machine's clock.
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
    if original is None:
        event["timestamp"] = received_at
        return
    event["originalTimestamp"] = original
    happened_at = instant(original)
    if happened_at is None:
        return
    event["timestamp"] = happened_at
    if sent_at is not None:
        try:
            event["timestamp"] = received_at - (sent_at - happened_at)
        except OverflowError:
            # A clock thousands of years off: what it said is as good as any.
            return


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
