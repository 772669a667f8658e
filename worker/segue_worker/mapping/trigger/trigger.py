"""Compiles a trigger into an object that can be asked whether an event matches, and why not."""

from typing import Any

from segue_worker.errors import TriggerError
from segue_worker.mapping.javascript import has_lone_surrogate
from segue_worker.mapping.limits import MAX_TRIGGER_LENGTH
from segue_worker.mapping.trigger.conditions import Condition, ConditionGroup, compile_condition, compile_unmet, explain
from segue_worker.mapping.trigger.parser import parse


class Trigger:
    """A compiled trigger. Called with an event, it tells whether the event matches.

    Attributes:
        text: the trigger as written.
        unmet: as `explain`, for events that are objects; its text holds no event data and may be stored.
    """

    __slots__ = ("_conditions", "_holds", "text", "unmet")

    def __init__(self, text: str, conditions: Condition | ConditionGroup) -> None:
        self.text = text
        self._holds = compile_condition(conditions)
        self.unmet = compile_unmet(conditions)
        self._conditions = conditions

    def __call__(self, event: Any) -> bool:
        """Tell whether `event` (any JSON value) matches. This never raises, and never changes the event."""
        return event is not None and self._holds(event if isinstance(event, dict) else {})

    def __repr__(self) -> str:
        return f"Trigger({self.text!r})"

    def explain(self, event: Any) -> str | None:
        """Say which condition the event fails and what was found there, or return None when it matches.

        The first failing condition of those joined by `and` is named, and all of those joined by `or`. The text quotes
        event data, of which each value is cut to 60 characters.
        """
        if event is None:
            return "there is no event"
        return explain(self._conditions, event if isinstance(event, dict) else {})


def compile_trigger(text: str) -> Trigger:
    """Compile a trigger, provided that Segment evaluates it the way it reads.

    Raises:
        TriggerError: for any other text, with the position, the reason, and a spelling that works.
    """
    if not isinstance(text, str):
        raise TriggerError(f"a trigger must be text but this is {type(text).__name__}.")
    if len(text) > MAX_TRIGGER_LENGTH:
        raise TriggerError(
            f"the trigger has {len(text)} characters, at most {MAX_TRIGGER_LENGTH}. Split it into several mappings.",
            text=text,
            position=MAX_TRIGGER_LENGTH,
        )
    if has_lone_surrogate(text):
        raise TriggerError("the trigger is not valid Unicode (half a surrogate pair).", text=text)
    return Trigger(text, parse(text))
