"""Filters that format dates. Local time is UTC."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from segue_worker.mapping.javascript import text
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.liquid.strftime import BrokenDownTime, strftime
from segue_worker.mapping.liquid.values import is_nil, plain, shown
from segue_worker.mapping.undefined import UNDEFINED
from segue_worker.mapping.v8_dates import parse_v8_date

CURRENT_TIME: Final = frozenset({"now", "today"})
CURRENT_TIME_PROBLEM: Final = (
    "the current time would differ from attempt to attempt, so format a field of the event such as timestamp"
)

_DEFAULT_FORMAT: Final = "%A, %B %-e, %Y at %-l:%M %P %z"
_SECONDS: Final = re.compile(r"[0-9]+\Z")
_LATEST_MS: Final = 8.64e15


def _moment(value: Any, zone: Any, meter: Meter) -> BrokenDownTime | None:
    """Read a date (seconds, or a text that V8 accepts), and see it in a time zone (a name, or minutes behind UTC)."""
    milliseconds = _milliseconds(value, meter)
    if milliseconds is None or math.isnan(milliseconds) or abs(milliseconds) > _LATEST_MS:
        return None
    time = math.trunc(milliseconds)
    if isinstance(zone, str):
        return BrokenDownTime(time, _named_offset(zone, time), zone)
    if isinstance(zone, (int, float)) and not isinstance(zone, bool):
        return BrokenDownTime(time, -int(zone), "")
    return BrokenDownTime(time)


def _milliseconds(value: Any, meter: Meter) -> float | None:
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, (int, float)):
        return float(value) * 1000
    if isinstance(value, list):
        return parse_v8_date(text(value, meter))
    if not isinstance(value, str):
        return None
    if value in CURRENT_TIME:
        raise ValueError(CURRENT_TIME_PROBLEM)
    return float(value) * 1000 if _SECONDS.match(value) else parse_v8_date(value)


def _named_offset(zone: str, milliseconds: int) -> int:
    try:
        offset = datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    except (KeyError, ValueError, OverflowError, OSError):
        raise ValueError(f"there is no time zone {zone[:40]!r}") from None
    return 0 if offset is None else int(offset.total_seconds() // 60)


def _date(meter: Meter, value: Any, template: Any = UNDEFINED, zone: Any = UNDEFINED, *_: Any) -> Any:
    value = plain(value)
    moment = None if is_nil(value) else _moment(value, plain(zone), meter)
    if moment is None:
        return value
    form = _DEFAULT_FORMAT if is_nil(template) else shown(template, meter)
    meter.spend_text(len(form))
    return strftime(moment, form, meter)


def _fixed(form: str) -> Callable[..., Any]:
    return lambda meter, value, *_: _date(meter, value, form)


def _in_words(month: str) -> Callable[..., Any]:
    def apply(meter: Meter, value: Any, kind: Any = UNDEFINED, style: Any = UNDEFINED, *_: Any) -> Any:
        if kind != "ordinal":
            return _date(meter, value, f"%d {month} %Y")
        return _date(meter, value, f"{month} %-d%q, %Y" if style == "US" else f"%-d%q {month} %Y")

    return apply


DATES: Final[Mapping[str, Callable[..., Any]]] = {
    "date": _date,
    "date_to_long_string": _in_words("%B"),
    "date_to_rfc822": _fixed("%a, %d %b %Y %H:%M:%S %z"),
    "date_to_string": _in_words("%b"),
    "date_to_xmlschema": _fixed("%Y-%m-%dT%H:%M:%S%:z"),
}
