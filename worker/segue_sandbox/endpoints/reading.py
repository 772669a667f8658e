"""The endpoints that describe the team: api-key, lists, contact properties, event patterns (docs/loops.md#other-endpoints)."""

import re
from math import ceil
from typing import cast, get_args

from segue_sandbox.answers import ApiRefusal, HttpAnswer, json_answer
from segue_sandbox.endpoints.call import ApiCall
from segue_sandbox.rules.body import RESERVED_KEYS, JsonObject, read_object
from segue_sandbox.store import EventPattern, PropertyType

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PAGE_SIZES = range(10, 51)
_DEFAULT_PAGE_SIZE = 20


def api_key(call: ApiCall) -> HttpAnswer:
    """GET /api-key: which team the key belongs to."""
    return json_answer({"success": True, "teamName": call.team.name})


def dedicated_sending_ips(_: ApiCall) -> HttpAnswer:
    """GET /dedicated-sending-ips: addresses that belong to nobody."""
    return json_answer(["192.0.2.10", "192.0.2.11"])


def lists(call: ApiCall) -> HttpAnswer:
    """GET /lists."""
    return json_answer(
        [
            {"id": known.id, "name": known.name, "description": known.description, "isPublic": known.is_public}
            for known in call.team.lists.values()
        ]
    )


def properties(call: ApiCall) -> HttpAnswer:
    """GET /contacts/properties?list=all|custom."""
    which = call.request.parameters.get("list", "all")
    if which not in ("all", "custom"):
        raise ApiRefusal(400, "list must be all or custom")
    chosen = call.team.property_types.items() if which == "all" else call.team.custom_properties()
    return json_answer([{"key": name, "label": _label(name), "type": kind} for name, kind in chosen])


def create_property(call: ApiCall) -> HttpAnswer:
    """POST /contacts/properties."""
    body = read_object(call.request, call.switches)
    name, kind = body.get("name"), body.get("type")
    if not isinstance(name, str) or not name.strip() or name in RESERVED_KEYS:
        raise ApiRefusal(400, "Invalid property name.")
    if kind not in get_args(PropertyType):
        raise ApiRefusal(400, "Invalid property type.")
    if name in call.team.property_types:
        raise ApiRefusal(400, "Property already exists.")
    call.team.property_types[name] = cast("PropertyType", kind)
    return json_answer({"success": True}, applied=True)


def event_patterns(call: ApiCall) -> HttpAnswer:
    """GET /event-patterns: a page of the names in use. The cursor is the id the page before ended with."""
    size = _page_size(call.request.parameters.get("perPage"))
    known = list(call.team.patterns.values())
    start = _after(known, call.request.parameters.get("cursor"))
    page = known[start : start + size]
    more = start + size < len(known)
    paging = {
        "totalResults": len(known),
        "returnedResults": len(page),
        "perPage": size,
        "totalPages": ceil(len(known) / size),
        "nextCursor": page[-1].id if more else None,
        "nextPage": f"/api/v1/event-patterns?cursor={page[-1].id}&perPage={size}" if more else None,
    }
    return json_answer({"pagination": paging, "data": [_summary(pattern, call) for pattern in page]})


def event_pattern_by_name(call: ApiCall) -> HttpAnswer:
    """GET /event-patterns/by-name/{eventName}; the case counts."""
    return _one_pattern(call.team.patterns.get(call.argument), call)


def event_pattern_by_id(call: ApiCall) -> HttpAnswer:
    """GET /event-patterns/{id}."""
    return _one_pattern(next((known for known in call.team.patterns.values() if known.id == call.argument), None), call)


def _one_pattern(pattern: EventPattern | None, call: ApiCall) -> HttpAnswer:
    if pattern is None:
        raise ApiRefusal(404, "Event not found.")
    shown = [{"name": name, "type": kind} for name, kind in pattern.property_types.items()]
    return json_answer({**_summary(pattern, call), "eventProperties": shown})


def _summary(pattern: EventPattern, call: ApiCall) -> JsonObject:
    # The sandbox has no incoming webhooks, of which the last would name the sender.
    platform = "null" if call.switches.webhook_platform == "text" else None
    return {"id": pattern.id, "eventName": pattern.name, "incomingWebhookPlatform": platform}


def _page_size(text: str | None) -> int:
    if text is None:
        return _DEFAULT_PAGE_SIZE
    if not text.isdecimal() or len(text) > len(str(_PAGE_SIZES[-1])) or int(text) not in _PAGE_SIZES:
        raise ApiRefusal(400, f"perPage must be {_PAGE_SIZES[0]} to {_PAGE_SIZES[-1]}")
    return int(text)


def _after(known: list[EventPattern], cursor: str | None) -> int:
    if cursor is None:
        return 0
    for index, pattern in enumerate(known):
        if pattern.id == cursor:
            return index + 1
    raise ApiRefusal(400, "Invalid cursor.")


def _label(name: str) -> str:
    words = _HUMP.sub(" ", name)
    return words[:1].upper() + words[1:]
