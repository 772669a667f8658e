"""Converts exported destinations and subscriptions into destinations and mappings of a configuration."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import indent
from typing import Any, Final

from segue_worker.config import MAX_MAPPINGS
from segue_worker.errors import MappingError, TriggerError
from segue_worker.mapping import ACTIONS, compile_destination_mapping, compile_trigger, point_out, unknown_fields
from segue_worker.mapping.fields import is_segments_own
from segue_worker.printable import counted
from segue_worker.segment_import.export import Export
from segue_worker.segment_import.filters import apply, changes
from segue_worker.segment_import.model import ExportedDestination, ExportedFilter, ExportedSubscription

_SEGUE_ONLY: Final = {"sendEvent": "mailingLists"}
"""Fields that Segment's action drops, whereas Segue sends them."""

_ROOT_DIRECTIVE: Final = "__segment_internal_directive"
_LONGEST_NAME: Final = 200
_LONGEST_DESTINATION: Final = 64
_LONGEST_VARIABLE: Final = 100


@dataclass(frozen=True, slots=True)
class ConvertedMapping:
    """A converted mapping, or one that could not be carried over.

    Attributes:
        entry: the keys and values of its entry in the configuration.
        notes: what a person should know about it.
        carried: whether it was carried over.
    """

    entry: dict[str, Any]
    notes: tuple[str, ...]
    carried: bool


