"""Turns a checked payload into the body of the action's request (docs/segment.md#actions)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from segue_worker.mapping.fields import ActionName
from segue_worker.mapping.mailing_lists import chosen
from segue_worker.mapping.payload import PASSED_THROUGH
from segue_worker.mapping.undefined import UNDEFINED

ReadLists = Callable[[Any], Any]
"""Takes mailing lists as they were mapped, and returns them as they stand in the body."""
MakeBody = Callable[[dict[str, Any], ReadLists], dict[str, Any]]
"""Takes a payload, which it may change, and returns the body."""


def _contact_body(payload: dict[str, Any], read_lists: ReadLists) -> dict[str, Any]:
    """Put the custom attributes first, then the mapped fields, and the mailing lists last, always as an object."""
    attributes = payload.pop("customAttributes", UNDEFINED)
    lists = chosen(payload.pop("mailingLists", UNDEFINED), attributes)
    if isinstance(attributes, dict):
        body = attributes.copy()
        body.pop("mailingLists", None)
        body.update(payload)
    else:
        body = payload
    body["mailingLists"] = {} if lists is UNDEFINED else read_lists(lists)
    return body


_EVENT_FIELDS: Final = ("email", "eventName", "userId", "eventProperties")


def _event_body(payload: dict[str, Any], read_lists: ReadLists) -> dict[str, Any]:
    """Put the event's fields in a fixed order, and contact properties over them. Mailing lists are there if mapped."""
    properties = payload.get("contactProperties")
    lists = payload.get("mailingLists", UNDEFINED)
    payload.pop(PASSED_THROUGH, None)
    if properties:
        body = {
            name: properties.get(name, payload.get(name))
            for name in _EVENT_FIELDS
            if name in properties or name in payload
        }
        body.update(properties)
    else:
        body = {name: payload[name] for name in _EVENT_FIELDS if name in payload}
    if lists is not UNDEFINED:
        body["mailingLists"] = read_lists(lists)
    return body


BODIES: Final[Mapping[ActionName, MakeBody]] = {"createOrUpdateContact": _contact_body, "sendEvent": _event_body}
