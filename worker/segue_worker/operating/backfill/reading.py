"""Reads files of events, as JSON Lines or CSV, a record at a time."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import IO, Any, Final, NamedTuple

from segue_producer.errors import InvalidEvent
from segue_producer.events import Prepared, prepare
from segue_producer.values import write_json
from segue_worker.observing.preview import NotAnEventError, read_event
from segue_worker.operating.backfill.rows import Columns, ColumnsError

LONGEST_LINE: Final = 1024 * 1024
"""Bytes of a line; an event has at most 32 KB."""
_LONGEST_CELL: Final = 128 * 1024
"""Characters of a CSV cell, so that a quote that is never closed does not swallow the file."""
_BOM: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_ENDS: Final = (b"", b"\n", b"\r")


class Position(NamedTuple):
    """A place in a file: bytes before it, their digest, and how many lines they are."""

    offset: int
    digest: str
    line: int


class FileRow(NamedTuple):
    """An event of the file, or what is wrong there.

    Attributes:
        line: where it begins, counted from 1 as editors do.
        event: ready for the outbox; None where `wrong` says why not.
        wrong: why it is no event that can be enqueued.
    """

    line: int
    event: Prepared | None
    wrong: str = ""


class EventFile:
    """A file of events.

    Args:
        stream: at its beginning.
        as_csv: whether it is CSV with a header; otherwise it has one JSON object in each line.
        defaults: `type` and `event` of what does not have its own.
        types: column → type, of CSV.

    Raises:
        ColumnsError: the file is no text, or its header is at fault.

    Attributes:
        line: number of the lines read.
        offset: bytes read.
    """

    def __init__(
        self, stream: IO[bytes], *, as_csv: bool, defaults: Mapping[str, str], types: Mapping[str, str] | None = None
    ) -> None:
        self._stream = stream
        self._defaults = defaults
        self._hash = blake2b(digest_size=16)
        self._record: list[bytes] = []
        self._begins = True
        """Whether the next line is the first of a record, as every one is but in CSV."""
        self._breaks_off = False
        self._columns: Columns | None = None
        self.line = self.offset = 0
        if as_csv:
            csv.field_size_limit(_LONGEST_CELL)
            self._reader = csv.reader(self._texts(), strict=True)
            try:
                header = next(self._reader, [])
            except csv.Error as error:
                raise ColumnsError(f"line 1: {_said(error)}") from None
            if self.line and not header:
                raise ColumnsError("line 1: it is empty, and must name the columns")
            self._columns = Columns(header, types or {})

    def position(self) -> list[Position]:
        """Where another run goes on: behind all that was read or, where that ends within a line, before that record.

        The second counts if the line was not finished when it was read.
        """
        before = Position(
            self.offset - sum(map(len, self._record)), self._hash.hexdigest(), self.line - len(self._record)
        )
        known = self._hash.copy()
        for raw in self._record:
            known.update(raw)
        behind = Position(self.offset, known.hexdigest(), self.line)
        if self._breaks_off:
            return [before]
        return [behind, before] if self._record and not self._record[-1].endswith(b"\n") else [behind]

    def skip(self, places: Iterable[Position]) -> bool:
        """Go on at the first of the places at which a line ends, if the file still begins as it did. Returns whether it does.

        The stream must be seekable. Where the file begins otherwise, reading goes on where it was.
        """
        self._end_record()
        return any(self._skip(place) for place in places)

    def _skip(self, place: Position) -> bool:
        known, here, part = self._hash.copy(), self._stream.tell(), b"\n"
        left = place.offset - self.offset
        while left > 0 and (read := self._stream.read(min(left, LONGEST_LINE))):
            part = read
            known.update(part)
            left -= len(part)
        there = self._stream.tell()
        ends = part.endswith(b"\n") or self._stream.read(1) in _ENDS
        fits = not left and known.hexdigest() == place.digest and ends
        self._stream.seek(there if fits else here)
        if fits:
            self._hash, self.offset, self.line = known, place.offset, place.line
        return fits

    def _end_record(self) -> None:
        for raw in self._record:
            self._hash.update(raw)
        self._record.clear()

    def __iter__(self) -> Iterator[FileRow]:
        yield from self._rows() if self._columns else self._json_lines()

    def _json_lines(self) -> Iterator[FileRow]:
        for raw in self._lines():
            if not raw.strip():
                continue
            try:
                yield FileRow(self.line, _prepared({**self._defaults, **read_event(raw)}))
            except InvalidEvent as error:
                yield FileRow(self.line, None, str(error).removeprefix("event: "))
            except NotAnEventError as error:
                yield FileRow(self.line, None, str(error))
            except ValueError as error:
                yield FileRow(self.line, None, f"not an event: {error}")

    def _rows(self) -> Iterator[FileRow]:
        columns = self._columns
        while columns:
            line = self.line + 1
            try:
                self._begins = True
                row = next(self._reader)
                if row:
                    yield FileRow(line, _prepared(columns.event(row, self._defaults)))
            except StopIteration:
                return
            except InvalidEvent as error:
                yield FileRow(line, None, str(error).removeprefix("event: "))
            except (ValueError, csv.Error) as error:
                self._breaks_off = "unexpected end of data" in str(error)
                yield FileRow(line, None, _said(error))

    def _texts(self) -> Iterator[str]:
        for raw in self._lines():
            # What is not UTF-8 becomes half surrogate pairs, and those U+FFFD.
            yield raw.decode("utf-8", "surrogateescape")

    def _lines(self) -> Iterator[bytes]:
        while raw := self._read_line():
            if self._begins:
                self._end_record()
                self._begins = self._columns is None
            self._record.append(raw)
            self.line += 1
            self.offset += len(raw)
            if len(raw) > LONGEST_LINE:
                raise ColumnsError(
                    f"line {self.line}: longer than {LONGEST_LINE // 1024} KB: this is not a file of events"
                )
            if self.line == 1 and raw.startswith(_UTF_16):
                raise ColumnsError("the file is in UTF-16; save it in UTF-8")
            yield raw.removeprefix(_BOM) if self.line == 1 else raw

    def _read_line(self) -> bytes:
        try:
            return self._stream.readline(LONGEST_LINE + 1)
        except OSError as error:
            raise ColumnsError(f"it cannot be read behind line {self.line}: {error.strerror}") from None


def _prepared(fields: dict[str, Any]) -> Prepared:
    """The event, with a messageId made of all that it says where it has none: read again, it has the same one."""
    if not fields.get("messageId"):
        known_by = blake2b(write_json(fields), digest_size=16).hexdigest()
        fields = {**fields, "messageId": f"file-{known_by}"}
    return prepare(fields)


def _said(error: Exception) -> str:
    """What is wrong with a row, also where Python's reader says it to programmers."""
    if isinstance(error, csv.Error) and "new-line character" in str(error):
        return "a line ends with a carriage return alone; save the file with the line ends of Unix or Windows"
    return str(error)
