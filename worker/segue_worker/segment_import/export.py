"""Finds the destinations, subscriptions, filters and functions in what Segment or Terraform exported.

The Public API calls a mapping a subscription. Its answers are nested differently for each kind of request, and
Terraform has the same fields in snake case within plans, states and resources. So both are recognised by their fields.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from segue_worker.errors import SegueError
from segue_worker.extras import not_installed
from segue_worker.segment_import.expression import TerraformExpression
from segue_worker.segment_import.model import ExportedDestination, ExportedFilter, ExportedSubscription

_REFERENCE: Final = re.compile(r"(?:\$\{\s*)?segment_destination\.([\w-]+)(?:\[[^\]]*\])?\.id(?:\s*\})?")
_OF_A_FILTER: Final = frozenset(
    {"id", "workspaceId", "integrationId", "enabled", "name", "description", "if", "drop", "createdAt", "updatedAt"}
)
_REPEATING: Final = {"forEach": "for_each", "count": "count"}


class ExportError(SegueError):
    """A file is not an export, or holds nothing about a Loops destination."""


@dataclass(slots=True)
class Export:
    """What the files of an export hold, each thing only once.

    Attributes:
        destinations: in the order found.
        subscriptions: in the order found.
        filters: those that are enabled, in the order found.
        found: how many subscriptions and filters there are, enabled or not, by kind and destination.
        announced: how many there are according to the export, as far as it says; the destination is "" where it is not one.
    """

    destinations: list[ExportedDestination] = field(default_factory=list)
    subscriptions: list[ExportedSubscription] = field(default_factory=list)
    filters: list[ExportedFilter] = field(default_factory=list)
    found: Counter[tuple[str, str]] = field(default_factory=Counter)
    announced: dict[tuple[str, str], int] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def add_destination(self, found: dict[str, Any], name: str = "") -> None:
        """Add a destination with the Public API's field names; `name` is its name in Terraform.

        Raises:
            ExportError: there is another of this name, and so what refers to it may mean either.
        """
        if name and any(name in each.keys for each in self.destinations):
            raise ExportError(
                f'a second segment_destination "{name}": name each file once, and convert the files of each folder alone'
            )
        if self._is_new(found):
            self.destinations.append(_destination(found, frozenset({_text(found, "id"), name} - {""})))

    def add_subscription(self, found: dict[str, Any]) -> None:
        """Add a subscription with the Public API's field names."""
        if self._is_new(found):
            self.found["subscriptions", _owner(found)] += 1
            self.subscriptions.append(_subscription(found))

    def add_filter(self, found: dict[str, Any]) -> None:
        """Add a destination filter with the Public API's field names."""
        if self._is_new(found):
            self.found["filters", _owner(found)] += 1
            if found.get("enabled") is not False:
                self.filters.append(_filter(found))

    def add_function(self, found: dict[str, Any]) -> None:
        """Add an instance of an insert function with the Public API's field names."""
        if self._is_new(found) and found.get("enabled") is not False:
            name = f'insert function "{_text(found, "name") or "(not named)"}"'
            self.filters.append(ExportedFilter(name, _reference(found.get("integrationId")), "", ("FUNCTION",), ()))

    def _is_new(self, found: dict[str, Any]) -> bool:
        id_ = _text(found, "id")
        known = id_ in self._seen
        self._seen |= {id_} - {""}
        return not known


def read_export(text: str, export: Export) -> None:
    """Add what a file holds to an export.

    Args:
        text: JSON (an answer of the Public API, `terraform show -json` or a state), or Terraform's language.
        export: what is found is added to it.

    Raises:
        ExportError: the text is neither of these.
    """
    if text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        try:
            document = orjson.loads(text.removeprefix("\ufeff"))
        except orjson.JSONDecodeError as error:
            raise ExportError(f"not JSON: {error}") from None
        _search(document, export)
        return
    try:
        from segue_worker.segment_import import hcl  # noqa: PLC0415  needs the extra `import`; JSON does not
    except ModuleNotFoundError as missing:
        raise ExportError(
            f"Terraform's language: {not_installed(missing, 'import')}; or convert the JSON that `terraform show -json` "
            "prints"
        ) from None
    try:
        resources = hcl.read_resources(text)
    except ValueError as error:
        raise ExportError(f"neither JSON nor an export: {error}") from None
    for resource in resources:
        if resource.kind == "segment_destination":
            export.add_destination(_camel_case(resource.attributes), resource.name)
        elif resource.kind == "segment_destination_subscription":
            export.add_subscription(_camel_case(resource.attributes))
        elif resource.kind == "segment_destination_filter":
            export.add_filter(_camel_case(resource.attributes))
        elif resource.kind == "segment_insert_function_instance":
            export.add_function(_camel_case(resource.attributes))


def _search(document: Any, export: Export) -> None:
    """Add what a JSON document holds, in its order."""
    if isinstance(document, dict) and "planned_values" in document:
        # A plan repeats its resources as changes, configuration and prior state.
        document = document["planned_values"]
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if _add(_camel_case(value), export):
                continue
            pages = value.get("pagination")
            for kind in ("subscriptions", "filters"):
                if kind in value and isinstance(pages, dict) and isinstance(pages.get("totalEntries"), int):
                    listed = value[kind] if isinstance(value[kind], list) else []
                    # A list is that of one destination, which its members name.
                    owners = {_owner(_camel_case(each)) for each in listed if isinstance(each, dict)}
                    of = kind, owners.pop() if len(owners) == 1 else ""
                    export.announced[of] = max(export.announced.get(of, 0), pages["totalEntries"])
            pending.extend(reversed(list(value.values())))
        elif isinstance(value, list):
            pending.extend(reversed(value))


