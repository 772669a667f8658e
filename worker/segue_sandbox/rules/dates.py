"""Which values a date property takes (docs/loops.md#properties)."""

import re
from datetime import UTC, datetime
from typing import Any

_MILLISECONDS = re.compile(r"-?\d{1,15}", re.ASCII)
_STAMP = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<time>\d{2}:\d{2}(?::\d{2}(?:\.\d{3})?)?)(?P<offset>Z|[+-]\d{2}:\d{2})?)?",
    re.ASCII,
)


def parse_date(value: Any) -> datetime | None:
    """The moment a JSON value stands for, in UTC; None if it is no date in any documented form.

    Taken are unix milliseconds as an integer or digits, and `YYYY-MM-DD` with an optional time (minutes, seconds or
    milliseconds; `T` or a space between) and an optional offset after the time. UTC where no offset is given.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        if isinstance(value, str) and not _MILLISECONDS.fullmatch(value):
            return _parse_stamp(value)
        if isinstance(value, float) and not value.is_integer():
            return None
        return datetime.fromtimestamp(int(value) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def format_date(moment: datetime) -> str:
    """A moment as the sandbox stores and shows it: ISO 8601, UTC, milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _parse_stamp(text: str) -> datetime | None:
    parts = _STAMP.fullmatch(text)
    if parts is None:
        return None
    offset = parts["offset"] or "Z"
    moment = datetime.fromisoformat(f"{parts['date']}T{parts['time'] or '00:00'}{offset.replace('Z', '+00:00')}")
    return moment.astimezone(UTC)
