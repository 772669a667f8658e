"""Shows the place in a refused trigger that is at fault."""

from typing import Final

from segue_worker.errors import TriggerError

_WIDTH: Final = 72
_BEFORE: Final = 48


def point_out(error: TriggerError) -> str:
    """Render the faulty line of a refused trigger, a caret under the position, and the reason below it.

    Long lines are cut around the position; tabs and other control characters take one column each.
    """
    at = min(max(error.position, 0), len(error.text))
    line_start = error.text.rfind("\n", 0, at) + 1
    line_end = error.text.find("\n", at)
    line = error.text[line_start : None if line_end < 0 else line_end]
    column = at - line_start
    cut = column - _BEFORE if len(line) > _WIDTH and column > _BEFORE else 0
    shown = line[cut : cut + _WIDTH]
    before, after = "…" if cut else "", "…" if cut + _WIDTH < len(line) else ""
    number = error.text.count("\n", 0, at) + 1
    label = f"line {number}: " if "\n" in error.text.strip("\n") else ""
    excerpt = "".join(character if character.isprintable() else " " for character in shown)
    indent = " " * (len(label) + len(before) + column - cut)
    return f"{label}{before}{excerpt}{after}\n{indent}^\n{error.reason}"
