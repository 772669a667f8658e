"""Tables for terminals, in which no id is broken; and for pipes, in which a row is a line. Pure."""

import sys
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest
from typing import Final

from rich.text import Text

from segue_worker.cli.fitting import filled, width_of
from segue_worker.printable import visible

_GAP: Final = 2


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    numbers: Collection[str] = (),
    width: int | None = None,
) -> Text:
    """A table; where its words do not fit beside each other, a few lines for each row.

    Args:
        columns: the headings.
        rows: the cells of each line, shown as they are (no markup).
        numbers: the columns set to the right.
        width: in columns; None for as much as it takes.
    """
    cells = [[visible(str(cell)) for cell in row] for row in rows]
    whole = list(zip(columns, *cells, strict=True))
    widths = [max(map(width_of, column)) for column in whole]
    least = [max(map(_longest_word, column)) for column in whole]
    room = sys.maxsize if width is None else width - _GAP * (len(columns) - 1)
    if sum(least) > room:
        return Text("\n".join(_block(columns, row, width or 0) for row in cells))
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda place: widths[place] - least[place])
        widths[widest] -= 1
    right = [column in numbers for column in columns]
    head, *body = ("\n".join(_lines(row, widths, right)) for row in (columns, *cells))
    return Text("\n").join([Text(head, "bold"), *map(Text, body)])


def _lines(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    wrapped = [filled(cell, width, "").split("\n") for cell, width in zip(row, widths, strict=True)]
    for parts in zip_longest(*wrapped, fillvalue=""):
        padded = (
            " " * (width - width_of(part)) + part if to_right else part + " " * (width - width_of(part))
            for part, width, to_right in zip(parts, widths, right, strict=True)
        )
        yield (" " * _GAP).join(padded).rstrip()


def _block(columns: Sequence[str], row: Sequence[str], width: int) -> str:
    fields = (_field(column, cell, width - _GAP) for column, cell in zip(columns[1:], row[1:], strict=True) if cell)
    return f"{row[0]}\n{filled('  ' + '  '.join(fields), width, '  ')}".replace("\xa0", " ")


def _field(column: str, cell: str, width: int) -> str:
    # What a value is called stays beside it where both fit into a line.
    name = f"{column}:".replace(" ", "\xa0")
    beside = width_of(name) + 1 + width_of(cell.partition(" ")[0]) <= width
    return f"{name}{chr(0xA0) if beside else ' '}{cell}"


def _longest_word(text: str) -> int:
    return max(map(width_of, text.split()), default=0)
