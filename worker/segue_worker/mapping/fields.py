"""The two Loops actions: their fields and defaults (docs/segment.md#actions)."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, Literal

ActionName = Literal["createOrUpdateContact", "sendEvent"]
FieldType = Literal["string", "email", "boolean", "object", "datetime", "mailing lists"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an action.

    Attributes:
        title: its name in error messages.
        type: what its value must be, or be convertible to.
        required: whether an event without it makes no request.
        default: the mapping-kit value that a mapping with `defaults` starts from, or None.
    """

    title: str
    type: FieldType
    required: bool = False
    default: Any = None


@dataclass(frozen=True, slots=True)
class Action:
    """One action of Segment's Loops destination.

    Attributes:
        name: as configured.
        method: HTTP method of its request.
        path: path of its request, below the destination's base URL.
        trigger: the trigger of a mapping that has none of its own.
        fields: its fields by name, in the order in which Segment declares them.
    """

    name: ActionName
    method: Literal["PUT", "POST"]
    path: str
    trigger: str
    fields: Mapping[str, Field]


def _first_existing(path: str, otherwise: Any) -> dict[str, Any]:
    return {"@if": {"exists": {"@path": path}, "then": {"@path": path}, "else": otherwise}}


_CONTACT: Final = Action(
    name="createOrUpdateContact",
    method="PUT",
    path="/contacts/update",
    trigger='type = "identify"',
    fields=MappingProxyType(
        {
            "createdAt": Field("Contact Created Date", "datetime"),
            "customAttributes": Field("Custom Contact Attributes", "object", default={"@path": "$.traits"}),
            "email": Field("Contact Email", "email", default=_first_existing("$.traits.email", {"@path": "$.email"})),
            "firstName": Field("First Name", "string", default={"@path": "$.traits.firstName"}),
            "lastName": Field("Last Name", "string", default={"@path": "$.traits.lastName"}),
            "mailingLists": Field("Mailing Lists", "mailing lists"),
            "source": Field("Source", "string", default=_first_existing("$.traits.source", "Segment")),
            "subscribed": Field("Subscribed", "boolean"),
            "userGroup": Field("User Group", "string", default={"@path": "$.traits.userGroup"}),
            "userId": Field("User ID", "string", required=True, default={"@path": "$.userId"}),
        }
    ),
)

_EVENT: Final = Action(
    name="sendEvent",
    method="POST",
    path="/events/send",
    trigger='type = "track"',
    fields=MappingProxyType(
        {
            "email": Field(
                "Contact Email",
                "email",
                default=_first_existing("$.properties.email", {"@path": "$.context.traits.email"}),
            ),
            "eventName": Field("Event Name", "string", required=True, default={"@path": "$.event"}),
            "userId": Field("User ID", "string", required=True, default={"@path": "$.userId"}),
            "contactProperties": Field("Contact Properties", "object"),
            "eventProperties": Field("Event Properties", "object", default={"@path": "$.properties"}),
            # Not one of Segment's: Loops takes mailing lists with an event, Segment's action cannot send them.
            "mailingLists": Field("Mailing Lists", "mailing lists"),
        }
    ),
)

ACTIONS: Final[Mapping[str, Action]] = MappingProxyType({action.name: action for action in (_CONTACT, _EVENT)})
"""Both actions by name."""


def default_fields(action: ActionName) -> dict[str, Any]:
    """Return the mapping Segment creates for an action: its fields with a default, in declared order."""
    return {name: field.default for name, field in ACTIONS[action].fields.items() if field.default is not None}


def finds_by_email(fields: Mapping[str, Any], complete: Mapping[str, Any]) -> bool:
    """Whether contacts are found by their email alone: the configured `fields` take the userId away, and there is an email."""
    return "userId" in fields and fields["userId"] is None and complete.get("email") is not None


_BATCHING: Final = frozenset({"enable_batching", "batch_size", "batch_bytes", "batch_keys"})


def is_segments_own(name: str) -> bool:
    """Whether a field is one that Segment adds to all actions, of which those of Loops take no notice."""
    return name in _BATCHING or name.startswith("__segment_internal_")


def unknown_fields(action: ActionName, fields: Mapping[str, Any]) -> list[str]:
    """Return a message for each field that an action does not have, with the most similar one that it has.

    Segment drops such fields silently, so they can be compiled. In a configuration they are a problem, except those that
    Segment itself adds.
    """
    known = list(ACTIONS[action].fields)
    problems = []
    for name in fields:
        if name in known or is_segments_own(name):
            continue
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else f"It has {', '.join(known)}."
        problems.append(f"{action} has no field {name[:60]!r}. {hint}")
    return problems
