"""Values as LiquidJS sees them: text, truth, equality, order and properties."""

import re
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from segue_worker.mapping.javascript import WHITESPACE, array_index, read_number, text, utf16_length, utf16_unit
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.undefined import UNDEFINED

NAN: Final = float("nan")
SPACES: Final = re.compile(f"[{re.escape(WHITESPACE)}]+")


class Drop(Enum):
    """The literals `nil`, `empty` and `blank`, which compare by rules of their own."""

    NIL = "nil"
    EMPTY = "empty"
    BLANK = "blank"


def plain(value: Any) -> Any:
    """Return the value that a literal stands for outside comparisons; any other value stays as it is."""
    if value.__class__ is Drop:
        return None if value is Drop.NIL else ""
    return value


def is_nil(value: Any) -> bool:
    """Tell whether a value is null or undefined."""
    return value is None or value is UNDEFINED or value is Drop.NIL


def is_falsy(value: Any) -> bool:
    """Tell whether `value` counts as false in a condition: only nil and false do, not "", 0 or an empty list."""
    return value is False or is_nil(value)


def shown(value: Any, meter: Meter, depth: int = 0) -> str:
    """Return the text that a value is printed as: nil as nothing, lists without separators, objects as in JavaScript."""
    value = plain(value)
    if isinstance(value, str):
        return value
    if value is None or value is UNDEFINED:
        return ""
    if isinstance(value, list):
        meter.descend(depth)
        meter.spend(2 * len(value))
        joined = "".join(shown(item, meter, depth + 1) for item in value)
        meter.spend_text(len(joined))
        return joined
    return text(value, meter)


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, an empty list for nil, and a list of one element for any other value."""
    value = plain(value)
    if isinstance(value, list):
        return value
    return [] if is_nil(value) else [value]


def to_number(value: Any, meter: Meter) -> float:
    """Convert a value as JavaScript's `Number` does; what cannot be read as a number becomes NaN."""
    value = plain(value)
    if value is UNDEFINED:
        return NAN
    if value is None:
        return 0
    if isinstance(value, (bool, int, float)):
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    return read_number(text(value, meter))


def equals(left: Any, right: Any, meter: Meter, depth: int = 0) -> bool:
    """Compare as LiquidJS's `==` does: types must agree, lists are compared by element, objects by identity."""
    if isinstance(left, Drop):
        return _drop_equals(left, right)
    if isinstance(right, Drop):
        return _drop_equals(right, left)
    if isinstance(left, list):
        return isinstance(right, list) and _same_elements(left, right, meter, depth)
    if isinstance(left, (dict, bool)) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def _same_elements(left: list[Any], right: list[Any], meter: Meter, depth: int) -> bool:
    if len(left) != len(right):
        return False
    meter.descend(depth)
    meter.spend(2 * len(left))
    return all(equals(item, other, meter, depth + 1) for item, other in zip(left, right, strict=True))


def _drop_equals(drop: Drop, value: Any) -> bool:
    if drop is Drop.NIL:
        return is_nil(value)
    if isinstance(value, Drop):
        return drop is Drop.BLANK and value is Drop.NIL
    if drop is Drop.BLANK and (is_falsy(value) or (isinstance(value, str) and not value.strip(WHITESPACE))):
        return True
    return isinstance(value, (str, list, dict)) and not value


def compare(order: Callable[[Any, Any], bool], left: Any, right: Any, meter: Meter) -> bool:
    """Compare by `operator.lt` or its like as JavaScript does: two texts by their characters, others as numbers."""
    if isinstance(left, Drop) or isinstance(right, Drop):
        return False
    left, right = (text(value, meter) if isinstance(value, (list, dict)) else value for value in (left, right))
    if isinstance(left, str) and isinstance(right, str):
        return order(left.encode("utf-16-be", "surrogatepass"), right.encode("utf-16-be", "surrogatepass"))
    return order(to_number(left, meter), to_number(right, meter))


def contains(left: Any, right: Any, meter: Meter) -> bool:
    """Tell whether a list has `right` as an element, or a text has it as a part."""
    left = plain(left)
    if isinstance(left, list):
        meter.spend(len(left))
        return any(equals(item, right, meter) for item in left)
    return isinstance(left, str) and text(plain(right), meter) in left


def read(value: Any, key: Any) -> Any:
    """Read a property of a value: its own ones, `size`, and for lists `first` and `last`."""
    value, key = plain(value), plain(key)
    if is_nil(value):
        return value
    if isinstance(value, dict):
        name = _property_name(key)
        return len(value) if name == "size" and "size" not in value else value.get(name, UNDEFINED)
    if isinstance(value, list):
        return _read_list(value, key)
    if isinstance(value, str):
        return _read_text(value, _property_name(key))
    return UNDEFINED


def _property_name(key: Any) -> str:
    return key if isinstance(key, str) else text(key, Meter())


def _read_list(value: list[Any], key: Any) -> Any:
    index: Any = {"first": 0, "last": -1}.get(key) if isinstance(key, str) else key
    if key in ("size", "length"):
        return len(value)
    if isinstance(index, float) and index.is_integer():
        index = int(index)
    if index is None and isinstance(key, str):
        index = array_index(key)
    if isinstance(index, int) and not isinstance(index, bool) and -len(value) <= index < len(value):
        return value[index]
    return UNDEFINED


def _read_text(value: str, name: str) -> Any:
    if name in {"size", "length"}:
        return utf16_length(value)
    index = array_index(name)
    unit = None if index is None else utf16_unit(value, index)
    return UNDEFINED if unit is None else unit
