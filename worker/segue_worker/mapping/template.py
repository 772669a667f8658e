"""Placeholders in text: `{{path}}` and `{{{path}}}` (docs/segment.md#templates)."""

from collections.abc import Callable
from typing import Any, Final

from segue_worker.mapping.compiler import Resolve, constant
from segue_worker.mapping.javascript import WHITESPACE, paired, text
from segue_worker.mapping.limits import Meter
from segue_worker.mapping.path import compile_lookup, look_up
from segue_worker.mapping.undefined import UNDEFINED

_DOUBLE: Final = 2
_TRIPLE: Final = 3


def _split(template: str, braces: int) -> list[str]:
    """Split into literal, placeholder, literal, placeholder, …, literal.

    A placeholder runs from its opening braces to the next `}`, and counts only if the closing braces begin there. This
    takes one pass over the text; a regular expression could backtrack for a very long time.
    """
    opening, closing = "{" * braces, "}" * braces
    parts: list[str] = []
    literal_from = search_from = 0
    while (start := template.find(opening, search_from)) >= 0:
        end = template.find("}", start + braces)
        if end < 0:
            break
        if end > start + braces and template.startswith(closing, end):
            parts += template[literal_from:start], template[start + braces : end].strip(WHITESPACE)
            literal_from = search_from = end + braces
        else:
            search_from = end + 1
    parts.append(template[literal_from:])
    return parts


def _shown(value: Any, meter: Meter) -> str:
    return "" if value is UNDEFINED or value is None else text(value, meter)


def _fill(template: str, data: Any, meter: Meter, braces: int) -> str:
    parts = _split(template, braces)
    meter.spend(len(parts))
    for index in range(1, len(parts), 2):
        parts[index] = _shown(look_up(data, parts[index]), meter)
        meter.spend_text(len(parts[index]))
    return paired("".join(parts))


def render(template: str, data: Any, meter: Meter) -> str:
    """Fill a template that was not known before: triple braces first, then the double braces of what that gives.

    Raises:
        MappingError: the text exceeds what the event may cost.
    """
    root = {} if data is UNDEFINED else data
    return _fill(_fill(template, root, meter, _TRIPLE), root, meter, _DOUBLE)


def compile_template(template: str) -> Resolve:
    """Compile a template that the mapping spells out. Its paths keep their `$.`, so `{{$.a}}` finds nothing."""
    if len(_split(template, _TRIPLE)) > 1:
        return lambda data, meter: render(template, data, meter)
    parts = _split(template, _DOUBLE)
    if len(parts) == 1:
        return constant(template)
    return _compile_parts(parts[::2], [compile_lookup(path) for path in parts[1::2]])


def _compile_parts(literals: list[str], lookups: list[Callable[[Any], Any]]) -> Resolve:
    first, rest = literals[0], tuple(zip(lookups, literals[1:], strict=True))

    def fill(data: Any, meter: Meter) -> str:
        root = {} if data is UNDEFINED else data
        pieces = [first]
        for lookup, literal in rest:
            value = lookup(root)
            shown = value if value.__class__ is str else _shown(value, meter)
            meter.spend_text(len(shown))
            pieces += shown, literal
        return paired("".join(pieces))

    return fill
