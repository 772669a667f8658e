"""Puts the destination filters that drop events into triggers: `TRIGGER and not (CONDITION)`, exactly or not at all.

A trigger has no `not (…)`, so the opposite of the condition is spelled out: as clauses that must all hold, each of
comparisons of which one must. What a trigger would answer differently for any event is not carried over.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Final

from segue_worker.errors import TriggerError
from segue_worker.mapping import compile_trigger
from segue_worker.mapping.trigger.conditions import Condition, ConditionGroup
from segue_worker.mapping.trigger.parser import parse
from segue_worker.segment_import.filter_language import Atom, Compound, Expression, Not, UnreadableError, read_condition
from segue_worker.segment_import.model import ExportedFilter

Term = tuple[Atom, bool]
"""A comparison, and whether it must hold or must not."""
Clause = tuple[Term, ...]

_DOES: Final = {
    "SAMPLE": "lets through only part of the events",
    "SAMPLE_EVENT": "lets through only part of the events",
    "ALLOW_PROPERTIES": "removes properties",
    "DROP_PROPERTIES": "removes properties",
    "FUNCTION": "changes events by code",
}
"""What Segment does to events on their way that Segue does not do."""
_MOST_CLAUSES: Final = 100
_ROOTS: Final = frozenset({"type", "event", "name", "userId", "properties", "traits", "context"})
_FUNCTIONS: Final = frozenset({"contains", "starts", "ends"})


def changes(filters: Iterable[ExportedFilter]) -> list[str]:
    """Return what is done to a destination's events that a trigger cannot do."""
    return [
        f"{each.name} is not carried over: {reason}"
        for each in filters
        for reason in (
            *each.obstacles,
            *(f"it {_DOES.get(kind, f'does {kind}, which is not known here')}" for kind in each.does if kind != "DROP"),
        )
    ]


def apply(filters: Iterable[ExportedFilter], entry: dict[str, Any], obstacles: list[str]) -> list[str]:
    """Put the filters that drop events into a mapping's trigger. Returns notes; what cannot be is added to the obstacles."""
    notes = []
    for each in filters:
        if "DROP" not in each.does or each.obstacles:
            continue
        try:
            trigger = without(entry["trigger"], each.condition)
        except UnreadableError as reason:
            obstacles.append(f"{each.name}: {reason}")
            continue
        if trigger is None:
            entry["enabled"] = False
            notes.append(f"Not enabled: {each.name} of Segment drops all of its events.")
        elif trigger != entry["trigger"]:
            entry["trigger"] = trigger
            notes.append(f"The trigger leaves out what {each.name} of Segment drops: {each.condition}")
    return notes


def without(trigger: str, condition: str) -> str | None:
    """The trigger of events that a trigger takes and a filter's condition does not drop.

    Args:
        trigger: one that `compile_trigger` takes.
        condition: of a filter of Segment.

    Returns:
        the new trigger; None where no event is left.

    Raises:
        UnreadableError: no trigger says exactly that.
    """
    node = read_condition(condition)
    conditions = parse(trigger)
    known = _known(conditions)
    clauses = _simplified(_clauses(node, False, known) if node is not None else [()])
    if () in clauses:
        return None
    if not clauses:
        return trigger
    told = [_alternatives(clause, known) for clause in clauses]
    text = " and ".join([_as_member(trigger, conditions), *told])
    try:
        compile_trigger(text)
    except TriggerError as error:
        raise UnreadableError(f"a trigger cannot say it: {error.reason}") from None
    return text


def _known(conditions: ConditionGroup) -> dict[str, str | None]:
    """Paths of which the trigger leaves only one value. Of an event that is no track, `event` has none."""
    members = conditions.members if conditions.conditional == "and" or len(conditions.members) == 1 else ()
    known: dict[str, str | None] = {}
    for member in members:
        if isinstance(member, Condition) and member.test == "=" and isinstance(member.expected, str):
            known[".".join(member.keys)] = member.expected
    if known.get("type", "track") != "track":
        known.setdefault("event", None)
    return known


