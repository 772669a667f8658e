"""Rows of a CSV file as events. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Any, Final

from segue_producer.errors import InvalidEvent
from segue_worker.errors import SegueError

_FIELDS: Final = frozenset({"userId", "anonymousId", "messageId", "timestamp", "event", "type"})
"""The columns that are fields of the event itself; `email` is one of its person; all others are traits or properties."""


class ColumnsError(SegueError):
    """The header of a CSV file, or what was said of its columns, is at fault."""


class Columns:
    """The columns of a CSV file.

    Args:
        header: their names. One may end with `:number`, `:boolean`, `:date` or `:text`.
        types: column → one of these, which counts before what the header says.

    Raises:
        ColumnsError: a name is empty or occurs twice, or a type is unknown or of no column.
    """

    def __init__(self, header: Sequence[str], types: Mapping[str, str]) -> None:
        self._columns: list[tuple[str, Callable[[str], Any]]] = []
        if len(header) == 1 and ";" in header[0]:
            raise ColumnsError("line 1: the columns are separated by semicolons; save the file with commas")
        known = {name for name, _ in map(_split, header)}
        if missing := [name for name in types if name not in known]:
            raise ColumnsError(f"--types: the file has no column {missing[0]!r}; it has {', '.join(sorted(known))}")
        for cell in header:
            name, kind = _split(cell)
            kind = types.get(name, kind)
            if not name or name in dict(self._columns):
                raise ColumnsError(
                    f"line 1: the column {name!r} is there twice" if name else "line 1: a column has no name"
                )
            if kind not in _READ:
                raise ColumnsError(f"--types: {name}={kind}: a column is {', '.join(_READ)}")
            self._columns.append((name, _READ[kind]))

    def event(self, row: Sequence[str], defaults: Mapping[str, str]) -> dict[str, Any]:
        """The event of a row; an empty cell says nothing.

        Args:
            row: its cells.
            defaults: `type` and `event` of rows that do not have their own.

        Raises:
            ValueError: the row has too many cells, or one of another type.
            InvalidEvent: see `with_defaults`.
        """
        if len(row) > len(self._columns):
            raise ValueError(f"it has {len(row)} cells, and the header names {len(self._columns)}")
        own: dict[str, Any] = {}
        values: dict[str, Any] = {}
        # A row may end early: what is not there is empty.
        for (name, read), cell in zip(self._columns, row, strict=False):
            if cell == "":
                continue
            try:
                (own if name in _FIELDS else values)[name] = cell if name in _FIELDS else read(cell)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        fields = with_defaults(own, defaults)
        if fields.get("type") == "track":
            email = values.pop("email", None)
            return {**fields, "properties": values, **({"context": {"traits": {"email": email}}} if email else {})}
        fields.pop("event", None)
        return {**fields, "traits": values}


def with_defaults(own: Mapping[str, Any], defaults: Mapping[str, str]) -> dict[str, Any]:
    """The fields of an event, with `type` and `event` where it does not have its own.

    Raises:
        InvalidEvent: it has the name of what was done, and would become an identify, which has none.
    """
    fields = {**defaults, **own}
    if own.get("event") and "type" not in own and fields.get("type") == "identify":
        raise InvalidEvent(
            "it has the name of an event, which an identify has not; give --type track, or a type beside it"
        )
    return fields


def _split(cell: str) -> tuple[str, str]:
    name, _, kind = cell.strip().rpartition(":")
    return (name, kind) if name and kind in _READ else (cell.strip(), "text")


def _number(cell: str) -> int | float:
    try:
        number = float(cell)
    except ValueError:
        raise ValueError("must be a number") from None
    if not math.isfinite(number):
        raise ValueError("must be a finite number")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _boolean(cell: str) -> bool:
    try:
        return _BOOLEANS[cell.strip().lower()]
    except KeyError:
        raise ValueError("must be true or false, yes or no, 1 or 0") from None


def _date(cell: str) -> str:
    """A date, or a moment, in a form that Loops takes; ISO 8601 has more of them, such as 20260131."""
    text = cell.strip()
    with suppress(ValueError):
        return date.fromisoformat(text).isoformat()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date like 2026-01-31, or with a time like 2026-01-31T09:30:00Z") from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_BOOLEANS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_READ: Final[dict[str, Callable[[str], Any]]] = {"text": str, "number": _number, "boolean": _boolean, "date": _date}
