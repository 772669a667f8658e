"""Filters on lists; `slice`, `first`, `last` and `size` accept texts too."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from segue_worker.mapping.javascript import text, utf16_length, utf16_unit
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.liquid.values import as_list, equals, is_falsy, is_nil, plain, read, shown, to_number
from segue_worker.mapping.undefined import UNDEFINED


def _items(meter: Meter, value: Any) -> list[Any]:
    items = as_list(value)
    meter.spend(1 + len(items))
    return items


def _join(meter: Meter, value: Any, separator: Any = UNDEFINED, *_: Any) -> str:
    items = _items(meter, value)
    between = " " if is_nil(separator) else shown(separator, meter)
    parts = ["" if is_nil(item) else text(plain(item), meter) for item in items]
    meter.spend_text(sum(map(len, parts)) + len(between) * len(parts))
    return between.join(parts)


def _first(_meter: Meter, value: Any, *_: Any) -> Any:
    value = plain(value)
    if isinstance(value, list):
        return value[0] if value else UNDEFINED
    return utf16_unit(value, 0) if isinstance(value, str) and value else ""


def _last(_meter: Meter, value: Any, *_: Any) -> Any:
    value = plain(value)
    if isinstance(value, list):
        return value[-1] if value else UNDEFINED
    return utf16_unit(value, utf16_length(value) - 1) if isinstance(value, str) and value else ""


def _size(_meter: Meter, value: Any, *_: Any) -> Any:
    value = plain(value)
    if isinstance(value, str):
        return utf16_length(value)
    if isinstance(value, dict):
        return value.get("length") or 0
    return len(value) if isinstance(value, list) else 0


def _follow(item: Any, path: str) -> Any:
    for key in path.split("."):
        item = read(item, key)
    return item


def _sum(meter: Meter, value: Any, path: Any = UNDEFINED, *_: Any) -> float:
    name = shown(path, meter)
    numbers = (to_number(_follow(item, name) if name else item, meter) for item in _items(meter, value))
    return math.fsum(number for number in numbers if not math.isnan(number))


def _compact(meter: Meter, value: Any, *_: Any) -> list[Any]:
    return [item for item in _items(meter, value) if not is_nil(item)]


def _push(meter: Meter, value: Any, item: Any = UNDEFINED, *_: Any) -> list[Any]:
    return [*_items(meter, value), plain(item)]


def _unshift(meter: Meter, value: Any, item: Any = UNDEFINED, *_: Any) -> list[Any]:
    return [plain(item), *_items(meter, value)]


def _pop(meter: Meter, value: Any, *_: Any) -> list[Any]:
    return _items(meter, value)[:-1]


def _shift(meter: Meter, value: Any, *_: Any) -> list[Any]:
    return _items(meter, value)[1:]


def _slice(meter: Meter, value: Any, begin: Any = UNDEFINED, length: Any = 1, *_: Any) -> Any:
    value = plain(value)
    if is_nil(value):
        return []
    found = value if isinstance(value, list) else shown(value, meter)
    start = _whole(to_number(begin, meter))
    count = _whole(to_number(length, meter)) if length is not UNDEFINED else 1
    start = len(found) + start if start < 0 else start
    if start < 0 or count < 0:
        return found[:0]
    meter.spend(min(count, len(found)))
    return found[start : start + count]


def _whole(number: float) -> int:
    return int(max(min(number, 2**53), -(2**53))) if not math.isnan(number) else 0


def _where(meter: Meter, value: Any, path: Any = UNDEFINED, expected: Any = UNDEFINED, *_: Any) -> list[Any]:
    name = shown(path, meter)
    found = ((item, _follow(item, name)) for item in _items(meter, value))
    if expected is UNDEFINED:
        return [item for item, property_ in found if not is_falsy(property_)]
    return [item for item, property_ in found if equals(property_, expected, meter)]


LISTS: Final[Mapping[str, Callable[..., Any]]] = {
    "compact": _compact,
    "first": _first,
    "join": _join,
    "last": _last,
    "pop": _pop,
    "push": _push,
    "shift": _shift,
    "size": _size,
    "slice": _slice,
    "sum": _sum,
    "unshift": _unshift,
    "where": _where,
}
