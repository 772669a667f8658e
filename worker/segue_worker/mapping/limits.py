"""What a mapping or trigger may cost, and the meter that holds an event to it.

Segment runs mappings without limits (docs/segment.md#where-segue-differs). A queue worker cannot: one mapping that doubles its
text a hundred times would stop every contact. The limits are far above what events of 32 KB need.
"""

from typing import Final

from segue_worker.errors import MappingError

__all__ = [
    "MAX_DEPTH",
    "MAX_MAPPING_DEPTH",
    "MAX_MAPPING_NODES",
    "MAX_MAPPING_TEXT",
    "MAX_PATTERN_LENGTH",
    "MAX_REPLACEMENT_LENGTH",
    "MAX_TRIGGER_LENGTH",
    "Meter",
]

MAX_MAPPING_DEPTH: Final = 100
"""Levels of nesting a mapping may have."""

MAX_MAPPING_NODES: Final = 10_000
"""Values (objects, lists, scalars) a mapping may have."""

MAX_MAPPING_TEXT: Final = 1_000_000
"""Characters all texts and keys of a mapping may have together."""

MAX_TRIGGER_LENGTH: Final = 10_000
"""Characters a trigger may have."""

MAX_DEPTH: Final = 200
"""Levels of nesting a directive walks into. Values that are passed on unseen may be deeper."""

MAX_PATTERN_LENGTH: Final = 10
"""UTF-16 units a `@replace` pattern may have (Segment's limit)."""

MAX_REPLACEMENT_LENGTH: Final = 10
"""UTF-16 units a `@replace` replacement may have (Segment's limit)."""

_BUDGET: Final = 40_000
_CHARACTERS_PER_UNIT: Final = 32


class Meter:
    """Work and output one rendering may still produce, in units: one per value visited, one per 32 characters made.

    40,000 units are twice what visiting every value of the densest 32 KB event takes, and some 10 ms of work.
    """

    __slots__ = ("_left",)

    def __init__(self, budget: int = _BUDGET) -> None:
        self._left = budget

    def spend(self, units: int) -> None:
        """Take `units` off; raises `MappingError` when the event has used up what it may cost."""
        self._left -= units
        if self._left < 0:
            raise MappingError((f"the mapping makes more of this event than {_BUDGET} values or their worth in text.",))

    def spend_text(self, length: int) -> None:
        """Take off what a text of `length` characters costs."""
        self.spend(1 + length // _CHARACTERS_PER_UNIT)

    def descend(self, depth: int) -> None:
        """Raise `MappingError` when a walk goes deeper than `MAX_DEPTH` levels."""
        if depth > MAX_DEPTH:
            raise MappingError((f"the mapping walks into a value nested deeper than {MAX_DEPTH} levels.",))
