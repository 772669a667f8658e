"""Dates as Loops documents them (docs/loops.md#properties), and how others become one of these without loss."""

import re
from datetime import UTC, datetime
from typing import Any, Final

from segue_worker.mapping.v8_dates import parse_v8_date

_DAY: Final = r"\d{4}-\d{2}-\d{2}"
_DOCUMENTED: Final = re.compile(
    rf"{_DAY}([T ]\d{{2}}:\d{{2}}(:\d{{2}}(\.\d{{3}})?)?(Z|[+-]\d{{2}}:\d{{2}})?)?\Z", re.ASCII
)
_MOMENT: Final = re.compile(
    rf"{_DAY}[Tt ]\d{{2}}:\d{{2}}(:\d{{2}}([.,]\d{{1,9}})?)?([Zz]|[+-]\d{{2}}(:?\d{{2}}(:\d{{2}})?)?)?\Z", re.ASCII
)
_NUMBER: Final = re.compile(r"-?\d{1,20}\Z", re.ASCII)
_YEAR: Final = re.compile(r"\d{4}", re.ASCII)
_MILLISECONDS: Final = ((1e8, 1.0), (1e11, 1000.0), (1e14, 1.0), (1e17, 1e-3), (1e20, 1e-6))
"""Below which number of a date's unit, and what makes milliseconds of it.

Seconds since 1973 and milliseconds since 1973 do not overlap before the year 5138, nor do micro- and nanoseconds. What is
below 1e8 may be either, and stays.
"""
_FIRST_MS: Final = -62_135_596_800_000
"""The year 1."""
RECENT_SECONDS: Final = range(500_000_000, 10_000_000_000)
_DATE_NAME: Final = re.compile(r"([a-z0-9](At|Date|On)|_(at|date|on)|^date)\Z", re.ASCII)

is_documented: Final = _DOCUMENTED.match
"""Whether a text has the shape of a date that Loops documents. It need not be one: there may be no such day."""


def as_date(value: Any) -> Any:
    """A date as Loops documents it: itself, milliseconds or ISO 8601 text; None where it stands for no date.

    Numbers, also as text, are taken for seconds, micro- or nanoseconds if their size says so. A text in another form counts
    as the date that V8 reads there, which is how Segment reads it.
    """
    if isinstance(value, str) and not _NUMBER.match(value):
        if is_documented(value) or _MOMENT.match(value):
            text = in_documented_form(value)
            return text if _moment(text) else None
        moment = parse_v8_date(value) if _YEAR.search(value) else None
        return None if moment is None else _as_milliseconds(moment, 1.0)
    try:
        number = float(value)
    except OverflowError:
        # An integer of more than 308 digits.
        return None
    factor = next((factor for below, factor in _MILLISECONDS if abs(number) < below), None)
    if factor is None:
        return None
    milliseconds = _as_milliseconds(number, factor)
    return value if factor == 1 and milliseconds == number else milliseconds


def in_documented_form(text: str) -> str:
    """A date and time of ISO 8601 as Loops documents it, its time to the millisecond; any other text as it is.

    The offset stays, and a time without one has none afterwards: Loops takes it for UTC.
    """
    if is_documented(text) or not _MOMENT.match(text) or (moment := _moment(text)) is None:
        return text
    offset = moment.utcoffset()
    if offset is not None and offset.seconds % 60:
        moment = moment.astimezone(UTC)
    shown = moment.isoformat(text[10].upper(), timespec="milliseconds")
    return shown.replace("+00:00", "Z") if text[-1] in "Zz" else shown


def may_be_seconds(name: str, value: Any) -> bool:
    """Whether a property is named like a date, and its number is one of seconds since 1985 rather than milliseconds."""
    is_number = isinstance(value, (int, float)) and RECENT_SECONDS.start <= value < RECENT_SECONDS.stop
    return is_number and _DATE_NAME.search(name) is not None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None


def _as_milliseconds(number: float, factor: float) -> int | None:
    milliseconds = int(number * factor)
    return milliseconds if milliseconds >= _FIRST_MS else None