def _clauses(node: Expression, wanted: bool, known: Mapping[str, str | None]) -> list[Clause]:  # noqa: FBT001 - a literal's sign
    """What must hold for a condition to hold, or not to: all of the clauses, one literal of each.

    No clause at all holds always, one without literals never.
    """
    match node:
        case Not(inner):
            return _clauses(inner, not wanted, known)
        case Compound(conditional, members):
            parts = [_clauses(member, wanted, known) for member in members]
            if (conditional == "and") == wanted:
                return _simplified([clause for part in parts for clause in part])
            number = 1
            for part in parts:
                number *= len(part)
                if number > _MOST_CLAUSES:
                    raise UnreadableError("its condition is too long for a trigger")
            return _simplified([sum(chosen, ()) for chosen in product(*parts)])
        case Atom():
            if node.path in known:
                return [] if _holds(node, known[node.path]) == wanted else [()]
            return [((node, wanted),)]


def _simplified(clauses: Sequence[Clause]) -> list[Clause]:
    """The clauses, each once, without those that hold in any case."""
    unique = dict.fromkeys(tuple(dict.fromkeys(clause)) for clause in clauses)
    return [clause for clause in unique if not any((atom, not wanted) in clause for atom, wanted in clause)]


def _holds(atom: Atom, found: str | None) -> bool:
    if atom.test == "=":
        return type(found) is type(atom.value) and found == atom.value
    if not isinstance(found, str) or not isinstance(atom.value, str):
        return False
    text = atom.value
    return (
        text in found
        if atom.test == "contains"
        else found.startswith(text)
        if atom.test == "starts"
        else found.endswith(text)
    )


def _as_member(trigger: str, conditions: ConditionGroup) -> str:
    if conditions.conditional == "and" or len(conditions.members) == 1:
        return trigger
    if any(isinstance(member, ConditionGroup) or member.source.rstrip().endswith(")") for member in conditions.members):
        raise UnreadableError("the mapping's trigger is an `or` that cannot be put into parentheses")
    return f"({trigger.strip()})"


def _alternatives(clause: Clause, known: Mapping[str, str | None]) -> str:
    if len(clause) == 1:
        return _written(*clause[0], known)
    if any(atom.test in _FUNCTIONS for atom, _ in clause):
        raise UnreadableError(
            "a trigger would need contains() or match() within parentheses, where Segment misreads it"
        )
    return f"({' or '.join(_written(atom, wanted, known) for atom, wanted in clause)})"


def _written(atom: Atom, wanted: bool, known: Mapping[str, str | None]) -> str:  # noqa: FBT001 - a literal's sign
    path, value = atom.path, atom.value
    if path.partition(".")[0] not in _ROOTS:
        raise UnreadableError(f"triggers cannot look at {path[:60]}")
    if isinstance(value, str) and ('"' in value or not value.isprintable() or not value):
        raise UnreadableError(
            f"triggers cannot compare {path[:60]} with a text that is empty or has quotes or line breaks"
        )
    if atom.test in _FUNCTIONS:
        if not wanted and not (path == "type" or (path == "event" and known.get("type") == "track")):
            raise _inexact(path, "text")
        pattern = {"contains": f'contains({path}, "{value}")', "starts": f'match({path}, "{value}*")'}
        return ("" if wanted else "!") + pattern.get(atom.test, f'match({path}, "*{value}")')
    if value is None or isinstance(value, str):
        shown = "null" if value is None else f'"{value}"'
        return f"{path} {'=' if wanted else '!='} {shown}"
    if not wanted:
        raise _inexact(path, "true or false" if isinstance(value, bool) else "number")
    return f"{path} {atom.test} {json.dumps(value)}"


def _inexact(path: str, kind: str) -> UnreadableError:
    return UnreadableError(
        f"a trigger would withhold events where {path[:60]} is missing or no {kind}, and Segment sends them"
    )
