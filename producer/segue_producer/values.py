"""Python values as the JSON that Segment's clients would send: ids as text, moments to the millisecond, plain numbers.

What each type becomes is described in docs/segment.md#python-values. Numbers of other libraries, such as numpy's, are known
by what they can do, so that none of these libraries is needed.
"""

import math
import numbers
import operator
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

_DEEPEST: Final = 254
"""How deep values may be nested: as deep as orjson goes."""
_LARGEST: Final = 2**64
"""Integers are written in full below this; JavaScript, and so Loops, reads any number beyond 2^53 as the nearest double."""
_LARGEST_EXPONENT: Final = len(str(_LARGEST))
_MAX_DIGITS: Final = 4000
_MAX_BITS: Final = (10**_MAX_DIGITS).bit_length()
LONG_INTEGER: Final = re.compile(rb"\d{19}")
"""Finds what may be an integer of more than 64 bits in JSON text, which orjson reads as the nearest double."""
_WAYS: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_APPEND_NEWLINE
"""With something to cut off: orjson leaves its text in a buffer of 4 KiB, which would be kept as long as that; a part is a copy."""


def id_text(value: Any) -> str:
    """An id as text, so that equal ids are equal texts however they were written, and different ones are not.

    Numbers keep all digits, in plain notation, and one without a fraction is written as the integer it equals: 777, 777.0 and
    "777" are one id, 2^53 and 2^53 + 1 are two. A float has the digits that Python and JavaScript show of it, so 0.1 is the id
    "0.1". A fraction that no decimal number equals is written as `1/3`.

    Raises:
        ValueError: it is neither text nor a finite number of up to 4,000 digits.
    """
    if isinstance(value, str):
        return sound(str.__str__(value))
    if isinstance(value, UUID):
        return str(value)
    try:
        number = value if isinstance(value, int) else _number(value)
    except Exception:  # noqa: BLE001 - whatever the methods of another library's number raise
        raise ValueError("must be a finite number") from None
    if number is None or isinstance(number, bool):
        raise ValueError("must be text or a number")
    if isinstance(number, float) and number.is_integer():
        return str(int(number))
    exact = _exact(number)
    if max(exact.numerator.bit_length(), exact.denominator.bit_length()) > _MAX_BITS:
        raise _too_long()
    return str(int(exact)) if exact.denominator == 1 else _fraction_text(Fraction(exact))


def _exact(number: float | Decimal | Fraction) -> int | Fraction:
    """What a number equals.

    Raises:
        ValueError: it is infinite, NaN, or far too long.
    """
    if isinstance(number, int | Fraction):
        return number
    if not (number.is_finite() if isinstance(number, Decimal) else math.isfinite(number)):
        raise ValueError("must be a finite number")
    if not number:
        return 0
    # A Decimal's exponent may ask for more digits than memory holds.
    if isinstance(number, Decimal) and max(abs(number.adjusted()), len(number.as_tuple().digits)) > 2 * _MAX_DIGITS:
        raise _too_long()
    return Fraction(number)


