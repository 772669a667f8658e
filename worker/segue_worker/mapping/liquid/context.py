"""What a template reads and writes while it renders one event."""

from io import StringIO
from typing import Any, Final, TextIO

from liquid import RenderContext
from liquid.template import BoundTemplate
from liquid.token import Token

from segue_worker.mapping.limits import Meter
from segue_worker.mapping.liquid.values import plain, read, shown
from segue_worker.mapping.undefined import UNDEFINED


class MeteredText(StringIO):
    """Text that charges the event's meter for everything written to it."""

    def __init__(self, meter: Meter) -> None:
        super().__init__(newline="")
        self._meter = meter

    def write(self, text: str) -> int:
        """Charge the meter, then append `text`. Raises `MappingError` when the event has used up what it may cost."""
        self._meter.spend_text(len(text))
        return super().write(text)


class EventContext(RenderContext):
    """The variables of one rendering: what the template assigned, then its counters, then the fields of the event."""

    def __init__(self, template: BoundTemplate, data: Any, meter: Meter) -> None:
        super().__init__(template, globals=data if isinstance(data, dict) else {})
        self.meter: Final = meter

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> Any:
        """Return what a path like `["properties", "plan"]` leads to; `default` where no such variable exists."""
        del token  # nothing fails here that would have to be located
        name = str(plain(path[0]))
        value: Any = default
        for scope in (self.locals, self.counters, self.globals):
            if name in scope:
                value = scope[name]
                break
        for key in path[1:]:
            value = read(value, key)
        return value

    def increment(self, name: str) -> Any:
        """Return the text of a counter, and count it up afterwards."""
        value = self._count(name)
        self.counters[name] = value + 1
        return shown(value, self.meter)

    def decrement(self, name: str) -> Any:
        """Count a counter down, and return its text."""
        self.counters[name] = self._count(name) - 1
        return shown(self.counters[name], self.meter)

    def _count(self, name: str) -> Any:
        """Return where a counter stands. It starts at the event's number of that name, or at 0."""
        value = self.counters.get(name, self.globals.get(name))
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else 0

    def get_buffer(self, buf: TextIO | None = None) -> StringIO:
        """Return what a `capture` tag writes its text to."""
        del buf
        return MeteredText(self.meter)
