"""The filters of LiquidJS, except those that Segment disables.

A filter takes the event's meter, the value and its arguments, and returns a value. It ignores surplus arguments, as
JavaScript functions do, and raises `ValueError` where LiquidJS fails. A named argument comes as a pair.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from segue_worker.mapping.liquid.filters.dates import DATES
from segue_worker.mapping.liquid.filters.encoding import ENCODINGS
from segue_worker.mapping.liquid.filters.lists import LISTS
from segue_worker.mapping.liquid.filters.numbers import NUMBERS
from segue_worker.mapping.liquid.filters.texts import TEXTS
from segue_worker.mapping.liquid.filters.web import WEB

__all__ = ["DISABLED", "FILTERS"]

DISABLED: Final = frozenset(
    {
        "array_to_sentence_string",
        "concat",
        "find",
        "find_exp",
        "find_index",
        "find_index_exp",
        "group_by",
        "group_by_exp",
        "has",
        "has_exp",
        "map",
        "newline_to_br",
        "reject",
        "reject_exp",
        "reverse",
        "sample",  # Segment allows it, but its result is random: a retry would send something else
        "sort",
        "sort_natural",
        "type",
        "uniq",
        "where_exp",
    }
)

FILTERS: Final[Mapping[str, Callable[..., Any]]] = {**DATES, **LISTS, **NUMBERS, **TEXTS, **ENCODINGS, **WEB}
