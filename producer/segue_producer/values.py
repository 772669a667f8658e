"""Python values as the JSON that Segment's clients would send: ids as text, moments to the millisecond, plain numbers.

What each type becomes is described in docs/segment.md#python-values. Numbers of other libraries, such as numpy's, are known
by what they can do, so that none of these libraries is needed.
"""

import numbers
import operator
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic_core import to_jsonable_python

_DEEPEST: Final = 200
"""How deep values may be nested."""
_LARGEST: Final = 2**64
"""Integers are written in full below this; JavaScript, and so Loops, reads any number beyond 2^53 as the nearest double."""
_MAX_DIGITS: Final = 4000
_WAYS: Final = orjson.OPT_PASSTHROUGH_DATETIME


def id_text(value: Any) -> str:
    """An id as text, so that equal ids are equal texts however they were written, and different ones are not.

    Integers keep all digits, and a float or Decimal without a fraction is written as the integer it equals: 777, 777.0 and
    "777" are one id, 2^53 and 2^53 + 1 are two.

    Raises:
        ValueError: it is neither text nor a number.
    """
    if isinstance(value, str):
        return sound(str.__str__(value))
    number = value if isinstance(value, int | float | Decimal) else _number(value)
    if isinstance(value, UUID):
        return str(value)
    if number is None or isinstance(number, bool):
        raise ValueError("must be text or a number")
    if isinstance(number, Decimal) and number.is_finite() and abs(number.adjusted()) > _MAX_DIGITS:
        raise ValueError(f"must not have more than {_MAX_DIGITS} digits")
    try:
        whole = int(number)
        if whole == number:
            return str(whole)
    except ValueError:
        raise ValueError(f"must be a finite number of at most {_MAX_DIGITS} digits") from None
    except OverflowError:
        raise ValueError("must be a finite number") from None
    return format(number.normalize(), "f") if isinstance(number, Decimal) else repr(float(number))


def read_integer(digits: str) -> int | float:
    """An integer of a JSON text; one of very many digits, which Python refuses to read, as infinity."""
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


def sound(text: str) -> str:
    """The text with U+FFFD in the place of halves of surrogate pairs, which UTF-8 cannot hold."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def moment_text(value: datetime) -> str:
    """A moment to the millisecond with its offset, `Z` for UTC; one without a zone is meant as UTC."""
    text = value.isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z") if value.tzinfo else f"{text}Z"


def utc_text(value: datetime) -> str:
    """The same in UTC; with its own offset where UTC has no such year."""
    try:
        return moment_text(value.astimezone(UTC) if value.tzinfo else value)
    except OverflowError:
        return moment_text(value)


def write_json(fields: Any) -> bytes:
    """An event, or any other value, as JSON.

    Raises:
        ValueError: a value has no JSON form; the message says where it is, and its type, but never the value.
    """
    try:
        return orjson.dumps(fields, _foreign, _WAYS)
    except orjson.JSONEncodeError:
        # Text that is no Unicode, keys that are no text, integers of more than 64 bits, or something without a JSON form.
        try:
            return orjson.dumps(_plain(fields, ()), None, _WAYS)
        except RecursionError:
            raise _too_deep() from None


class _Piece(str):
    """A piece of a JSON text, where values are written as well."""

    __slots__ = ()


def describe(value: Any) -> str:
    """What `write_json` does not write, as text that looks like JSON: all of it, however deep it is nested.

    Args:
        value: of what JSON or a task's message was read as, so that nothing of it holds itself. A value without a JSON form
            is described by its type.
    """
    pieces: list[str] = []
    # Those still to be written, the next one last: a function that calls itself would end where Python's stack does.
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, _Piece):
            pieces.append(item)
        elif isinstance(item, Mapping):
            inner = [
                part for key, member in item.items() for part in (_Piece(f"{_leaf(str(key))}:"), member, _Piece(","))
            ]
            rest += [_Piece("}"), *reversed(inner[:-1]), _Piece("{")]
        elif isinstance(item, list | tuple):
            inner = [part for member in item for part in (member, _Piece(","))]
            rest += [_Piece("]"), *reversed(inner[:-1]), _Piece("[")]
        else:
            pieces.append(_leaf(item))
    return "".join(pieces)


def _leaf(value: Any) -> str:
    try:
        return write_json(value).decode()
    except ValueError:
        return f'"of type {type(value).__name__}"'


def _foreign(value: Any) -> Any:
    """What orjson does not write by itself, as something it does."""
    if isinstance(value, datetime):
        return moment_text(value) if value == value else None  # noqa: PLR0124 - pandas' NaT is no moment
    if isinstance(value, date | time):
        return value.isoformat()
    number = value if isinstance(value, Decimal) else _number(value)
    if isinstance(number, Decimal):
        return _of_decimal(number)
    if number is not None:
        return number
    if isinstance(value, Mapping):
        return dict(value)
    return to_jsonable_python(value)


def _number(value: Any) -> Any:
    """A number of another library as Python's own; None for what is no number."""
    kind: object = getattr(getattr(value, "dtype", None), "kind", None)
    if kind is not None:
        return value.item() if isinstance(kind, str) and kind in "biuf" and getattr(value, "ndim", 0) == 0 else None
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    return operator.index(value) if hasattr(type(value), "__index__") else None


def _of_decimal(number: Decimal) -> int | float | None:
    if not number.is_finite():
        return None
    if abs(number.adjusted()) <= len(str(_LARGEST)) and number == number.to_integral_value():
        return int(number)
    return float(number)


def _plain(value: Any, path: tuple[str, ...]) -> Any:  # noqa: PLR0911 - one for each kind
    """A copy that orjson can write."""
    if len(path) > _DEEPEST:
        raise _too_deep()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return sound(str.__str__(value))
    if isinstance(value, int):
        return _within_64_bits(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {_key(key, path): _plain(member, (*path, str(key))) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member, (*path, str(place))) for place, member in enumerate(value)]
    try:
        return _plain(_foreign(value), (*path, ""))
    except (ArithmeticError, RecursionError, TypeError, ValueError):
        named = ".".join(step for step in path if step) or "it"
        raise ValueError(f"cannot be written as JSON: {named} is of type {type(value).__name__}") from None


def _key(key: Any, path: tuple[str, ...]) -> str:
    if isinstance(key, str):
        return sound(str.__str__(key))
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    try:
        return id_text(key)
    except ValueError:
        named = ".".join(path) or "it"
        raise ValueError(f"cannot be written as JSON: {named} has a key of type {type(key).__name__}") from None


def _within_64_bits(value: int) -> int | float | None:
    """An integer as JavaScript reads it, where it has more than 64 bits; null where it is larger than any double."""
    if -_LARGEST // 2 <= value < _LARGEST:
        return int(value)
    try:
        return float(value)
    except OverflowError:
        return None


def _too_deep() -> ValueError:
    return ValueError(f"cannot be written as JSON: it is nested more than {_DEEPEST} deep, or holds itself")
