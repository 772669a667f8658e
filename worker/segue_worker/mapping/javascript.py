"""Truth, types, text and order as JavaScript has them, as far as results of mapping-kit depend on them."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from segue_worker.mapping.limits import Meter
from segue_worker.mapping.undefined import UNDEFINED

WHITESPACE: Final = "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
"""The characters that `String.prototype.trim` removes; Python's `str.strip` removes others."""

_SAFE_INTEGER: Final = 2**53
_FIXED_NOTATION_BELOW: Final = 1e21
_EXPONENT_NOTATION_TO: Final = -6
_MAX_ARRAY_INDEX: Final = 2**32 - 2
_RADIX: Final = {"0x": 16, "0b": 2, "0o": 8}
_DECIMAL: Final = re.compile(r"[+-]?(?:Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\Z")
_HALVES: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ARRAY_INDEX: Final = re.compile(r"(?:0|[1-9][0-9]{0,9})\Z")


def type_name(value: Any) -> str:
    """Name `value`'s type as mapping-kit's messages do."""
    if value is UNDEFINED:
        return "undefined"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (int, float)):
        return "number"
    return "array" if isinstance(value, (list, tuple)) else "object"


def article(noun: str) -> str:
    """Return the indefinite article of `noun`."""
    return "an" if noun[:1] in set("aeiou") else "a"


def is_falsy(value: Any) -> bool:
    """Tell whether JavaScript counts `value` as false. Empty lists and objects count as true there."""
    if isinstance(value, (dict, list)):
        return False
    return not value or (isinstance(value, float) and math.isnan(value))


def array_index(key: str) -> int | None:
    """Return the array index that the property name `key` spells, or None."""
    if _ARRAY_INDEX.match(key) is None:
        return None
    index = int(key)
    return index if index <= _MAX_ARRAY_INDEX else None


def utf16_length(value: str) -> int:
    """Return the length of `value` as JavaScript counts it: in UTF-16 units."""
    return len(value) if value.isascii() else len(_utf16(value)) // 2


def utf16_unit(value: str, index: int) -> str | None:
    """Return the UTF-16 unit at `index`, or None beyond the end. Half of a pair comes as a lone surrogate."""
    if value.isascii():
        return value[index] if index < len(value) else None
    return _utf16(value)[2 * index : 2 * index + 2].decode("utf-16-le", "surrogatepass") or None


def utf16_units(value: str) -> list[str]:
    """Split `value` into its UTF-16 units; halves of a pair become lone surrogates."""
    if value.isascii():
        return list(value)
    data = _utf16(value)
    return [data[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(data), 2)]


def paired(value: str) -> str:
    """Join the halves of surrogate pairs that have come to stand side by side: in UTF-16 they are one character."""
    if value.isascii() or _HALVES.search(value) is None:
        return value
    return _utf16(value).decode("utf-16-le", "surrogatepass")


def has_lone_surrogate(value: str) -> bool:
    """Tell whether `value` holds half a surrogate pair, which no UTF-8 can carry."""
    return not value.isascii() and _LONE_SURROGATE.search(value) is not None


def _utf16(value: str) -> bytes:
    return value.encode("utf-16-le", "surrogatepass")


def own_entries(value: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Return an object's entries in JavaScript's order: array indexes first, ascending, then the rest as inserted."""
    indexes = {key: index for key in value if key[:1].isdigit() and (index := array_index(key)) is not None}
    if not indexes:
        return value.items()
    first = sorted(indexes, key=indexes.__getitem__)
    return [(key, value[key]) for key in first] + [entry for entry in value.items() if entry[0] not in indexes]


def number_text(value: float) -> str:
    """Print a number as JavaScript does: `1.0` is `1`, `1e-07` is `1e-7`, integers beyond 2**53 lose precision."""
    if isinstance(value, int):
        if -_SAFE_INTEGER <= value <= _SAFE_INTEGER:
            return str(value)
        try:
            value = float(value)
        except OverflowError:
            return "Infinity" if value > 0 else "-Infinity"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if abs(value) < _SAFE_INTEGER and value == int(value):
        return str(int(value))
    return _float_text(value)


def read_number(value: str) -> float:
    """Read a text as JavaScript's `Number` does; what is no number becomes NaN."""
    digits = value.strip(WHITESPACE)
    if not digits:
        return 0
    radix = _RADIX.get(digits[:2].lower())
    if radix is not None:
        try:
            return math.nan if digits[2:3] in {"+", "-", "_", ""} or "_" in digits else float(int(digits[2:], radix))
        except (ValueError, OverflowError):
            return math.nan
    return float(digits) if _DECIMAL.match(digits) else math.nan


def _float_text(value: float) -> str:
    """Write the shortest digits of a finite number in the layout of ECMAScript's `Number::toString`."""
    sign = "-" if value < 0 else ""
    mantissa, _, exponent_text = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    point = len(whole) + int(exponent_text or 0)
    digits = whole + fraction
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.lstrip("0").rstrip("0")
    if abs(value) >= _FIXED_NOTATION_BELOW or point <= _EXPONENT_NOTATION_TO:
        rest = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{rest}e{point - 1:+d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if len(digits) <= point:
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def text(value: Any, meter: Meter, depth: int = 0) -> str:
    """Convert any value to text as `String(value)` does.

    Raises:
        MappingError: a list is nested too deep, or its text exceeds what the event may cost.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return _list_text(value, meter, depth)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number_text(value)
    if value is None:
        return "null"
    return "undefined" if value is UNDEFINED else "[object Object]"


def _list_text(value: list[Any], meter: Meter, depth: int) -> str:
    meter.descend(depth)
    meter.spend(len(value))
    joined = ",".join("" if item is None or item is UNDEFINED else text(item, meter, depth + 1) for item in value)
    meter.spend_text(len(joined))
    return joined
