"""Checks a mapping as Segment does before any event comes (docs/segment.md#checks-of-a-mapping)."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from segue_worker.errors import MappingError
from segue_worker.mapping.javascript import article, type_name, utf16_length
from segue_worker.mapping.limits import MAX_PATTERN_LENGTH, MAX_REPLACEMENT_LENGTH
from segue_worker.mapping.undefined import UNDEFINED

_ROOT: Final = "__segment_internal_directive"

MappingPath = tuple[str, ...]
Check = Callable[[Any, MappingPath], Iterator[str]]


def validated(mapping: dict[str, Any]) -> dict[str, Any]:
    """Return the mapping to compile: `mapping` itself, or its root directive with the rest put inside.

    Raises:
        MappingError: with every problem, in Segment's words.
    """
    rewritten = _with_root_directive(mapping)
    problems = tuple(dict.fromkeys(_value(rewritten, ())))
    if problems:
        raise MappingError(problems)
    return rewritten


def _with_root_directive(mapping: dict[str, Any]) -> dict[str, Any]:
    if _ROOT not in mapping:
        return mapping
    root = mapping[_ROOT]
    if not isinstance(root, dict) or not root:
        raise MappingError(("The root directive must be an object",))
    if len(root) > 1:
        raise MappingError(("The root mapping must only have a single directive object",))
    ((name, options),) = root.items()
    if isinstance(options, list):  # an object to JavaScript, where the other keys are set on it and never seen
        return {name: options}
    if not isinstance(options, dict):
        raise MappingError(("The root directive must be an object",))
    return {name: {**options, "mapping": {key: value for key, value in mapping.items() if key != _ROOT}}}


def _problem(path: MappingPath, text: str) -> str:
    return f"/{'/'.join(path)} {text}."


def _kind(value: Any) -> str:
    if isinstance(value, dict) and any(key.startswith("@") for key in value):
        return "directive"
    return type_name(value)


def _mismatch(path: MappingPath, expected: str, value: Any) -> str:
    kind = _kind(value)
    return _problem(path, f"should be {expected} but it is {article(kind)} {kind}")


def _value(value: Any, path: MappingPath) -> Iterator[str]:
    """Check a value of any kind. Segment does not look into lists here, so their faults show when they are reached."""
    kind = _kind(value)
    if kind == "directive":
        yield from _directive(value, path)
    elif kind == "object":
        yield from _object(value, path)


def _directive(value: dict[str, Any], path: MappingPath) -> Iterator[str]:
    names = [key for key in value if key.startswith("@")]
    if len(names) > 1:
        yield _problem(path, f"should only have one @-prefixed key but it has {len(names)} keys")
        return
    if any(not key.startswith("@") and key != "_metadata" for key in value):
        yield _problem(path, f"should only have one @-prefixed key but it has {len(value)} keys")
        return
    check = _CHECKS.get(names[0])
    if check is None:
        yield _problem(path, f"has an invalid directive: {names[0]}")
        return
    yield from check(value[names[0]], (*path, names[0]))


def _object(value: Any, path: MappingPath) -> Iterator[str]:
    if _kind(value) != "object":
        yield _mismatch(path, "an object", value)
        return
    for key, item in value.items():
        yield from _value(item, (*path, key))


def _directive_or(kind: str) -> Check:
    def check(value: Any, path: MappingPath) -> Iterator[str]:
        if _kind(value) == "directive":
            yield from _directive(value, path)
        elif _kind(value) != kind:
            yield _mismatch(path, f"a {kind} or a mapping directive", value)
        elif kind == "object":
            yield from _object(value, path)

    return check


def _directive_or_raw(value: Any, path: MappingPath) -> Iterator[str]:
    if _kind(value) == "directive":
        yield from _directive(value, path)


def _of_kind(kind: str) -> Check:
    def check(value: Any, path: MappingPath) -> Iterator[str]:
        if _kind(value) != kind:
            yield _mismatch(path, f"{article(kind)} {kind}", value)

    return check


_string: Final = _of_kind("string")
_boolean: Final = _of_kind("boolean")
_array: Final = _of_kind("array")


def _string_of_length(least: int, most: int) -> Check:
    def check(value: Any, path: MappingPath) -> Iterator[str]:
        yield from _string(value, path)
        if isinstance(value, str) and utf16_length(value) < least:
            yield _problem(path, f"should be a string of length {least} or greater")
        if isinstance(value, str) and utf16_length(value) > most:
            yield _problem(path, f"should be a string of length {most} or less")

    return check


def _one_of(*allowed: str) -> Check:
    def check(value: Any, path: MappingPath) -> Iterator[str]:
        yield from _string(value, path)
        if isinstance(value, str) and value.lower() not in allowed:
            shown = json.dumps(value, ensure_ascii=False)
            yield _problem(path, f"should be one of {', '.join(allowed)} but it is {shown}")

    return check


def _anything(_value: Any, _path: MappingPath) -> Iterator[str]:
    return iter(())


def _is_directive_or(kind: str) -> Check:
    """Check only the kind of a value, as what is inside it has been checked already."""

    def check(value: Any, path: MappingPath) -> Iterator[str]:
        if _kind(value) not in {"directive", kind}:
            yield _mismatch(path, f"a {kind} or a mapping directive", value)

    return check


def _options(*, required: dict[str, Check] | None = None, optional: dict[str, Check] | None = None) -> Check:
    """Check an object of options: first every member by itself, then the kinds of those that the directive knows.

    The second check does not descend, because descending twice at every level would take exponential time.
    """

    def check(value: Any, path: MappingPath) -> Iterator[str]:
        yield from _object(value, path)
        if _kind(value) != "object":
            return
        for name, check_field in (required or {}).items():
            if name in value:
                yield from check_field(value[name], (*path, name))
            else:
                yield _problem(path, f'should have field "{name}" but it doesn\'t')
        for name, check_field in (optional or {}).items():
            if name in value:
                yield from check_field(value[name], (*path, name))

    return check


def _array_path(value: Any, path: MappingPath) -> Iterator[str]:
    yield from _array(value, path)
    if isinstance(value, list):
        yield from _directive_or("string")(value[0] if value else UNDEFINED, path)
        yield from _value(value[1] if len(value) > 1 else UNDEFINED, path)


def _merge(value: Any, path: MappingPath) -> Iterator[str]:
    yield from _options(required={"objects": _array}, optional={"direction": _one_of("left", "right")})(value, path)
    if isinstance(value, dict) and isinstance(value.get("objects"), list):
        for item in value["objects"]:
            yield from _directive_or("object")(item, ())


_string_or_directive: Final = _is_directive_or("string")
_object_or_directive: Final = _is_directive_or("object")

_CHECKS: Final[dict[str, Check]] = {
    "@arrayPath": _array_path,
    "@case": _options(optional={"operator": _string, "value": _string_or_directive}),
    "@excludeWhenNull": _directive_or_raw,
    "@flatten": _options(required={"value": _anything}, optional={"separator": _string}),
    "@if": _options(),
    "@json": _options(required={"value": _anything, "mode": _one_of("encode", "decode")}),
    "@liquid": _string,
    "@literal": _directive_or_raw,
    "@merge": _merge,
    "@path": _directive_or("string"),
    "@replace": _options(
        required={"pattern": _string_of_length(1, MAX_PATTERN_LENGTH), "value": _string_or_directive},
        optional={
            "replacement": _string_of_length(0, MAX_REPLACEMENT_LENGTH),
            "ignorecase": _boolean,
            "global": _boolean,
        },
    ),
    "@template": _directive_or("string"),
    "@transform": _options(required={"apply": _object_or_directive, "mapping": _object_or_directive}),
}
