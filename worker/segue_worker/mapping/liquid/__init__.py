"""The template language of `@liquid`, as LiquidJS renders it under Segment's restrictions (docs/segment.md#liquid).

python-liquid parses; what it parses is compiled into closures here, because LiquidJS differs from it in truth, text,
numbers, comparisons and most filters. Nothing but event data and the listed filters is reachable from a template.
"""

from segue_worker.mapping.liquid.compile import compile_liquid

__all__ = ["compile_liquid"]
