"""Limits on what a mapping or trigger may cost, and the meter that enforces them for each event.

Segment runs mappings without limits (docs/segment.md#where-segue-differs). A queue worker cannot: one mapping that doubles its
text a hundred times would hold up every contact. The limits are far above what events of 32 KB need.
"""

from typing import Final

from segue_worker.errors import MappingError

MAX_MAPPING_DEPTH: Final = 100
"""Levels of nesting a mapping may have."""

MAX_MAPPING_NODES: Final = 10_000
"""Values (objects, lists, scalars) a mapping may have."""

MAX_MAPPING_TEXT: Final = 1_000_000
"""Characters all texts and keys of a mapping may have together."""

MAX_TRIGGER_LENGTH: Final = 10_000
"""Characters a trigger may have."""

MAX_DEPTH: Final = 200
"""Levels of nesting that a directive looks into. Values that are passed on without a look may be nested deeper."""

MAX_PATTERN_LENGTH: Final = 10
"""UTF-16 units a `@replace` pattern may have (Segment's limit)."""

MAX_REPLACEMENT_LENGTH: Final = 10
"""UTF-16 units a `@replace` replacement may have (Segment's limit)."""

_BUDGET: Final = 40_000
_CHARACTERS_PER_UNIT: Final = 32
_TOO_MUCH: Final = (
    f"the mapping makes too much of this event: more than {_BUDGET:,} values, or the same in text, where "
    f"{_CHARACTERS_PER_UNIT} characters count as one value."
)


class Meter:
    """The work and output that rendering one event may still cost.

    It is counted in units: one for each value visited, and one for every 32 characters produced. 40,000 units are
    twice what it takes to visit every value of the densest possible 32 KB event, and about 10 ms of work.
    """

    __slots__ = ("_left",)

    def __init__(self, budget: int = _BUDGET) -> None:
        self._left = budget

    def spend(self, units: int) -> None:
        """Charge `units`. Raises `MappingError` when the event has used up what it may cost."""
        self._left -= units
        if self._left < 0:
            raise MappingError((_TOO_MUCH,))

    def spend_text(self, length: int) -> None:
        """Charge what a text of `length` characters costs."""
        self.spend(1 + length // _CHARACTERS_PER_UNIT)

    def descend(self, depth: int) -> None:
        """Raise `MappingError` when a walk goes deeper than `MAX_DEPTH` levels."""
        if depth > MAX_DEPTH:
            raise MappingError(
                (f"the mapping looks into a value of the event that is nested deeper than {MAX_DEPTH} levels.",)
            )
