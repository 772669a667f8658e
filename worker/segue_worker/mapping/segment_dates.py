"""Decides which texts Segment accepts as dates (docs/segment.md#conversion-and-checks)."""

import re
from typing import Final

from segue_worker.mapping.javascript import number_text
from segue_worker.mapping.v8_dates import parse_v8_date

_LATEST_SECOND: Final = 8.64e12
_LONGEST_NUMBER: Final = 25
_LONGEST: Final = 500
_JS_SPACE: Final = r"\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_NUMBER: Final = re.compile(r"-?[0-9.]+(?:e[+-][0-9]+)?\Z")
_CALENDAR: Final = re.compile(
    r"[0-9]{4}[-/]?(?:[0-9]{1,2})?[-/]?[0-9]{0,2}"
    rf"[Tt{_JS_SPACE}]*(?:[0-9]{{1,2}})?:?(?:[0-9]{{1,2}})?:?(?:[0-9]{{1,2}})?[.:]?[0-9]*\Z"
)


def is_date_like(text: str) -> bool:
    """Tell whether Segment accepts `text` as a date.

    A number in JavaScript's own spelling counts seconds and must be within JavaScript's range of dates. Otherwise
    anything shaped like year, month, day and time passes unchecked unless it ends in Z, and the rest passes if the
    V8 engine's date parser accepts it. Texts of more than 500 characters, which Loops refuses, do not count as dates.
    """
    if len(text) <= _LONGEST_NUMBER and _NUMBER.match(text):
        try:
            number = float(text)
        except ValueError:
            number = None
        if number is not None and number_text(number) == text:
            return abs(number) <= _LATEST_SECOND
    if len(text) > _LONGEST:
        return False
    if not text.endswith(("Z", "z")) and _CALENDAR.match(text):
        return True
    return parse_v8_date(text) is not None
