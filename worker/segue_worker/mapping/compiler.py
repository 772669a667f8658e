"""Compiles mapping values into closures (docs/segment.md#fields).

A closure takes the data (the event, or whatever a directive passes on) and the event's meter, and returns a value
or `UNDEFINED`. The mapping itself is not looked at again while events are rendered.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NoReturn

from segue_worker.errors import MappingError
from segue_worker.mapping.javascript import type_name
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.undefined import UNDEFINED

Resolve = Callable[[Any, Meter], Any]


class Keep(Enum):
    """Where a result may still hold `UNDEFINED`, which directives can see and final results never contain."""

    EVERYWHERE = "in objects and lists: the value goes to a directive"
    IN_LISTS = "in lists only: the value is the result of a nested transform"
    NOWHERE = "the value is the result; undefined list elements become null"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is known about the place where a value stands in its mapping.

    Attributes:
        keep: where its result may hold `UNDEFINED`.
        pure: whether the data that its paths look into is JSON, and therefore holds no `UNDEFINED`.
    """

    keep: Keep = Keep.NOWHERE
    pure: bool = True


CompileDirective = Callable[[Any, "Compiler", Scope], Resolve]

_MANY_DIRECTIVES: Final = 64


class Compiler:
    """Compiles the values of one mapping, and collects what is known about them on the way.

    Attributes:
        metered: whether its directives do work that grows with the event and must be counted.
        directives: how many directives were compiled so far.
        faults: what passes Segment's validation and is certain to fail when reached, each as `/path problem.`
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
        """Whether results may be far larger than the event, so that their size must be counted too."""
        return self._grows or self.directives > _MANY_DIRECTIVES

    def compile(self, value: Any, scope: Scope) -> Resolve:
        """Compile any mapping value."""
        if isinstance(value, dict):
            return self._directive(value, scope) if is_directive(value) else self._object(value, scope)
        if isinstance(value, list):
            return self._list(value, scope)
        return constant(value)

    def compile_at(self, key: str, value: Any, scope: Scope) -> Resolve:
        """Compile the value under `key`; faults that are found in it have `key` in their path."""
        self._path.append(key)
        try:
            return self.compile(value, scope)
        finally:
            self._path.pop()

    def compile_root(self, mapping: dict[str, Any], scope: Scope) -> Resolve:
        """Compile a validated mapping that is complete in itself, and therefore accepts only objects as data."""
        resolve = self.compile(mapping, scope)

        def run(data: Any, meter: Meter) -> Any:
            data = {} if data is UNDEFINED else data
            if not isinstance(data, dict):
                raise MappingError((f"data must be an object, got {type_name(data)}",))
            return resolve(data, meter)

        return run

    def fault(self, message: str) -> Resolve:
        """Record a fault that is certain to show when this place is reached; return a closure that raises it then."""
        self.faults.append(f"/{'/'.join(self._path)} {message}.")
        return failing((message,))

    def meter(self, *, grows: bool = False) -> None:
        """Have the work for each event counted, and with `grows` also the size of its result."""
        self.metered = True
        self._grows |= grows

    def finish(self, resolve: Resolve, scope: Scope) -> Resolve:
        """Wrap a closure so that its result holds `UNDEFINED` only where the scope allows it."""
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
    """Tell whether an object is a directive: it has a key that begins with `@`, and besides only `_metadata`."""
    found = False
    for key in value:
        if key.startswith("@"):
            found = True
        elif key != "_metadata":
            return False
    return found


def constant(value: Any) -> Resolve:
    """Return a closure that returns `value` for any data."""
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
    """Charge the meter for every value within `value`, and for its texts. A value that occurs twice counts twice."""
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
