"""Formats dates as LiquidJS does in its American locale."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from segue_worker.mapping.gregorian import civil_from_days, days_from_civil
from segue_worker.mapping.limits import Meter

_DAY_SECONDS: Final = 86_400
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_WEEKDAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_DIRECTIVE: Final = re.compile(r"%(?P<flags>[-_0^#:]+)?(?P<width>[0-9]+)?[EO]?(?P<code>.)")
_WIDEST: Final = 1000
_NARROW_SPACE: Final = "\u202f"


@dataclass(frozen=True, slots=True)
class BrokenDownTime:
    """A moment, as the clock and the calendar of one time zone show it.

    Attributes:
        milliseconds: since 1970 in UTC.
        offset: minutes the zone is ahead of UTC.
        zone: name of the time zone; empty where only its offset is known.
    """

    milliseconds: int
    offset: int = 0
    zone: str = "UTC"

    @property
    def local_seconds(self) -> int:
        """Seconds since 1970 on the local clock."""
        return self.milliseconds // 1000 + self.offset * 60

    @property
    def date(self) -> tuple[int, int, int]:
        """Local year, month and day."""
        return civil_from_days(self.local_seconds // _DAY_SECONDS)

    @property
    def clock(self) -> tuple[int, int, int]:
        """Local hour, minute and second."""
        minutes, second = divmod(self.local_seconds % _DAY_SECONDS, 60)
        return (*divmod(minutes, 60), second)

    @property
    def weekday(self) -> int:
        """0 for Sunday to 6."""
        return (self.local_seconds // _DAY_SECONDS + 4) % 7

    @property
    def day_of_year(self) -> int:
        """1 for the first of January."""
        year, month, day = self.date
        return days_from_civil(year, month, day) - days_from_civil(year, 1, 1) + 1

    @property
    def hour_of_half(self) -> int:
        """1 to 12."""
        return self.clock[0] % 12 or 12


def _week(moment: BrokenDownTime, first_weekday: int) -> int:
    return (moment.day_of_year - 1 - (moment.weekday - first_weekday) % 7 + 7) // 7


def _ordinal(moment: BrokenDownTime) -> str:
    day = moment.date[2]
    return "th" if day in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _offset(moment: BrokenDownTime, flags: str) -> str:
    hours, minutes = divmod(abs(moment.offset), 60)
    return f"{'-' if moment.offset < 0 else '+'}{hours:02d}{':' if ':' in flags else ''}{minutes:02d}"


def _date(moment: BrokenDownTime) -> str:
    year, month, day = moment.date
    return f"{month}/{day}/{year}"


def _clock(moment: BrokenDownTime) -> str:
    hour, minute, second = moment.clock
    return f"{moment.hour_of_half}:{minute:02d}:{second:02d}{_NARROW_SPACE}{'AM' if hour < 12 else 'PM'}"  # noqa: PLR2004 - noon


_CODES: Final[Mapping[str, Callable[[BrokenDownTime], str | int]]] = {
    "a": lambda moment: _WEEKDAYS[moment.weekday][:3],
    "A": lambda moment: _WEEKDAYS[moment.weekday],
    "b": lambda moment: _MONTHS[moment.date[1] - 1][:3],
    "B": lambda moment: _MONTHS[moment.date[1] - 1],
    "h": lambda moment: _MONTHS[moment.date[1] - 1][:3],
    "c": lambda moment: f"{_date(moment)}, {_clock(moment)}",
    "C": lambda moment: moment.date[0] // 100,
    "d": lambda moment: moment.date[2],
    "e": lambda moment: moment.date[2],
    "H": lambda moment: moment.clock[0],
    "I": lambda moment: moment.hour_of_half,
    "j": lambda moment: moment.day_of_year,
    "k": lambda moment: moment.clock[0],
    "l": lambda moment: moment.hour_of_half,
    "L": lambda moment: moment.milliseconds % 1000,
    "m": lambda moment: moment.date[1],
    "M": lambda moment: moment.clock[1],
    "p": lambda moment: "AM" if moment.clock[0] < 12 else "PM",  # noqa: PLR2004 - noon
    "P": lambda moment: "am" if moment.clock[0] < 12 else "pm",  # noqa: PLR2004 - noon
    "q": _ordinal,
    "s": lambda moment: moment.milliseconds // 1000,
    "S": lambda moment: moment.clock[2],
    "u": lambda moment: moment.weekday or 7,
    "U": lambda moment: _week(moment, 0),
    "w": lambda moment: moment.weekday,
    "W": lambda moment: _week(moment, 1),
    "x": _date,
    "X": _clock,
    "y": lambda moment: moment.date[0] % 100,
    "Y": lambda moment: moment.date[0],
    "t": lambda _moment: "\t",
    "n": lambda _moment: "\n",
    "%": lambda _moment: "%",
}
_WIDTHS: Final[Mapping[str, int]] = {**dict.fromkeys("CdeHIklmMSUWy", 2), "j": 3, "L": 3, "Y": 4}
_PADDED_WITH_SPACES: Final = frozenset("aAbBceklpP")


def strftime(moment: BrokenDownTime, template: str, meter: Meter) -> str:
    """Fill a template of `%` directives. Unknown ones stay as they are.

    Raises:
        MappingError: the text exceeds what the event may cost.
    """

    def fill(found: re.Match[str]) -> str:
        flags, width, code = found["flags"] or "", min(int((found["width"] or "0")[:9]), _WIDEST), found["code"]
        meter.spend_text(width)
        if code == "N":
            return f"{moment.milliseconds % 1000:03d}"[: width or 9].ljust(width or 9, "0")
        if code == "z" or (code == "Z" and not moment.zone):
            return _padded(_offset(moment, flags), flags, code, width)
        if code == "Z":
            return _padded(moment.zone, flags, code, width)
        convert = _CODES.get(code)
        return found[0] if convert is None else _padded(str(convert(moment)), flags, code, width)

    return _DIRECTIVE.sub(fill, template)


def _padded(shown: str, flags: str, code: str, width: int) -> str:
    if "^" in flags:
        shown = shown.upper()
    elif "#" in flags:
        shown = shown.upper() if re.search("[a-z]", shown) else shown.lower()
    spaces = "_" in flags or (code in _PADDED_WITH_SPACES and "0" not in flags)
    width = 0 if "-" in flags else width or _WIDTHS.get(code, 0)
    if spaces:
        return shown.rjust(width)
    return f"-{shown[1:].rjust(width - 1, '0')}" if shown.startswith("-") else shown.rjust(width, "0")
