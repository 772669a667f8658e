"""Contact properties and event properties: types, resets, unknown names (docs/loops.md#properties)."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from segue_sandbox.answers import ApiRefusal
from segue_sandbox.rules.body import RESERVED_KEYS, JsonObject, check_length
from segue_sandbox.rules.dates import format_date, parse_date
from segue_sandbox.store import PropertyType
from segue_sandbox.switches import Switches

PropertyValue = str | int | float | bool
PropertyTypes = dict[str, PropertyType]

# Not properties in the sense of this module: identifiers, what has rules of its own, what the API cannot set.
_SPECIAL = RESERVED_KEYS | {"email", "userId", "subscribed", "mailingLists", "notes"}
EVENT_KEYS = frozenset({"eventName", "eventProperties"})


@dataclass(frozen=True, slots=True)
class PropertyChanges:
    """What a body does to a contact's properties.

    Attributes:
        values: new values, ready to be stored.
        resets: properties to empty.
        new_types: properties that come into being, with the type of their first value.
        subscribed: None where the body leaves it alone.
    """

    values: dict[str, PropertyValue] = field(default_factory=dict)
    resets: set[str] = field(default_factory=set)
    new_types: PropertyTypes = field(default_factory=dict)
    subscribed: bool | None = None


def read_properties(
    body: JsonObject, types: PropertyTypes, switches: Switches, *, skip: frozenset[str] = frozenset()
) -> PropertyChanges:
    """The property changes of a body's top level; `skip` names keys the endpoint reads itself.

    Raises:
        Refusal: 400, for a value its property cannot take.
    """
    subscribed = body.get("subscribed")
    if "subscribed" in body and not isinstance(subscribed, bool):
        raise ApiRefusal(400, "subscribed must be a boolean")
    changes = PropertyChanges(subscribed=subscribed)
    for name, sent in body.items():
        if name in _SPECIAL or name in skip:
            continue
        if sent is None:
            changes.resets.add(name)
            continue
        value = _flat(name, sent, switches)
        if value is None or (name not in types and switches.unknown_property == "ignore"):
            continue
        if name not in types:
            changes.new_types[name] = type_of(value)
        stored = _fit_contact(name, value, types.get(name, type_of(value)), switches)
        if stored is not None:
            changes.values[name] = stored
    return changes


def read_event_properties(value: Any, types: PropertyTypes, switches: Switches) -> dict[str, PropertyValue]:
    """An event's properties, names trimmed; what cannot become its declared type is dropped.

    Raises:
        Refusal: 400, for anything but an object, or a nested value where the switch says so.
    """
    if not isinstance(value, dict):
        raise ApiRefusal(400, "eventProperties must be an object")
    kept = {}
    for sent_name, sent in value.items():
        name = sent_name.strip()
        flat = None if sent is None else _flat(name, sent, switches)
        if flat is None:
            continue
        fitted = convert(flat, types.get(name, type_of(flat)))
        if fitted is not None:
            kept[name] = fitted
    return kept


def type_of(value: PropertyValue) -> PropertyType:
    """The type a new property gets from its first value. JSON has no dates, so none becomes one."""
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"


def convert(value: PropertyValue, kind: PropertyType) -> PropertyValue | None:
    """`value` as a `kind`, or None where that cannot be."""
    return _CONVERSIONS[kind](value)


def _fit_contact(name: str, value: PropertyValue, kind: PropertyType, switches: Switches) -> PropertyValue | None:
    if type_of(value) == kind:
        return value
    if kind == "date" and (date := convert(value, kind)) is not None:
        return date
    if switches.type_clash == "400":
        raise ApiRefusal(400, f"{name} must be a {kind}")
    return convert(value, kind) if switches.type_clash == "coerce" else None


def _flat(name: str, value: Any, switches: Switches) -> PropertyValue | None:
    """A scalar as it is; an object or array by the switch: refused, left out (None), or as JSON text."""
    if isinstance(value, str | int | float):
        return value
    if switches.nested_value == "400":
        raise ApiRefusal(400, f"{name} must not be an object or array")
    if switches.nested_value == "ignore":
        return None
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    check_length(text)
    return text


def _to_string(value: PropertyValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _to_number(value: PropertyValue) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if number.is_integer() else number if number - number == 0 else None


def _to_boolean(value: PropertyValue) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value) if isinstance(value, str) else None


def _to_date(value: PropertyValue) -> str | None:
    moment = parse_date(value)
    return None if moment is None else format_date(moment)


_CONVERSIONS: dict[PropertyType, Callable[[PropertyValue], PropertyValue | None]] = {
    "string": _to_string,
    "number": _to_number,
    "boolean": _to_boolean,
    "date": _to_date,
}
