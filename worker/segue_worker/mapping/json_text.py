"""JSON as JavaScript reads and writes it (docs/segment.md#json-as-javascript-writes-it)."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import orjson

from segue_worker.mapping.javascript import number_text, own_entries, paired
from segue_worker.mapping.undefined import UNDEFINED

_EXACT_DIGITS: Final = 15
_STRICT: Final = orjson.OPT_STRICT_INTEGER
_INTEGER_KEY: Final = re.compile(rb'"(?:0|[1-9][0-9]{0,9})":').search
_WHOLE_FLOAT: Final = re.compile(rb"\.0[,}\]]").search
_EXPONENT: Final = re.compile(rb"e[-+]?[0-9]+[,}\]]").search
_LONE_SURROGATE: Final = re.compile("([\ud800-\udfff])")


def encode_bytes(value: dict[str, Any] | list[Any]) -> bytes:
    """Serialise an object or list exactly as `JSON.stringify` does, as UTF-8.

    orjson writes the same bytes except for numbers like `1.0` and `1e21`, integers beyond 2**53, integer-like keys
    (first, in JavaScript), lone surrogates and very deep values. Its output is used unless it shows one of these.
    """
    try:
        encoded = orjson.dumps(value, option=_STRICT)
    except orjson.JSONEncodeError:
        return _written(value).encode()
    if _WHOLE_FLOAT(encoded) is not None or _INTEGER_KEY(encoded) is not None or _EXPONENT(encoded) is not None:
        return _written(value).encode()
    return encoded


def encode(value: Any) -> str:
    """Serialise any value as `JSON.stringify` does: undefined members are left out, undefined elements become null."""
    return encode_bytes(value).decode() if isinstance(value, (dict, list)) else _scalar(value)


def _written(value: Any) -> str:
    """Write a value with a stack of its own, so that deep nesting cannot exhaust Python's."""
    out: list[str] = []
    stack: list[Iterator[tuple[str, Any]]] = [iter([("", value)])]
    closings = [""]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            out.append(closings.pop())
            continue
        lead, item = entry
        out.append(lead)
        if isinstance(item, dict):
            out.append("{")
            stack.append(_members(item))
            closings.append("}")
        elif isinstance(item, list):
            out.append("[")
            stack.append(_elements(item))
            closings.append("]")
        else:
            out.append(_scalar(item))
    return "".join(out)


def _members(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield, for each member, the text that precedes its value, and the value."""
    comma = ""
    for key, item in own_entries(value):
        if item is not UNDEFINED:
            yield f"{comma}{_string(key)}:", item
            comma = ","


def _elements(value: list[Any]) -> Iterator[tuple[str, Any]]:
    return (("," if index else "", item) for index, item in enumerate(value))


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _string(value)
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, (int, float)):
        shown = number_text(value)
        return "null" if shown.endswith(("y", "N")) else shown
    return "null"


def _string(value: str) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return "".join(
            f"\\u{ord(part):04x}" if _LONE_SURROGATE.fullmatch(part) else orjson.dumps(part).decode()[1:-1]
            for part in _LONE_SURROGATE.split(paired(value))
        ).join('""')


def decode(value: str) -> Any:
    """Parse strict JSON as `JSON.parse` does.

    Raises:
        ValueError: `value` is not JSON.
        RecursionError: it is nested deeper than Python's parser goes.
    """
    return json.loads(value, parse_constant=_refuse, parse_int=_integer)


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _integer(digits: str) -> float:
    """Read an integer; one too long for a double is infinite, as in JavaScript."""
    if len(digits) <= _EXACT_DIGITS:
        return int(digits)
    number = float(digits)
    return number if math.isinf(number) else int(number)
