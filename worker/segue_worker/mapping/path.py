"""Paths into an event (docs/segment.md#paths), compiled into direct lookups."""

import re
from typing import Any, Final, Protocol

from segue_worker.mapping.javascript import array_index, is_falsy, utf16_length, utf16_unit
from segue_worker.mapping.undefined import UNDEFINED


class Lookup(Protocol):
    """Takes data and returns what it has at a path, or `UNDEFINED`; a meter is passed over, so that it fits a `Resolve`."""

    def __call__(self, data: Any, _meter: object = None, /) -> Any:
        """Look up."""


_SEPARATORS: Final = re.compile(r"\[(?=[\"'0-9])|\.|(?<=[\"'0-9])\]+")
_QUOTES: Final = str.maketrans("", "", "'\"")


def without_root(path: str) -> str:
    """Remove the first `$.`, wherever it stands, as Segment's `@path` and `@arrayPath` do. Templates keep theirs."""
    return path.replace("$.", "", 1)


def split_path(path: str) -> tuple[str, ...]:
    """Split a path into the keys that it goes through. An empty path has none and leads to the whole data."""
    return tuple(segment.translate(_QUOTES) for segment in _SEPARATORS.split(path) if segment)


def step(value: Any, key: str) -> Any:
    """Return what a value has under one key. As in Segment, a falsy value stands for all that might be below it."""
    if isinstance(value, dict):
        return value.get(key, UNDEFINED)
    if is_falsy(value):
        return value
    return _own_property(value, key) if isinstance(value, (list, str)) else UNDEFINED


def _own_property(value: list[Any] | str, key: str) -> Any:
    """Return an element of a list, a UTF-16 unit of a text, or the length of either."""
    if key == "length":
        return len(value) if isinstance(value, list) else utf16_length(value)
    index = array_index(key)
    if index is None:
        return UNDEFINED
    if isinstance(value, list):
        return value[index] if index < len(value) else UNDEFINED
    unit = utf16_unit(value, index)
    return UNDEFINED if unit is None else unit


def look_up(data: Any, path: str) -> Any:
    """Look up a path that was not known when the mapping was compiled, in the event's data or in another value."""
    for key in split_path(path):
        data = step(data, key)
    return data


def compile_lookup(path: str) -> Lookup:
    """Compile a path without its `$.` into a function that returns what the data has there, or `UNDEFINED`."""
    return compile_keys(split_path(path))


def compile_keys(keys: tuple[str, ...]) -> Lookup:
    """Compile a sequence of keys into a function that follows them. Common lengths get functions without a loop."""
    match keys:
        case ():
            return _whole
        case (key,):
            return _one(key)
        case (first, second):
            return _two(first, second)
        case (first, second, third):
            return _three(first, second, third)
    return _many(keys)


def _whole(data: Any, _meter: object = None) -> Any:
    return data


def _one(key: str) -> Lookup:
    def lookup(data: Any, _meter: object = None) -> Any:
        return data.get(key, UNDEFINED) if data.__class__ is dict else step(data, key)

    return lookup


def _two(first: str, second: str) -> Lookup:
    def lookup(data: Any, _meter: object = None) -> Any:
        value = data.get(first, UNDEFINED) if data.__class__ is dict else step(data, first)
        return value.get(second, UNDEFINED) if value.__class__ is dict else step(value, second)

    return lookup


def _three(first: str, second: str, third: str) -> Lookup:
    def lookup(data: Any, _meter: object = None) -> Any:
        value = data.get(first, UNDEFINED) if data.__class__ is dict else step(data, first)
        value = value.get(second, UNDEFINED) if value.__class__ is dict else step(value, second)
        return value.get(third, UNDEFINED) if value.__class__ is dict else step(value, third)

    return lookup


def _many(keys: tuple[str, ...]) -> Lookup:
    def lookup(data: Any, _meter: object = None) -> Any:
        for key in keys:
            data = data.get(key, UNDEFINED) if data.__class__ is dict else step(data, key)
        return data

    return lookup
