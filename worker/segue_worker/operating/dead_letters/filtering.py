"""Filters that select dead letters. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from segue_producer.keys import contact_names
from segue_worker.config import parse_duration
from segue_worker.delivery.journal import LONGEST_NAME, event_name_in
from segue_worker.operating.dead_letters.grouping import Cause
from segue_worker.outbox.dead_letter import DeadLetter

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What must hold of a dead letter. None means that anything may.

    Attributes:
        since_ms: given up at this time (unix ms) or later.
        reason: its reason.
        event: name of a track event in it, or `identify`.
        contact: its contact: a userId, an email in any case, or an anonymousId.
        mapping: name of a mapping whose request it was.
        or_without: or that none of these is a mapping whose request it was, though there were some.
        group: id of its cause.
    """

    since_ms: int | None = None
    reason: str | None = None
    event: str | None = None
    contact: str | None = None
    mapping: str | None = None
    or_without: frozenset[str] | None = None
    group: str | None = None

    def fits(self, cause: Cause) -> bool:
        """Whether letters of a cause match, apart from their times and contacts."""
        return (
            self.reason in (None, cause.reason)
            and (self.mapping is None or self.mapping in cause.mappings or self._without(cause.mappings))
            and self._event in (None, *cause.events)
            and self.group in (None, cause.id)
        )

    def matches(self, letter: DeadLetter) -> bool:
        """Whether a letter matches, apart from its group, and from its time, by which it is looked up in `dead:at`."""
        return (
            self.reason in (None, letter.reason)
            and (self.mapping is None or self.mapping in letter.mappings or self._without(letter.mappings))
            and (self.contact is None or letter.contact in contact_names(self.contact))
            and (self._event is None or self._event in map(event_name_in, letter.events))
        )

    @property
    def _event(self) -> str | None:
        return self.event and self.event[:LONGEST_NAME]

    def _without(self, mappings: Sequence[str]) -> bool:
        return self.or_without is not None and bool(mappings) and self.or_without.isdisjoint(mappings)


def parse_since(text: str, now: datetime) -> int:
    """Read a point in time.

    Args:
        text: a span of time before now, such as `2h`; or an ISO 8601 date and time, in the zone of `now` where it names none.
            From 1970 to 9998: Redis compares it with the times of its records, as unix ms.
        now: in UTC, or else local, with its zone.

    Returns:
        unix ms.

    Raises:
        ValueError: it is neither; the message says what to write.
    """
    moment = _moment(text, now) or _moment_before(now, text)
    if moment is None or not _FIRST <= moment < _LAST:
        raise ValueError(
            "write a span of time like 2h or 7d, or a date and time like 2026-01-31T12:00, from 1970 to 9998"
        )
    return int(moment.timestamp() * 1000)


def _moment(text: str, now: datetime) -> datetime | None:
    try:
        # The dashboard writes times so, and people copy them.
        moment = datetime.fromisoformat(f"{text[:-4]}Z" if text.endswith(" UTC") else text)
        if moment.tzinfo is None and now.tzinfo is UTC:
            return moment.replace(tzinfo=UTC)
        # Local rules, since the offset may have been another by then.
        return moment.astimezone()
    except (ValueError, OverflowError):
        # No date, or one that no zone or clock has, as of the year 1.
        return None


def _moment_before(now: datetime, text: str) -> datetime | None:
    try:
        span = parse_duration(text)
        return now - span if span >= timedelta(0) else None
    except (ValueError, OverflowError):
        return None
