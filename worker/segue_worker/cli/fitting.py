"""Fits text to the width of a terminal without breaking a word, so that every id can be copied.

What goes into a pipe or a file is not fitted: there a line is a line.
"""

import re
import shutil
import sys
from typing import Final

_WORD: Final = re.compile(r"( *)([^ ]+)")
_LABEL: Final = re.compile(r"\s*(?:\S+(?: \S+)*\s{2,})?")
"""What stands before the text of a line: spaces, and a first column with two spaces behind it."""


def terminal_width(*, err: bool = False) -> int | None:
    """Columns of the terminal that stdout, or stderr, is; None where it is none."""
    return shutil.get_terminal_size().columns if (sys.stderr if err else sys.stdout).isatty() else None


def fitted(text: str, width: int | None) -> str:
    """Text with lines broken between words that are longer than `width`; what follows is set below the text of the line."""
    if width is None:
        return text
    return "\n".join(_broken(line, width) if width_of(line) > width else line for line in text.split("\n"))


def _broken(line: str, width: int) -> str:
    label = _LABEL.match(line)
    return filled(line, width, " " * min(len(label[0]) if label else 0, width // 2))


def filled(text: str, width: int, indent: str) -> str:
    """Text as lines of at most `width`, all but the first behind `indent`; longer words are left whole."""
    lines = [""]
    for gap, word in _WORD.findall(text):
        if lines[-1].strip() and width_of(lines[-1] + gap + word) > width:
            lines.append(indent + word)
        else:
            lines[-1] += gap + word
    return "\n".join(lines)


def width_of(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - help is shown without it

    return cell_len(text)
