"""What Loops is known, or expected, to refuse in a request (docs/loops.md#bodies, docs/loops.md#properties).

Segment sends such requests all the same. What to do about them is for the caller to decide.
"""

from collections.abc import Iterator
from typing import Any, Final

from segue_worker.mapping import json_text
from segue_worker.mapping.request import Request

__all__ = ["is_refused", "refusals"]

_MAX_LENGTH: Final = 500
"""Characters that the JSON text of a key or value may have, with its quotes."""

_CERTAIN_BELOW: Final = _MAX_LENGTH // 6 - 2
_SHOWN: Final = 40
_OBJECTS: Final = frozenset({"eventProperties", "mailingLists"})


def refusals(request: Request) -> list[str]:
    """Name the keys of a request's body that Loops refuses, each with the reason. Values are never quoted.

    This looks at the keys and values of the body, of `eventProperties` and of `mailingLists`. Loops documents the limit
    of 500 characters, and a list of the types of properties, in which objects and lists do not occur.
    """
    return list(_refusals(request.body))


def is_refused(request: Request) -> bool:
    """Whether `refusals` names anything. It is asked of every request that may be merged; a glance tells of most."""
    return _is_suspicious(request.body) and bool(refusals(request))


def _is_suspicious(body: dict[str, Any], objects: frozenset[str] = _OBJECTS) -> bool:
    for key, value in body.items():
        kind = type(value)
        if kind is dict and key in objects:
            if value and _is_suspicious(value, frozenset()):
                return True
        elif (
            len(key) > _CERTAIN_BELOW
            or kind is dict
            or kind is list
            or (kind is str and len(value) > _CERTAIN_BELOW)
            or (kind is int and value.bit_length() > _CERTAIN_BELOW)
        ):
            return True
    return False


def _refusals(body: dict[str, Any]) -> Iterator[str]:
    for key, value in body.items():
        if key in _OBJECTS and isinstance(value, dict):
            for inner, item in value.items():
                yield from _refusal(f"{key}.{inner[:_SHOWN]}", inner, item)
        else:
            yield from _refusal(key[:_SHOWN], key, value)


def _refusal(shown: str, key: str, value: Any) -> Iterator[str]:
    if _is_long(key):
        yield f"{shown}…: the key is longer than {_MAX_LENGTH} characters, quotes included"
    if isinstance(value, (dict, list)):
        kind = "objects" if isinstance(value, dict) else "lists"
        yield f"{shown}: {kind} aren't allowed as property values; flatten it or leave it out"
    elif isinstance(value, (str, int, float)) and _is_long(value):
        yield f"{shown}: the value is longer than {_MAX_LENGTH} characters, quotes included"


def _is_long(value: str | float) -> bool:
    """Measure the JSON text. An escape has at most six characters, so short texts need not be encoded for this."""
    if isinstance(value, str) and len(value) <= _CERTAIN_BELOW:
        return False
    return len(json_text.encode(value)) > _MAX_LENGTH
