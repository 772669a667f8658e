"""Asks Loops whether it knows what mappings name: for `segue check --online`."""

import os
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis

from segue_worker.config import Config
from segue_worker.config.document import Document, read_document
from segue_worker.config.problems import Problem, Where
from segue_worker.config.rules import entries
from segue_worker.mapping.compiler import is_directive
from segue_worker.schema.compare import compare, faults
from segue_worker.schema.known import Known, asking, learn
from segue_worker.schema.sent import NO_PROPERTIES, KeyKind, SentKey, key_of, type_of

_OUTPUTS: Final = {"@if": ("then", "else"), "@merge": ("objects",), "@transform": ("mapping",), "@flatten": ("value",)}
"""Directive → the options whose objects become its result."""
_OF_TRIGGER: Final = re.compile(r'\bevent\s*=\s*"([^"\\]+)"')
_PROPERTIES: Final = ("customAttributes", "contactProperties")


class FixedName(NamedTuple):
    """A name that a mapping spells out.

    Attributes:
        where: its place in the file.
        kind: of what.
        name: itself.
        event: of an event's property: the event.
        value: what the mapping gives it; an object where only an event will tell.
    """

    where: Where
    kind: KeyKind
    name: str
    event: str = ""
    value: Any = None


def fixed_names(mapping: dict[str, Any], where: Where) -> Iterator[FixedName]:
    """The names that a mapping spells out, as it stands in the file at `where`."""
    fields = mapping.get("fields") or {}
    at = (*where, "fields")
    for field in _PROPERTIES:
        for place, name, value in _members(fields.get(field), (*at, field)):
            if name == "mailingLists":
                yield from (FixedName(inner, "list", each) for inner, each, _ in _members(value, place))
            elif name not in NO_PROPERTIES:
                yield FixedName(place, "property", name, value=value)
    for place, name, _ in _members(fields.get("mailingLists"), (*at, "mailingLists")):
        yield FixedName(place, "list", name)
    if mapping.get("action") == "sendEvent":
        yield from _fixed_events(mapping, fields, where)


def _fixed_events(mapping: dict[str, Any], fields: dict[str, Any], where: Where) -> Iterator[FixedName]:
    at = (*where, "fields")
    events: list[str] = []
    place, event = (*at, "eventName"), fields.get("eventName", {"@path": "$.event"})
    if isinstance(event, str) and "{{" not in event:
        events = [event]
    elif event == {"@path": "$.event"} and "!" not in (trigger := str(mapping.get("trigger") or "")):
        place, events = (*where, "trigger"), _OF_TRIGGER.findall(trigger)
    for event in events:
        yield FixedName(place, "event", event)
        for inner, name, value in _members(fields.get("eventProperties"), (*at, "eventProperties")):
            yield FixedName(inner, "event", name, event, value)


def _members(value: Any, where: Where) -> Iterator[tuple[Where, str, Any]]:
    """The members that an object is certain to have, or may have by a directive, and where they stand."""
    if isinstance(value, list):
        for index, each in enumerate(value):
            if isinstance(each, dict) and isinstance(each.get("listId"), str):
                yield (*where, index), each["listId"], True
            else:
                yield from _members(each, (*where, index))
    elif isinstance(value, dict) and is_directive(value):
        for directive, options in value.items():
            for name in _OUTPUTS.get(directive, ()) if isinstance(options, dict) else ():
                yield from _members(options.get(name), (*where, directive, name))
    elif isinstance(value, dict):
        yield from (((*where, name), name, each) for name, each in value.items())


async def unknown_names(config: Config, redis: "Redis | None", now_ms: int) -> tuple[list[Problem], list[str]]:
    """Ask Loops for each name that the mappings of an enabled destination spell out.

    Args:
        config: the configuration.
        redis: where the limiters are; None where there is none.
        now_ms: unix ms.

    Returns:
        what Loops does not know, or has with another type; and remarks about destinations where it did not answer.

    Raises:
        redis.RedisError: the limiter cannot be reached.
    """
    document = read_document(config.path, os.environ)
    remarks: list[str] = []
    for index, raw in entries(document.data, "destinations"):
        destination = config.destinations[index]
        names = [
            name
            for at, mapping in entries(raw, "mappings")
            if destination.mappings[at].enabled
            for name in fixed_names(mapping, ("destinations", index, "mappings", at))
        ]
        if not names or not destination.enabled:
            continue
        kinds = {name.kind for name in names}
        events = list(dict.fromkeys(name.name for name in names if name.kind == "event" and not name.event))
        async with asking(destination, redis) as asker:
            wanted = {"properties": "property" in kinds, "lists": "list" in kinds}
            known = await learn(asker, Known(), now_ms, events=events, **wanted)
        if known.problem:
            remarks.append(f"{destination.name}: what its mappings name was not checked: {known.problem}")
        _find(document, names, known)
    return list(document.findings.problems), remarks


def _find(document: Document, names: list[FixedName], known: Known) -> None:
    for name in names:
        key, value = key_of(name.kind, name.name, name.event), name.value
        # What directives and templates make is not known before there is an event.
        open_ = isinstance(value, dict | list) or (isinstance(value, str) and "{{" in value) or name.kind == "list"
        sent = {key: SentKey("" if open_ else type_of(value), 0, 0, "")}
        for row in faults(compare(sent, known)):
            document.findings.problem(name.where, row.told)
