"""Reads dates as the `Date` of the V8 engine does. This was checked against Node with UTC as local time."""

import re
from typing import Final

from segue_worker.mapping.gregorian import days_from_civil
from segue_worker.mapping.v8_lenient_dates import SIGNIFICANT_DIGITS, parse_leniently, read_milliseconds

_LONGEST: Final = 500
_LATEST_MS: Final = 8.64e15
_DAY_MS: Final = 86_400_000
_LAST_HOUR: Final = 24

_ISO: Final = re.compile(
    r"(?P<year>[0-9]{4}|\+[0-9]{6}|-(?!0{6})[0-9]{6})"
    r"(?:-(?P<month>0[1-9]|1[0-2])(?:-(?P<day>0[1-9]|[12][0-9]|3[01]))?)?"
    r"(?:[Tt](?P<hour>[01][0-9]|2[0-4]):(?P<minute>[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9])(?:\.(?P<fraction>[0-9]+))?)?"
    r"(?P<zone>[Zz]|(?P<sign>[+-])(?P<zone_hour>[01][0-9]|2[0-3]):?(?P<zone_minute>[0-5][0-9]))?)?\Z"
)
_ISO_START: Final = re.compile(
    r"(?:[0-9]{4}|\+[0-9]{6}|-(?!0{6})[0-9]{6})(?![0-9])"
    r"(?:-(?:0[1-9]|1[0-2])(?![0-9])(?:-(?:0[1-9]|[12][0-9]|3[01])(?![0-9]))?)?"
)
_ISO_DAY_THEN_TIME: Final = re.compile(_ISO_START.pattern + r"[Tt](?![A-Za-z])")


def parse_v8_date(text: str) -> float | None:
    """Return the time `new Date(text)` stands for, in milliseconds since 1970, or None if V8 does not accept it.

    A text of more than 500 characters does not count as a date here, whatever V8 says, because Loops refuses it.
    """
    if len(text) > _LONGEST:
        return None
    iso = _ISO.match(text)
    if iso is not None:
        time = _iso_time(iso)
    elif _ISO_DAY_THEN_TIME.match(text):
        return None
    else:
        time = parse_leniently(text)
    return None if time is None or abs(time) > _LATEST_MS else time


def _iso_time(found: re.Match[str]) -> float | None:
    """Combine the parts of an ISO 8601 text. A text without a zone is in UTC, which is local time here."""
    year = int(found["year"])
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    rest = int((found["fraction"] or "0").lstrip("0")[:SIGNIFICANT_DIGITS] or 0)
    if hour == _LAST_HOUR and (minute or second or rest):
        return None
    offset = 0
    if found["sign"]:
        offset = int(found["sign"] + "1") * (int(found["zone_hour"]) * 60 + int(found["zone_minute"]))
    day = days_from_civil(year, int(found["month"] or 1), int(found["day"] or 1))
    seconds = (hour * 60 + minute - offset) * 60 + second
    return day * _DAY_MS + seconds * 1000 + read_milliseconds(found["fraction"] or "0")