@dataclass(frozen=True, slots=True)
class ConvertedDestination:
    """A converted Loops destination.

    Attributes:
        name: a name that a configuration allows.
        title: its name at Segment, or "".
        variable: the environment variable that is to hold its API key.
        enabled: whether it receives events. Not where Segment withholds or changes data, and that is not carried over, nor
            where the export does not say which destination it is.
        mappings: its mappings, in the order of the export.
        notes: what a person should know about it.
    """

    name: str
    title: str
    variable: str
    enabled: bool
    mappings: tuple[ConvertedMapping, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversion:
    """What an export was converted into.

    Attributes:
        destinations: the Loops destinations.
        problems: what could not be carried over, each with its place and the reason; further lines are indented.
    """

    destinations: tuple[ConvertedDestination, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Group:
    """A destination of the export with its subscriptions, or a made-up one if the export has only those."""

    destination: ExportedDestination
    subscriptions: tuple[ExportedSubscription, ...]
    filters: tuple[ExportedFilter, ...]

    @property
    def is_loops(self) -> bool:
        if self.destination.kind:
            return any("loops" in kind.lower() for kind in self.destination.kind)
        return any(action_of(each, self.destination) for each in self.subscriptions)


def convert(export: Export) -> Conversion:
    """Turn an export into destinations of a configuration.

    Mappings keep their order and are complete (`defaults: false`). A mapping that Segue would refuse is marked as not
    carried over, and a field that Segment's action drops is left out. Filters that drop events become part of the
    triggers; a destination with anything else that withholds or changes events is not enabled. All of these are named
    among the problems.
    """
    groups, strays = _grouped(export)
    loops = [group for group in groups if group.is_loops]
    problems = [
        f"{_called('destination', group.destination.name or _any_key(group))}: not a Loops destination, as far as the "
        f"export shows; left out, with its {counted(len(group.subscriptions), 'subscription')}"
        for group in groups
        if group.subscriptions and not group.is_loops
    ]
    problems += [f"{each.name}: left out, because the export does not have its destination" for each in strays]
    problems += [
        f"the export has {found} of {announced} {kind}{f' of destination {of}' if of else ''}: fetch every page, and name all "
        "the files"
        for (kind, of), announced in export.announced.items()
        if announced > (found := sum(count for key, count in export.found.items() if key == (kind, of or key[1])))
    ]
    taken: set[str] = set()
    variables: set[str] = set()
    destinations = []
    for group in loops:
        name = "loops" if len(loops) == 1 else _unique(_slug(group.destination.name), taken, _LONGEST_DESTINATION)
        mappings, faults = _mappings(group)
        changed = changes(group.filters)
        unread = group.destination.obstacles
        faults += (*unread, *changed)
        if not mappings:
            faults.append("the export has no subscriptions for it: add the file that has them")
        problems += [f"{name}: {fault}" for fault in faults]
        destinations.append(
            ConvertedDestination(
                name=name,
                title=group.destination.name,
                # Two names may differ only in what a variable's cannot have: each team has a key of its own.
                variable="LOOPS_API_KEY"
                if len(loops) == 1
                else _unique(f"LOOPS_API_KEY_{name.upper().replace('-', '_')}", variables, _LONGEST_VARIABLE, "_"),
                enabled=group.destination.enabled and not changed and not unread,
                mappings=mappings,
                notes=(
                    *(f"Not enabled: {obstacle}" for obstacle in unread),
                    *(f"Not enabled, because it would get what Segment withholds: {change}" for change in changed),
                ),
            )
        )
    return Conversion(tuple(destinations), tuple(problems))


def action_of(subscription: ExportedSubscription, destination: ExportedDestination) -> str:
    """Return the Loops action of a subscription, or "" if it has none.

    Terraform's language gives only the id of the action. It is looked up in the destination. If that has no list of
    actions, the fields decide: an action must know all of them, and its required ones must be among them.
    """
    slug = subscription.action or destination.actions.get(subscription.action_id, "")
    if slug:
        return slug if slug in ACTIONS else ""
    fields = {field for field in subscription.fields if not is_segments_own(field)}
    for name, action in ACTIONS.items():
        required = {field for field, known in action.fields.items() if known.required}
        if required <= fields <= action.fields.keys():
            return name
    return ""


def _grouped(export: Export) -> tuple[list[_Group], list[ExportedFilter]]:
    """Return each destination with what is its own, then those that the export does not have; and filters of neither."""
    known = {key: index for index, each in enumerate(export.destinations) for key in each.keys}
    members: dict[int | str, list[ExportedSubscription]] = {index: [] for index in range(len(export.destinations))}
    for subscription in export.subscriptions:
        place = known.get(subscription.destination, subscription.destination)
        # If there is only one destination, these subscriptions are its own.
        if not subscription.destination and len(export.destinations) == 1:
            place = 0
        members.setdefault(place, []).append(subscription)
    places: dict[str, list[int | str | None]] = {key: [index] for key, index in known.items()}
    places |= {place: [place] for place in members if isinstance(place, str)}
    of_sources: dict[str, list[int | str | None]] = {}
    for index, destination in enumerate(export.destinations):
        of_sources.setdefault(destination.source, []).append(index)
    # What a source withholds, it withholds from each of its destinations.
    places |= {source: indexes for source, indexes in of_sources.items() if source}
    only: list[int | str | None] = [next(iter(members))] if len(members) == 1 and not all(places) else [None]
    filters: dict[int | str | None, list[ExportedFilter]] = {}
    for each in export.filters:
        for at in places.get(each.destination, only):
            filters.setdefault(at, []).append(each)
    groups = [
        _Group(
            export.destinations[place] if isinstance(place, int) else _unknown(place),
            tuple(subscriptions),
            tuple(filters.get(place, ())),
        )
        for place, subscriptions in members.items()
    ]
    return groups, filters.get(None, [])


def _unknown(key: str) -> ExportedDestination:
    return ExportedDestination(keys=frozenset({key} - {""}), name="", enabled=True, kind=(), actions={})


def _any_key(group: _Group) -> str:
    return min(group.destination.keys, default="(not named)")


def _mappings(group: _Group) -> tuple[tuple[ConvertedMapping, ...], list[str]]:
    """Convert the mappings of a destination, and return also what could not be carried over."""
    names: set[str] = set()
    mappings: list[ConvertedMapping] = []
    problems = []
    for subscription in group.subscriptions:
        name = _unique(_printable(subscription.name) or "Unnamed", names, _LONGEST_NAME)
        full = sum(mapping.carried for mapping in mappings) == MAX_MAPPINGS
        mapping, faults = _mapping(subscription, name, group, full=full)
        mappings.append(mapping)
        problems += [f"{_called('mapping', name)}: {fault}" for fault in faults]
    return tuple(mappings), problems


def _mapping(
    subscription: ExportedSubscription, name: str, group: _Group, *, full: bool
) -> tuple[ConvertedMapping, list[str]]:
    """Convert one mapping, and return also what of it could not be carried over."""
    destination = group.destination
    slug = subscription.action or destination.actions.get(subscription.action_id, "")
    action = action_of(subscription, destination)
    fields = {
        field: value
        for field, value in subscription.fields.items()
        if field == _ROOT_DIRECTIVE or not is_segments_own(field)
    }
    entry: dict[str, Any] = {
        "name": name,
        "action": action or slug or subscription.action_id,
        "trigger": subscription.trigger,
        **({} if subscription.enabled else {"enabled": False}),
        "defaults": False,
        "fields": fields,
    }
    obstacles = [*subscription.obstacles]
    if not action:
        obstacles.append(
            f"{slug} is not an action of the Loops destination"
            if slug
            else "the export does not name its action, and its fields fit none of the Loops destination"
        )
    if full:
        obstacles.append(f"a destination has at most {MAX_MAPPINGS} mappings")
    obstacles += [] if obstacles else _refusals(entry)
    filtered = [] if obstacles else apply(group.filters, entry, obstacles)
    if obstacles:
        return ConvertedMapping(
            entry, tuple(f"Not carried over: {obstacle}" for obstacle in obstacles), carried=False
        ), obstacles
    dropped = dict(_dropped(action, fields))
    notes = [f"{reason} Segment ignores the field, so it is left out." for reason in dropped.values()]
    told = () if slug else ("The export does not name the action; it was inferred from the fields.",)
    entry["fields"] = {field: value for field, value in fields.items() if field not in dropped}
    return ConvertedMapping(entry, (*told, *notes, *filtered), carried=True), notes


def _refusals(entry: dict[str, Any]) -> list[str]:
    """Return why a configuration would not accept a mapping."""
    refusals = []
    try:
        compile_trigger(entry["trigger"])
    except TriggerError as error:
        refusals.append("trigger:\n" + indent(point_out(error), "    "))
    try:
        compile_destination_mapping(
            name=entry["name"],
            action=entry["action"],
            trigger=None,
            enabled=True,
            defaults=False,
            fields=entry["fields"],
        )
    except MappingError as error:
        refusals += [f"fields: {problem}" for problem in error.problems]
    return refusals


def _dropped(action: str, fields: Iterable[str]) -> list[tuple[str, str]]:
    """Return the fields that Segment's action drops, each with what to say about it."""
    found = []
    for field in fields:
        if field == _SEGUE_ONLY.get(action):
            found.append((field, f"Segment's {action} has no field {field!r}."))
        else:
            found += [(field, reason) for reason in unknown_fields(ACTIONS[action].name, {field: None})]
    return found


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-") or "loops"


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else " " for character in name).strip()


def _unique(name: str, taken: set[str], longest: int, sign: str = "-") -> str:
    """Return a name that is not taken yet, and add it to those that are."""
    number, outcome = 1, name[:longest].rstrip()
    while outcome in taken:
        number += 1
        outcome = f"{name[: longest - len(str(number)) - 1]}{sign}{number}"
    taken.add(outcome)
    return outcome


def _called(kind: str, name: str) -> str:
    return f'{kind} "{name[:_LONGEST_NAME]}"'