def _fraction_text(number: Fraction) -> str:
    """A number that is no integer: as a decimal number where one equals it."""
    try:
        near = float(number)
    except OverflowError:
        near = math.inf
    if near == number:
        # A double is meant by its shortest digits.
        return format(Decimal(repr(near)), "f")
    twos = (number.denominator & -number.denominator).bit_length() - 1
    fives, rest = 0, number.denominator >> twos
    while rest % 5 == 0:
        fives, rest = fives + 1, rest // 5
    if rest != 1:
        return str(number)
    places = max(twos, fives)
    if places > _MAX_DIGITS:
        raise _too_long()
    digits = str(Decimal(abs(number.numerator) * 10**places // number.denominator)).rjust(places + 1, "0")
    return f"{'-' if number < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def _too_long() -> ValueError:
    return ValueError(f"must be a finite number of at most {_MAX_DIGITS} digits")


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
        return orjson.dumps(fields, _foreign, _WAYS)[:-1]
    except orjson.JSONEncodeError:
        # Text that is no Unicode, keys that are no text, integers of more than 64 bits, or something without a JSON form.
        try:
            return orjson.dumps(_plain(fields, ()), None, _WAYS)[:-1]
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


def _foreign(value: Any) -> Any:  # noqa: PLR0911 - one for each kind
    """What orjson does not write by itself, as something it does; what that holds is left as it is.

    orjson asks again for each member, and so does `_plain`: a value becomes the same JSON wherever it stands.
    """
    if isinstance(value, datetime):
        return moment_text(value) if value == value else None  # noqa: PLR0124 - pandas' NaT is no moment
    if isinstance(value, date | time):
        return value.isoformat()
    number = value if isinstance(value, Decimal) else _number(value)
    if number is not None:
        return _json_number(number)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | set | frozenset | deque):
        return list(value)
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True, warnings=False)
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in fields(value) if not each.name.startswith("_")}
    # An iterator may be without end, and is used up by being read.
    text = None if isinstance(value, Iterator | complex) else to_jsonable_python(value)
    if not isinstance(text, str):
        raise TypeError
    return text


def _number(value: Any) -> float | Decimal | Fraction | None:
    """A number, of whichever library, as one of Python's own that equals it; None for what is no number."""
    kind: object = getattr(getattr(value, "dtype", None), "kind", None)
    if kind is not None:
        if not (isinstance(kind, str) and kind in "biuf" and getattr(value, "ndim", 0) == 0):
            return None
        value = value.item()
    if isinstance(value, int | float | Decimal | Fraction):
        return float(value) if isinstance(value, float) else value
    if isinstance(value, numbers.Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    if isinstance(value, numbers.Real):
        try:
            # Numpy's longdouble, of which a float would lose digits.
            return Fraction(*value.as_integer_ratio())  # type: ignore[attr-defined]
        except (ArithmeticError, AttributeError, ValueError):
            return float(value)
    return operator.index(value) if hasattr(type(value), "__index__") else None


def _json_number(number: float | Decimal | Fraction) -> float | None:
    """A number as JSON has it; null where it is not finite, or larger than any double."""
    if isinstance(number, Decimal):
        if not number.is_finite():
            return None
        # Its exponent may ask for more digits than memory holds.
        if abs(number.adjusted()) > _LARGEST_EXPONENT:
            return float(number)
    elif not isinstance(number, Fraction):
        return number
    if number == (whole := int(number)):
        return whole
    try:
        return float(number)
    except OverflowError:
        return None


def _plain(value: Any, path: tuple[str, ...]) -> Any:
    """A copy that orjson can write, with the meaning that it gives to each type."""
    if len(path) > _DEEPEST:
        raise _too_deep()
    if value is None or value.__class__ in {bool, float}:
        return value
    if isinstance(value, str):
        return sound(str.__str__(value))
    if isinstance(value, int):
        return _within_64_bits(int.__int__(value))
    # What a subclass says it holds may be another thing than what it holds, which is what orjson writes.
    if isinstance(value, dict):
        return {_key(key, path): _plain(member, (*path, str(key))) for key, member in dict.items(value)}
    if isinstance(value, list):
        return [_plain(member, (*path, str(place))) for place, member in enumerate(list.__iter__(value))]
    try:
        known = list(value) if value.__class__ is tuple else _foreign(value)
    except RecursionError:
        raise
    except Exception:  # noqa: BLE001 - whatever the methods of a value raise
        named = ".".join(step for step in path if step) or "it"
        raise ValueError(f"cannot be written as JSON: {named} is of type {type(value).__name__}") from None
    return _plain(known, path)


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
        return value
    try:
        return float(value)
    except OverflowError:
        return None


def _too_deep() -> ValueError:
    return ValueError(f"cannot be written as JSON: it is nested more than {_DEEPEST} deep, or holds itself")
