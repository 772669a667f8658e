"""Conditions of a trigger: compiled into functions of the event, and explained in words (docs/segment.md#triggers)."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from segue_worker.mapping.path import Lookup, compile_keys
from segue_worker.mapping.undefined import UNDEFINED

Match = Callable[[dict[str, Any]], bool]

Test = Literal[
    "=", "!=", "exists", "missing", "is true", "is false", "number =", "number !=", "<", "<=", ">", ">=",
    "contains", "not contains", "starts", "not starts", "ends", "not ends",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison, or one call of `contains` or `match`.

    Attributes:
        keys: the path of its field in the event.
        test: what is asked of the value found there.
        expected: the text or number that the value is compared with; not used by tests that need none.
        source: the condition as the trigger spells it.
    """

    keys: tuple[str, ...]
    test: Test
    expected: str | float
    source: str


@dataclass(frozen=True, slots=True)
class ConditionGroup:
    """Conditions and groups of which all (`and`) or any (`or`) must hold."""

    conditional: Literal["and", "or"]
    members: tuple["Condition | ConditionGroup", ...]


_STATES: Final[dict[str, Callable[[Any], bool]]] = {
    "exists": lambda value: value is not None and value is not UNDEFINED,
    "missing": lambda value: value is None or value is UNDEFINED,
    "is true": lambda value: value is True,
    "is false": lambda value: value is False,
}
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "number =": operator.eq,
    "number !=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TEXT_TESTS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "contains": operator.contains,
    "not contains": lambda value, part: part not in value,
    "starts": str.startswith,
    "not starts": lambda value, part: not value.startswith(part),
    "ends": str.endswith,
    "not ends": lambda value, part: not value.endswith(part),
}


def compile_condition(condition: Condition | ConditionGroup) -> Match:
    """Compile a condition into a function that takes an event (an object) and tells whether the condition holds."""
    if isinstance(condition, ConditionGroup):
        return _compile_group(condition.conditional, tuple(map(compile_condition, condition.members)))
    if len(condition.keys) == 1 and condition.test == "=":
        return _top_level_equals(condition.keys[0], condition.expected)
    return _compile_test(condition, compile_keys(condition.keys))


def _compile_group(conditional: Literal["and", "or"], members: tuple[Match, ...]) -> Match:
    if len(members) == 1:
        return members[0]
    if len(members) == 2:  # noqa: PLR2004 - by far the commonest size
        first, second = members
        if conditional == "and":
            return lambda event: first(event) and second(event)
        return lambda event: first(event) or second(event)
    if conditional == "and":
        return lambda event: all(member(event) for member in members)
    return lambda event: any(member(event) for member in members)


def _top_level_equals(key: str, expected: str | float) -> Match:
    return lambda event: bool(event.get(key) == expected)


def _compile_test(condition: Condition, lookup: Lookup) -> Match:
    expected = condition.expected
    if condition.test == "=":
        return lambda event: bool(lookup(event) == expected)
    if condition.test == "!=":
        return lambda event: bool(lookup(event) != expected)
    if condition.test in _STATES:
        return _compile_state(_STATES[condition.test], lookup)
    if condition.test in _COMPARISONS:
        return _compile_comparison(_COMPARISONS[condition.test], lookup, expected)
    return _compile_text_test(_TEXT_TESTS[condition.test], lookup, expected)


def _compile_state(state: Callable[[Any], bool], lookup: Lookup) -> Match:
    return lambda event: state(lookup(event))


def _compile_comparison(compare: Callable[[Any, Any], bool], lookup: Lookup, expected: str | float) -> Match:
    def match(event: dict[str, Any]) -> bool:
        value = lookup(event)
        return isinstance(value, (int, float)) and not isinstance(value, bool) and compare(value, expected)

    return match


def _compile_text_test(test: Callable[[Any, Any], bool], lookup: Lookup, expected: str | float) -> Match:
    def match(event: dict[str, Any]) -> bool:
        value = lookup(event)
        return isinstance(value, str) and test(value, expected)

    return match


def compile_unmet(condition: Condition | ConditionGroup) -> Callable[[dict[str, Any]], str | None]:
    """Compile a condition into a function that names what an event fails, without event data, or returns None.

    As with `explain`, the first failing condition of an `and` group is named, and all of an `or` group.
    """
    holds = compile_condition(condition)
    if isinstance(condition, Condition):
        return lambda event: None if holds(event) else condition.source
    members = tuple(map(compile_unmet, condition.members))
    if condition.conditional == "or":
        return lambda event: None if holds(event) else "; ".join(filter(None, (member(event) for member in members)))
    return lambda event: next((text for member in members if (text := member(event)) is not None), None)


_LONGEST_SHOWN: Final = 60


def explain(condition: Condition | ConditionGroup, event: dict[str, Any]) -> str | None:
    """Say why a condition does not hold, with the values found, or return None when it holds.

    The first failing condition of an `and` group is named, and all of an `or` group. The text quotes event data.
    """
    if isinstance(condition, Condition):
        if compile_condition(condition)(event):
            return None
        return f"{condition.source}: found {_shown(compile_keys(condition.keys)(event))}"
    reasons = (explain(member, event) for member in condition.members)
    if condition.conditional == "and":
        return next((reason for reason in reasons if reason is not None), None)
    failed = [reason for reason in reasons if reason is not None]
    return None if len(failed) < len(condition.members) else "; ".join(failed)


def _shown(value: Any) -> str:
    if value is UNDEFINED:
        return "nothing"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        shortened = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}…"
        return orjson.dumps(shortened.encode("utf-8", "replace").decode()).decode()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**_LONGEST_SHOWN else "a very large number"
    return orjson.dumps(value).decode()
