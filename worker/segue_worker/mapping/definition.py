"""What a mapping was compiled from, so that it can be told, compared, and compiled elsewhere. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple, Self

from segue_worker.mapping.fields import ACTIONS, default_fields
from segue_worker.mapping.values import Values


class Definition(NamedTuple):
    """The keys of a mapping's configuration.

    Attributes:
        name: as configured.
        action: name of the Loops action.
        trigger: FQL, the action's default where none was given.
        enabled: whether it applies to any event at all.
        defaults: whether `fields` begin with the action's default fields.
        fields: mapping-kit, as the file writes them: variables by their names, since what they hold is not for everybody.
            None where they are not known.
        values: what is done about values that Loops refuses.
        max_wait_ms: for how long an event may have waited for its turn; 0 for any time.
    """

    name: str
    action: str
    trigger: str
    enabled: bool
    defaults: bool
    fields: Mapping[str, Any] | None
    values: Values
    max_wait_ms: int

    @classmethod
    def from_list(cls, values: list[Any]) -> Self:
        """Read what JSON makes of it; further values, which a newer version may have, are left out."""
        return cls(*values[: len(cls._fields)])

    def parts(self) -> dict[str, Any]:
        """What there is to compare: name of each part → JSON value, or a time; its fields, defaults included, by their names."""
        settings = {"action": self.action, "trigger": self.trigger, "enabled": self.enabled}
        if self.fields is None:
            return settings
        fields = {**(default_fields(ACTIONS[self.action].name) if self.defaults else {}), **self.fields}
        wait = timedelta(milliseconds=self.max_wait_ms) if self.max_wait_ms else "any time"
        kept = {name: value for name, value in fields.items() if value is not None or not self.defaults}
        return {**settings, **kept, "values": self.values, "max_wait": wait}

    def differing(self, other: "Definition") -> list[str]:
        """The names of the parts in which two definitions differ, as far as both are known."""
        here, there = self.parts(), other.parts()
        names = {**here, **there} if self.fields is not None and other.fields is not None else set(here) & set(there)
        return [name for name in names if here.get(name) != there.get(name)]
