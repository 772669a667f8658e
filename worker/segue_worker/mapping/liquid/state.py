"""What a template reads and writes while it renders."""

from typing import Any

from segue_worker.mapping.limits import Meter
from segue_worker.mapping.undefined import UNDEFINED

__all__ = ["State"]


class State:
    """One rendering.

    Attributes:
        meter: the event's.
        names: variables assigned or captured.
        counters: of `increment` and `decrement`, which hide fields of the event but not variables.
        turns: how far each `cycle` has come.
    """

    __slots__ = ("_data", "counters", "meter", "names", "turns")

    def __init__(self, data: Any, meter: Meter) -> None:
        self._data = data if isinstance(data, dict) else {}
        self.meter = meter
        self.names: dict[str, Any] = {}
        self.counters: dict[str, float] = {}
        self.turns: dict[str, int] = {}

    def find(self, name: str) -> Any:
        """Look a name up: variables first, then counters, then the event."""
        for scope in (self.names, self.counters):
            if name in scope:
                return scope[name]
        return self._data.get(name, UNDEFINED)

    def count(self, name: str) -> float:
        """Return where a counter stands; it starts at the event's number of that name, or at 0."""
        value = self.counters.get(name, self._data.get(name))
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else 0
