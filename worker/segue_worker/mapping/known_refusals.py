"""What Loops is known, or expected, to refuse in a request (docs/loops.md#bodies, docs/loops.md#properties).

Segment sends such requests all the same; whoever calls this decides.
"""

from collections.abc import Iterator
from typing import Any, Final

from segue_worker.mapping import json_text
from segue_worker.mapping.request import Request

__all__ = ["refusals"]

_MAX_LENGTH: Final = 500
"""Characters of JSON text, quotes included, a key or value may have."""

_CERTAIN_BELOW: Final = _MAX_LENGTH // 6 - 2
_SHOWN: Final = 40
_OBJECTS: Final = frozenset({"eventProperties", "mailingLists"})


def refusals(request: Request) -> list[str]:
    """Name the keys of a request's body that Loops refuses, each with the reason; never a value.

    Looked at are the body's own keys and values and those of `eventProperties` and `mailingLists`. Over 500
    characters is documented by Loops; that objects and lists are no property values follows from its list of types.
    """
    return list(_refusals(request.body))


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
        yield f"{shown}: {'an object' if isinstance(value, dict) else 'a list'} is no property value; flatten or drop it"
    elif isinstance(value, (str, int, float)) and _is_long(value):
        yield f"{shown}: the value is longer than {_MAX_LENGTH} characters, quotes included"


def _is_long(value: str | float) -> bool:
    """Measure JSON text; an escape takes at most six characters, so short texts need no encoding."""
    if isinstance(value, str) and len(value) <= _CERTAIN_BELOW:
        return False
    return len(json_text.encode(value)) > _MAX_LENGTH
