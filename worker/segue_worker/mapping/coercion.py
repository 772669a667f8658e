"""Converts and checks single fields of a payload (docs/segment.md#conversion-and-checks)."""

import math
import re
from collections.abc import Callable
from typing import Any, Final

from segue_worker.mapping.fields import Field, FieldType
from segue_worker.mapping.javascript import article, number_text, read_number, type_name
from segue_worker.mapping.mailing_lists import as_object
from segue_worker.mapping.segment_dates import is_date_like
from segue_worker.mapping.undefined import UNDEFINED

Coerce = Callable[[Any], Any]
"""Takes a field's value (not missing, null or ""), and returns what to send. Raises `ValueRefused`."""


class ValueRefused(Exception):
    """A field does not accept its value. The check of the payload collects these into one `PayloadError`."""

    def __init__(self, *problems: str) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


_LOCAL: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++"
_LABEL: Final = r"(?!-)[A-Za-z0-9-]++(?<!-)"
is_address: Final = re.compile(rf"{_LOCAL}(?:\.{_LOCAL})*+@(?:{_LABEL}\.)++{_LABEL}\Z").match
"""Whether Segment takes a text for an email address."""


def _must_be(title: str, expected: str, value: Any) -> ValueRefused:
    kind = type_name(value)
    return ValueRefused(f"{title} must be {article(expected)} {expected} but it was {_with_article(kind)}.")


def _with_article(kind: str) -> str:
    return "null" if kind in {"null", "undefined"} else f"{article(kind)} {kind}"


def _as_text(title: str, value: Any, expected: str = "string") -> str:
    """Convert a value that is not text: a number, a boolean, or a list of one of these or of one text."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
        if value is None or value is UNDEFINED:
            return ""
        if isinstance(value, str):
            return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, (int, float)):
        return number_text(value)
    raise _must_be(title, expected, value)


def _string(title: str) -> Coerce:
    return lambda value: value if value.__class__ is str else _as_text(title, value)


def _email(title: str) -> Coerce:
    def coerce(value: Any) -> str:
        text = value if value.__class__ is str else _as_text(title, value)
        if is_address(text) is None:
            raise ValueRefused(f"{title} must be a valid email address string but it was not.")
        return text

    return coerce


def _boolean(title: str) -> Coerce:
    def coerce(value: Any) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
            if isinstance(value, bool):
                return value
            if value is None:
                return False
        if value == "true" or (value == 1 and isinstance(value, (int, float))):
            return True
        if value == "false" or (value == 0 and isinstance(value, (int, float))):
            return False
        raise _must_be(title, "boolean", value)

    return coerce


def _object(title: str) -> Coerce:
    def coerce(value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        raise _must_be(title, "object", value)

    return coerce


def _datetime(title: str) -> Coerce:
    not_a_date = f"{title} must be a valid date-like string but it was not."

    def coerce(value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
            if value[0] and math.isfinite(number := read_number(value[0])):
                return number
            # Segment does not take the text out of the list, and goes on to check it as a date.
            refused = _must_be(title, "string or number", value[0])
            raise refused if is_date_like(value[0]) else ValueRefused(*refused.problems, not_a_date)
        text = value if isinstance(value, str) else _as_text(title, value, "string or number")
        if is_date_like(text):
            return text
        raise ValueRefused(not_a_date)

    return coerce


def _mailing_lists(title: str) -> Coerce:
    take_object = _object(title)
    return lambda value: take_object(as_object(value))


_COERCIONS: Final[dict[FieldType, Callable[[str], Coerce]]] = {
    "string": _string,
    "email": _email,
    "boolean": _boolean,
    "object": _object,
    "datetime": _datetime,
    "mailing lists": _mailing_lists,
}


def compile_coercion(field: Field) -> Coerce:
    """Return the function that converts and checks values of `field`."""
    return _COERCIONS[field.type](field.title)
