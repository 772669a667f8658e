"""Segment's mapping rules read anew for every event: the plain interpreter the compiled mappings are measured against.

It works step by step, as Segment's own code does: the trigger is parsed, the mapping validated
and walked for each event. It shares with the compiled version what is no interpretation (texts of numbers, the email
and date checks, Liquid), so that the ratio shows compiling alone.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from segue_worker.errors import MappingError, PayloadError
from segue_worker.mapping import ACTIONS, UNDEFINED, Request
from segue_worker.mapping.bodies import BODIES
from segue_worker.mapping.coercion import ValueRefused, compile_coercion
from segue_worker.mapping.compiler import is_directive
from segue_worker.mapping.javascript import is_falsy, own_entries, text, type_name, utf16_units
from segue_worker.mapping.json_text import decode, encode
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.liquid import compile_liquid
from segue_worker.mapping.mailing_lists import subscriptions
from segue_worker.mapping.path import look_up, without_root
from segue_worker.mapping.template import render as render_template
from segue_worker.mapping.trigger.conditions import Condition, ConditionGroup
from segue_worker.mapping.trigger.parser import parse
from segue_worker.mapping.validate import validated

__all__ = ["matches", "render", "transform"]


def matches(text_: str, event: dict[str, Any]) -> bool:
    """Parse a trigger and evaluate it on one event."""
    return _holds(parse(text_), event)


def _holds(condition: Condition | ConditionGroup, event: dict[str, Any]) -> bool:
    if isinstance(condition, ConditionGroup):
        combine = all if condition.conditional == "and" else any
        return combine(_holds(member, event) for member in condition.members)
    value: Any = look_up(event, condition.keys[0])
    for key in condition.keys[1:]:
        value = look_up(value, key)
    return _test(condition.test, value, condition.expected)


def _test(test: str, value: Any, expected: Any) -> bool:  # noqa: PLR0911 - one line per operator
    if test in {"=", "!="}:
        return (isinstance(value, str) and value == expected) is (test == "=")
    if test in {"exists", "missing"}:
        return (value is None or value is UNDEFINED) is (test == "missing")
    if test.startswith("is "):
        return value is (test == "is true")
    if isinstance(value, str):
        negated, name = test.startswith("not "), test.removeprefix("not ")
        if name == "contains":
            return (expected in value) is not negated
        if name == "starts":
            return value.startswith(expected) is not negated
        return name == "ends" and value.endswith(expected) is not negated
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    compared = {"number =": value == expected, "number !=": value != expected, "<": value < expected}
    compared |= {"<=": value <= expected, ">": value > expected, ">=": value >= expected}
    return bool(compared.get(test))


def transform(mapping: dict[str, Any], data: Any = UNDEFINED) -> Any:
    """Validate a mapping, resolve it on one payload and remove what is undefined."""
    return _nulled(_transform(mapping, data))


def _transform(mapping: dict[str, Any], data: Any) -> Any:
    payload = {} if data is UNDEFINED else data
    if not isinstance(payload, dict):
        raise MappingError((f"data must be an object, got {type_name(payload)}",))
    return _defined(_resolve(validated(mapping), payload))


def _defined(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _defined(item) for key, item in value.items() if item is not UNDEFINED}
    return [_defined(item) for item in value] if isinstance(value, list) else value


def _nulled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _nulled(item) for key, item in value.items()}
    return [None if item is UNDEFINED else _nulled(item) for item in value] if isinstance(value, list) else value


def _resolve(value: Any, data: Any) -> Any:
    if isinstance(value, dict):
        if is_directive(value):
            name = next(key for key in value if key.startswith("@"))
            run = _DIRECTIVES.get(name)
            if run is None:
                raise MappingError((f"{name} is not a valid directive, got undefined",))
            return run(value[name], data)
        return {key: _resolve(item, data) for key, item in value.items()}
    return [_resolve(item, data) for item in value] if isinstance(value, list) else value


def _text(name: str, value: Any, data: Any) -> str:
    found = _resolve(value, data)
    if not isinstance(found, str):
        raise MappingError((f"{name}: expected string, got {type_name(found)}",))
    return found


def _options(name: str, value: Any, *required: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MappingError((f"{name} requires an object",))
    for key in required:
        if is_falsy(value.get(key, UNDEFINED)):
            raise MappingError((f'{name} requires a "{key}" key',))
    return value


def _path(value: Any, data: Any) -> Any:
    return look_up(data, without_root(_text("@path", value, data)))


def _template(value: Any, data: Any) -> str:
    return render_template(_text("@template", value, data), data, Meter())


def _if(value: Any, data: Any) -> Any:
    options = _options("@if", value)
    if is_falsy(options.get("exists", UNDEFINED)) and is_falsy(options.get("blank", UNDEFINED)):
        raise MappingError(('@if requires an "exists" key or a "blank" key',))
    asked = _resolve(options.get("exists", options.get("blank")), data)
    holds = asked is not None and asked is not UNDEFINED
    if "exists" not in options:
        holds = holds and not _loosely_empty(asked)
    if holds:
        return _resolve(options["then"], data) if "then" in options else UNDEFINED
    return UNDEFINED if is_falsy(options.get("else", UNDEFINED)) else _resolve(options["else"], data)


def _loosely_empty(value: Any) -> bool:
    if isinstance(value, (dict, list)):
        return text(value, Meter()) == ""
    return not value


def _case(value: Any, data: Any) -> Any:
    options = _options("@case", value, "operator")
    if is_falsy(options.get("value", UNDEFINED)):
        return UNDEFINED
    found = _resolve(options["value"], data)
    if not isinstance(found, str):
        return found
    if options["operator"] not in {"lower", "upper"}:
        raise MappingError(('operator key should have a value of "lower" or "upper"',))
    return found.lower() if options["operator"] == "lower" else found.upper()


def _replace(value: Any, data: Any) -> Any:
    options = _options("@replace", value, "pattern")
    if is_falsy(options.get("value", UNDEFINED)):
        return UNDEFINED
    found = _resolve(options["value"], data)
    if isinstance(found, (bool, int, float)):
        found = text(found, Meter())
    if not isinstance(found, str):
        return ""
    found = _replace_one(found, options, options["pattern"], options.get("replacement"))
    if options.get("pattern2") and isinstance(options["pattern2"], str):
        found = _replace_one(found, options, options["pattern2"], options.get("replacement2"))
    return found


def _replace_one(found: str, options: dict[str, Any], pattern: str, replacement: str | None) -> str:
    if len(pattern) > 10 or len(replacement or "") > 10:
        raise MappingError(("@replace requires shorter texts",))
    flags = re.IGNORECASE | re.ASCII if options.get("ignorecase") else re.NOFLAG

    def expand(hit: re.Match[str]) -> str:
        parts = {"$": "$", "&": hit[0], "`": found[: hit.start()], "'": found[hit.end() :]}
        return re.sub(r"\$([$&`'])", lambda reference: parts[reference[1]], replacement or "")

    return re.sub(
        re.escape(pattern), expand, found, count=0 if options.get("global", True) in {True, None} else 1, flags=flags
    )


def _array_path(value: Any, data: Any) -> Any:
    if not isinstance(value, list):
        raise MappingError(("@arrayPath expected array",))
    path, shape = (*value, UNDEFINED, UNDEFINED)[:2]
    root = look_up(data, without_root(path)) if isinstance(path, str) else _resolve(path, data)
    if isinstance(root, (dict, list)) and isinstance(shape, dict) and shape:
        return [_resolve(shape, item) for item in (root if isinstance(root, list) else [root])]
    return root


def _json(value: Any, data: Any) -> Any:
    options = _options("@json", value, "mode", "value")
    found = _resolve(options["value"], data)
    if options["mode"] == "encode":
        return UNDEFINED if found is UNDEFINED else encode(found)
    if options["mode"] != "decode":
        return UNDEFINED
    try:
        return decode(found) if isinstance(found, str) else found
    except ValueError:
        return found


def _flatten(value: Any, data: Any) -> Any:
    options = _options("@flatten", value, "separator")
    separator, arrays = _text("@flatten", options["separator"], data), is_falsy(options.get("omitArrays", UNDEFINED))

    def flat(item: Any, prefix: str) -> dict[str, Any]:
        if isinstance(item, list) and arrays:
            item = {str(index): element for index, element in enumerate(item)}
        if not isinstance(item, dict):
            return {prefix: item}
        result: dict[str, Any] = {}
        for key, inner in own_entries(item):
            result = {**result, **flat(inner, f"{prefix}{separator}{key}" if prefix else key)}
        return result

    return flat(_resolve(options.get("value", UNDEFINED), data), "")


def _merge(value: Any, data: Any) -> Any:
    options = _options("@merge", value, "direction", "objects")
    members = [_resolve(item, data) for item in options["objects"]]
    if _resolve(options["direction"], data) == "left":
        members.reverse()
    result: dict[str, Any] = {}
    for member in members:
        if isinstance(member, (list, str)):
            units = utf16_units(member) if isinstance(member, str) else member
            result.update({str(index): item for index, item in enumerate(units)})
        elif isinstance(member, dict):
            result.update(member)
    return result


def _apply(value: Any, data: Any) -> Any:
    options = _options("@transform", value, "mapping", "apply")
    return _resolve(options["mapping"], _transform(options["apply"], data))


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: UNDEFINED if item is None else _without_nulls(item) for key, item in value.items()}


def _exclude_when_null(value: Any, data: Any) -> Any:
    found = _resolve(value, data)
    return UNDEFINED if found is None else _without_nulls(found)


def _liquid(value: Any, data: Any) -> Any:
    if len(value) > 1000:
        raise MappingError(("liquid template values are limited to 1000 characters",))
    return compile_liquid(value)(data, Meter()) if value else ""


_DIRECTIVES = {
    "@arrayPath": _array_path,
    "@case": _case,
    "@excludeWhenNull": _exclude_when_null,
    "@flatten": _flatten,
    "@if": _if,
    "@json": _json,
    "@liquid": _liquid,
    "@literal": _resolve,
    "@merge": _merge,
    "@path": _path,
    "@replace": _replace,
    "@template": _template,
    "@transform": _apply,
}


def render(*, action: str, trigger: str, fields: Mapping[str, Any], event: dict[str, Any]) -> Request | None:
    """Do for one event all a compiled mapping does: trigger, mapping, payload rules, body."""
    known = ACTIONS[action]
    if not matches(trigger, event):
        return None
    result = transform(dict(fields), event)
    if not isinstance(result, dict):
        raise PayloadError("The mapping must return an object.")
    payload: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in result.items():
        if value is not None and value != "" and name in known.fields:
            try:
                payload[name] = compile_coercion(known.fields[name])(value)
            except ValueRefused as refusal:
                problems += refusal.problems
    problems += [name for name, field in known.fields.items() if field.required and name not in payload]
    if problems:
        raise PayloadError(" ".join(problems))
    # A copy of everything, as a pass over JSON text makes it, so that nothing is shared with the event.
    body = BODIES[known.name](json.loads(json.dumps(payload)), subscriptions)
    return Request("naive", known.name, known.method, known.path, body)
