"""Compiles mapping values into closures (docs/segment.md#fields).

A closure takes the data (the event, or whatever a directive hands down) and the event's meter, and returns a value
or `UNDEFINED`. Nothing of the mapping is looked at again while events are rendered.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NoReturn

from segue_worker.errors import MappingError
from segue_worker.mapping.javascript import type_name
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.undefined import UNDEFINED

__all__ = [
    "CompileDirective",
    "Compiler",
    "Keep",
    "Resolve",
    "Scope",
    "charge_size",
    "clean",
    "constant",
    "failing",
    "is_directive",
]

Resolve = Callable[[Any, Meter], Any]


class Keep(Enum):
    """Where a result may still hold `UNDEFINED`: directives see it, results do not."""

    EVERYWHERE = "in objects and lists: the value goes to a directive"
    IN_LISTS = "in lists only: the value is the result of a nested transform"
    NOWHERE = "the value is the result; undefined list elements become null"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is known about the place of a value in its mapping.

    Attributes:
        keep: where its result may hold `UNDEFINED`.
        pure: the data its paths look into is JSON and so holds no `UNDEFINED`.
    """

    keep: Keep = Keep.NOWHERE
    pure: bool = True


CompileDirective = Callable[[Any, "Compiler", Scope], Resolve]

_MANY_DIRECTIVES: Final = 64


class Compiler:
    """Compiles one mapping.

    Attributes:
        metered: its directives do work that grows with the event and must be counted.
        directives: how many were compiled so far.
        faults: `/path problem.` of what is sure to fail when reached, but passes Segment's validation.
    """

    def __init__(self, directives: Mapping[str, CompileDirective]) -> None:
        self._directives = directives
        self._path: list[str] = []
        self.directives = 0
        self.metered = False
        self._grows = False
        self.faults: list[str] = []

    @property
    def grows(self) -> bool:
        """Results may be far larger than the event: their size is to be counted."""
        return self._grows or self.directives > _MANY_DIRECTIVES

    def compile(self, value: Any, scope: Scope) -> Resolve:
        """Compile any mapping value."""
        if isinstance(value, dict):
            return self._directive(value, scope) if is_directive(value) else self._object(value, scope)
        if isinstance(value, list):
            return self._list(value, scope)
        return constant(value)

    def compile_at(self, key: str, value: Any, scope: Scope) -> Resolve:
        """Compile the value under `key`, which faults below it name in their path."""
        self._path.append(key)
        try:
            return self.compile(value, scope)
        finally:
            self._path.pop()

    def compile_root(self, mapping: dict[str, Any], scope: Scope) -> Resolve:
        """Compile a validated mapping that stands on its own, and so takes nothing but objects as data."""
        resolve = self.compile(mapping, scope)

        def run(data: Any, meter: Meter) -> Any:
            data = {} if data is UNDEFINED else data
            if not isinstance(data, dict):
                raise MappingError((f"data must be an object, got {type_name(data)}",))
            return resolve(data, meter)

        return run

    def fault(self, message: str) -> Resolve:
        """Note what is sure to fail here, and return a closure that raises it."""
        self.faults.append(f"/{'/'.join(self._path)} {message}.")
        return failing((message,))

    def meter(self, *, grows: bool = False) -> None:
        """Have the event's work counted, and with `grows` the size of the result too."""
        self.metered = True
        self._grows |= grows

    def finish(self, resolve: Resolve, scope: Scope) -> Resolve:
        """Wrap a closure whose result may hold `UNDEFINED` so that it keeps to the scope."""
        if scope.keep is Keep.EVERYWHERE:
            return resolve
        self.metered = True
        nulls = scope.keep is Keep.NOWHERE

        def cleaned(data: Any, meter: Meter) -> Any:
            return clean(resolve(data, meter), meter, nulls=nulls)

        return cleaned

    def _directive(self, value: dict[str, Any], scope: Scope) -> Resolve:
        self.directives += 1
        name = next(key for key in value if key.startswith("@"))
        compile_directive = self._directives.get(name)
        if compile_directive is None:
            return self.fault(f"{name} is not a valid directive, got undefined")
        self._path.append(name)
        try:
            return compile_directive(value[name], self, scope)
        finally:
            self._path.pop()

    def _object(self, value: dict[str, Any], scope: Scope) -> Resolve:
        members = tuple((key, self.compile_at(key, item, scope)) for key, item in value.items())
        if scope.keep is Keep.EVERYWHERE:
            return lambda data, meter: {key: resolve(data, meter) for key, resolve in members}

        def resolve_object(data: Any, meter: Meter) -> dict[str, Any]:
            result = {}
            for key, resolve in members:
                item = resolve(data, meter)
                if item is not UNDEFINED:
                    result[key] = item
            return result

        return resolve_object

    def _list(self, value: list[Any], scope: Scope) -> Resolve:
        items = tuple(self.compile_at(str(index), item, scope) for index, item in enumerate(value))
        if scope.keep is not Keep.NOWHERE:
            return lambda data, meter: [resolve(data, meter) for resolve in items]

        def resolve_list(data: Any, meter: Meter) -> list[Any]:
            results = [resolve(data, meter) for resolve in items]
            return [None if item is UNDEFINED else item for item in results]

        return resolve_list


def is_directive(value: dict[str, Any]) -> bool:
    """Tell whether an object is a directive: some `@` key, and no other key than `_metadata`."""
    found = False
    for key in value:
        if key.startswith("@"):
            found = True
        elif key != "_metadata":
            return False
    return found


def constant(value: Any) -> Resolve:
    """Return a closure that yields `value` whatever the data."""
    return lambda _data, _meter: value


def failing(problems: tuple[str, ...]) -> Resolve:
    """Return a closure that raises `MappingError` with `problems`."""

    def fail(_data: Any, _meter: Meter) -> NoReturn:
        raise MappingError(problems)

    return fail


def clean(value: Any, meter: Meter, *, nulls: bool, depth: int = 0) -> Any:
    """Return `value` without undefined members, recursively; with `nulls`, undefined list elements become null."""
    if isinstance(value, dict):
        meter.descend(depth)
        meter.spend(len(value))
        return {
            key: clean(item, meter, nulls=nulls, depth=depth + 1) if item.__class__ in _CONTAINERS else item
            for key, item in value.items()
            if item is not UNDEFINED
        }
    if isinstance(value, list):
        meter.descend(depth)
        meter.spend(len(value))
        return [
            clean(item, meter, nulls=nulls, depth=depth + 1)
            if item.__class__ in _CONTAINERS
            else (None if nulls and item is UNDEFINED else item)
            for item in value
        ]
    return value


def charge_size(value: Any, meter: Meter) -> None:
    """Charge the meter for every value in `value` and for its texts; a value reached twice counts twice."""
    pending = [value]
    while pending:
        item = pending.pop()
        if item.__class__ is str:
            meter.spend_text(len(item))
        elif item.__class__ is dict:
            meter.spend(1 + len(item))
            pending.extend(item.values())
        elif item.__class__ is list:
            meter.spend(1 + len(item))
            pending.extend(item)


_CONTAINERS: Final = frozenset({dict, list})