def _add(found: dict[str, Any], export: Export) -> bool:
    """Add an object if it is one that counts, as its fields show. Returns whether it is."""
    if {"trigger", "settings"} <= found.keys() and {"actionId", "actionSlug"} & found.keys():
        export.add_subscription(found)
    elif "sourceId" in found and isinstance(found.get("metadata"), dict):
        export.add_destination(found)
    elif "if" in found and {"actions", "integrationId"} & found.keys():
        export.add_filter(found)
    elif "integrationId" in found and {"functionId", "classId"} & found.keys():
        export.add_function(found)
    else:
        return False
    return True


def _camel_case(value: dict[str, Any]) -> dict[str, Any]:
    return {re.sub(r"_([a-z])", lambda letter: letter[1].upper(), key): item for key, item in value.items()}


def _destination(found: dict[str, Any], keys: frozenset[str]) -> ExportedDestination:
    metadata = found.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    actions = metadata.get("actions")
    return ExportedDestination(
        keys=keys,
        name=_text(found, "name"),
        enabled=found.get("enabled") is not False,
        kind=tuple(filter(None, (_text(metadata, "slug"), _text(metadata, "name")))),
        actions={
            _text(action, "id"): _text(action, "slug")
            for action in (actions if isinstance(actions, list) else [])
            if isinstance(action, dict)
        },
        source=_reference(found.get("sourceId")),
        obstacles=(*_repeated(found), *_no_state(found)),
    )


def _filter(found: dict[str, Any]) -> ExportedFilter:
    """Read a destination filter, or one of the newer kind, which has `drop` in place of actions."""
    condition, actions = found.get("if"), found.get("actions")
    if "actions" not in found:
        further = [name for name, value in found.items() if value and name not in _OF_A_FILTER]
        actions = [{"type": kind} for kind in (["DROP"] if found.get("drop") is True else []) + further]
    obstacles = _repeated(found)
    if not isinstance(condition, str):
        obstacles.append(_unknown("if", condition))
    obstacles += _no_state(found)
    does = (
        [_text(action, "type").upper() for action in actions if isinstance(action, dict)]
        if isinstance(actions, list)
        else []
    )
    if not all(does) or not does:
        obstacles.append(_unknown("actions", actions or None))
    return ExportedFilter(
        name=f'destination filter "{_text(found, "title") or _text(found, "name") or "(not named)"}"',
        destination=_owner(found),
        condition=str(condition),
        does=tuple(does),
        obstacles=tuple(obstacles),
    )


def _subscription(found: dict[str, Any]) -> ExportedSubscription:
    obstacles = _repeated(found)
    settings = found.get("settings")
    if isinstance(settings, str):
        try:
            settings = orjson.loads(settings)
        except orjson.JSONDecodeError:
            obstacles.append("its settings are not JSON")
    if not isinstance(settings, dict) and not obstacles:
        obstacles.append(_unknown("settings", settings))
    trigger, enabled = found.get("trigger"), found.get("enabled")
    if not isinstance(trigger, str):
        obstacles.append(_unknown("trigger", trigger))
    obstacles += _no_state(found)
    if found.get("modelId"):
        obstacles.append("it is fed by a Reverse ETL model, not by events")
    fields = settings if isinstance(settings, dict) else {}
    obstacles += [_unknown(f"settings.{name}", value) for name, value in fields.items() if not _is_constant(value)]
    return ExportedSubscription(
        name=_text(found, "name"),
        destination=_reference(found.get("destinationId")),
        action_id=_text(found, "actionId"),
        action=_text(found, "actionSlug"),
        trigger=str(trigger),
        enabled=enabled is not False,
        fields=fields,
        obstacles=tuple(obstacles),
    )


def _owner(found: dict[str, Any]) -> str:
    """What a subscription or filter with the Public API's field names refers to its destination by; "" where it does not."""
    return _reference(found.get("destinationId") or found.get("integrationId"))


def _reference(value: Any) -> str:
    """What a thing refers to another by: its id, or its name in Terraform."""
    text = str(value or "")
    reference = _REFERENCE.fullmatch(text)
    return reference[1] if reference else text


def _repeated(found: dict[str, Any]) -> list[str]:
    return [f"Terraform creates it more than once ({name})" for key, name in _REPEATING.items() if key in found]


def _no_state(found: dict[str, Any]) -> list[str]:
    enabled = found.get("enabled")
    return [] if isinstance(enabled, bool | None) else [_unknown("enabled", enabled)]


def _is_constant(value: Any) -> bool:
    """Tell whether a value has no part that is an expression of Terraform."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, TerraformExpression):
            return False
        pending.extend(item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
    return True


def _unknown(name: str, value: Any) -> str:
    if not isinstance(value, TerraformExpression | dict | list):
        return f"{name} is missing or not what Segment exports"
    shown = " ".join(str(value).split())[:80]
    return f"{name} is computed by Terraform ({shown}): convert what `terraform show -json` prints"


def _text(found: dict[str, Any], key: str) -> str:
    value = found.get(key)
    return value if isinstance(value, str) else ""
