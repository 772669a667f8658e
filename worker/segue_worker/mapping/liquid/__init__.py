"""The template language of `@liquid`, as LiquidJS renders it under Segment's restrictions (docs/segment.md#liquid).

python-liquid parses and renders. What this package puts in its place are expressions, filters and the text of values,
because LiquidJS differs in truth, numbers, comparisons and most filters. A template reaches nothing but the event's data
and the listed filters, and what it makes of them is charged to the event's meter.
"""

from segue_worker.mapping.liquid.environment import compile_liquid

__all__ = ["compile_liquid"]
