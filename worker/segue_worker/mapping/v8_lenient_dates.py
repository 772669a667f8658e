"""Reads texts that are not ISO 8601 dates as the `Date` of the V8 engine does.

Words before the first number and text in parentheses are ignored, colons make numbers hours, minutes and seconds,
and up to three other numbers make a day. This was checked against Node with UTC as local time.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from segue_worker.mapping.gregorian import days_from_civil
from segue_worker.mapping.javascript import WHITESPACE

SIGNIFICANT_DIGITS: Final = 9
"""How many digits of a number V8 reads; it skips the rest."""

_DAY_MS: Final = 86_400_000
_MINUTE_MS: Final = 60_000
_MONTHS_A_YEAR: Final = 12
_LAST_HOUR: Final = 24
_DAY_PARTS: Final = 3
_NOON: Final = 12
_SIXTY: Final = 60
_TIME_RANGES: Final = (0, 60, 60, 1000)
_TWO_DIGITS: Final = 99
_TURN_OF_THE_CENTURY: Final = 50
_SPACE: Final = f"[{re.escape(WHITESPACE)}]"
_TOKEN: Final = re.compile(
    rf"(?P<number>[0-9]+)|(?P<symbol>[-:+.)])|(?P<space>{_SPACE})|(?P<comment>\()|(?P<word>(?:(?!{_SPACE})[^\0-@])+)|(?P<other>.)",
    re.DOTALL,
)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZONES: Final = {
    "z": 0, "ut": 0, "utc": 0, "gmt": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6,
    "pst": -8, "pdt": -7,
}  # fmt: skip
_HALVES: Final = {"am": 0, "pm": 12}
_PREFIX: Final = 3
_LONGEST_MONTH: Final = 31


class _Token(NamedTuple):
    kind: str
    text: str

    @property
    def value(self) -> int:
        return int(self.text.lstrip("0")[:SIGNIFICANT_DIGITS] or "0")


def parse_leniently(text: str) -> float | None:
    """Return milliseconds since 1970, unbounded, or None if V8 does not accept the text."""
    return _LenientParser(text).parse()


def read_milliseconds(digits: str) -> int:
    """Read a fraction of a second. V8 drops leading zeros of fractions longer than nine digits."""
    significant = digits.lstrip("0")[:SIGNIFICANT_DIGITS] or "0"
    length = min(len(digits), SIGNIFICANT_DIGITS)
    return int(f"{significant:0>{length}}"[:3].ljust(3, "0"))


@dataclass(slots=True)
class _LenientParser:
    """The state of reading one text.

    Attributes:
        text: the text that is read.
        day: up to three numbers of the day.
        month: named, from 1, or None.
        time: up to four numbers of the time.
        half: hours to add for am and pm.
        sign, zone_hour, zone_minute: of the time zone, as far as known.
        read_number: whether a number was read, after which unknown words are errors.
    """

    text: str
    day: list[int] = field(default_factory=list)
    month: int | None = None
    time: list[int] = field(default_factory=list)
    half: int | None = None
    sign: Literal[1, -1] | None = None
    zone_hour: int | None = None
    zone_minute: int | None = None
    read_number: bool = False
    _tokens: list[_Token] = field(default_factory=list)
    _at: int = 0

    def parse(self) -> float | None:
        self._tokens = list(_tokens(self.text))
        self._iso_prefix()
        while (token := self._next()) is not None:
            accepted = True
            if token.kind == "number":
                self.read_number = True
                accepted = self._number(token.value)
            elif token.kind == "word":
                accepted = self._word(token.text)
            elif token.text in {"+", "-"} and (self._is_utc() or self.time):
                accepted = self._offset(token.text)
            elif token.text in {"+", "-", ")"} and self.read_number:
                accepted = False
            if not accepted:
                return None
        return self._result()

    def _iso_prefix(self) -> None:
        """Read the year, month and day that an ISO 8601 text begins with, as far as they are there."""
        sign = 1
        first = self._peek()
        digits = 4
        if first is not None and first.text in {"+", "-"}:
            if not self._has_digits(6, offset=1):
                return
            sign, digits = int(f"{first.text}1"), 6
            self._at += 1
        if not self._has_digits(digits):
            return
        year = self._tokens[self._at].value
        self._at += 1
        if sign < 0 and year == 0:
            return
        self.read_number = True
        self.day.append(sign * year)
        for latest in (12, 31):
            if not self._skip("-"):
                return
            if not self._has_digits(2) or not 1 <= self._tokens[self._at].value <= latest:
                return
            self.day.append(self._tokens[self._at].value)
            self._at += 1

    def _has_digits(self, count: int, *, offset: int = 0) -> bool:
        at = self._at + offset
        return at < len(self._tokens) and self._tokens[at].kind == "number" and len(self._tokens[at].text) == count

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self) -> _Token | None:
        token = self._peek()
        self._at += token is not None
        return token

    def _skip(self, symbol: str) -> bool:
        token = self._peek()
        skipped = token is not None and token.text == symbol
        self._at += skipped
        return skipped

    def _is_utc(self) -> bool:
        return self.zone_hour == 0 and self.zone_minute == 0

    def _expects(self, number: int) -> bool:
        """Tell whether the time goes on with `number`: minutes, seconds, then milliseconds."""
        return len(self.time) in {1, 2, 3} and number < _TIME_RANGES[len(self.time)]

    def _add_time(self, number: int, *, last: bool = False) -> bool:
        if len(self.time) > _PREFIX:
            return False
        self.time.append(number)
        if last:
            self.time += [0] * (4 - len(self.time))
        return True

    def _number(self, number: int) -> bool:
        if self._skip(":"):
            return self._clock(number)
        following = self._peek()
        if following is not None and following.text == "." and self._expects(number):
            self._at += 1
            self._add_time(number)
            fraction = self._next()
            return fraction is not None and fraction.kind == "number" and self._fraction(fraction.text)
        if self.zone_hour is not None and self.zone_minute is None and number < _SIXTY:
            self.zone_minute = number
            return True
        if self._expects(number):
            self._add_time(number, last=True)
            following = self._peek()
            return following is None or following.kind == "space" or following.text in {"z", "Z", "+", "-"}
        if len(self.day) == _DAY_PARTS:
            return False
        self.day.append(number)
        self._skip(".")
        self._skip("-")
        return True

    def _clock(self, number: int) -> bool:
        """Read a number before a colon. A second colon right behind it stands for minutes that were left out."""
        if self._skip(":"):
            if self.time:
                return False
            return self._add_time(number) and self._add_time(0)
        accepted = self._add_time(number)
        self._skip(".")
        return accepted

    def _fraction(self, digits: str) -> bool:
        return self._add_time(read_milliseconds(digits), last=True)

    def _word(self, word: str) -> bool:
        lowered = word.lower()
        prefix = lowered[:_PREFIX]
        if lowered in _HALVES and self.time:
            self.half = _HALVES[lowered]
            return True
        if prefix in _MONTHS:
            self.month = _MONTHS.index(prefix) + 1
            self._skip("-")
            return True
        if lowered in _ZONES and self.read_number:
            hours = _ZONES[lowered]
            self.sign, self.zone_hour, self.zone_minute = (-1 if hours < 0 else 1), abs(hours), 0
            return True
        following = self._peek()
        return not self.read_number and not (following is not None and following.kind == "number")

    def _offset(self, sign: str) -> bool:
        self.sign = 1 if sign == "+" else -1
        self.read_number = True
        following = self._peek()
        number = length = 0
        if following is not None and following.kind == "number":
            self._at += 1
            number, length = following.value, len(following.text)
        following = self._peek()
        if following is not None and following.text == ":":
            self.zone_hour, self.zone_minute = number, None
        elif length in {1, 2}:
            self.zone_hour, self.zone_minute = number, 0
        elif length in {3, 4}:
            self.zone_hour, self.zone_minute = divmod(number, 100)
        else:
            return False
        return True

    def _result(self) -> float | None:
        day, time = self._day(), self._time()
        if day is None or time is None:
            return None
        offset = 0
        if self.sign is not None:
            offset = self.sign * ((self.zone_hour or 0) * 60 + (self.zone_minute or 0))
        return days_from_civil(*day) * _DAY_MS + time - offset * _MINUTE_MS

    def _day(self) -> tuple[int, int, int] | None:
        if not self.day:
            return None
        first, second, third = (*self.day, 1, 1)[:3]
        leads = not 1 <= first <= _LONGEST_MONTH
        if self.month is not None:
            year, month, day = (first, self.month, second) if leads else (second, self.month, first)
        else:
            year, month, day = (first, second, third) if leads else (third, first, second)
        if 0 <= year <= _TWO_DIGITS:
            year += 2000 if year < _TURN_OF_THE_CENTURY else 1900
        valid = 1 <= month <= _MONTHS_A_YEAR and 1 <= day <= _LONGEST_MONTH
        return (year, month, day) if valid else None

    def _time(self) -> float | None:
        hour, minute, second, rest = (*self.time, 0, 0, 0, 0)[:4]
        if self.half is not None:
            if not 0 <= hour <= _NOON:
                return None
            hour = hour % 12 + self.half
        if not (minute < _SIXTY and second < _SIXTY and rest < _TIME_RANGES[3] and hour <= _LAST_HOUR):
            return None
        if hour == _LAST_HOUR and (minute or second or rest):
            return None
        return ((hour * 60 + minute) * 60 + second) * 1000 + rest


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while found := _TOKEN.match(text, at):
        at = found.end()
        kind = str(found.lastgroup)
        if kind == "comment":
            at = _after_parentheses(text, at)
            kind = "other"
        yield _Token(kind, found[0])


def _after_parentheses(text: str, at: int) -> int:
    depth = 1
    while depth and at < len(text):
        depth += (text[at] == "(") - (text[at] == ")")
        at += 1
    return at
