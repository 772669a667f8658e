"""Reads files of events, as JSON Lines or CSV, a record at a time."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import IO, Any, Final, NamedTuple

import orjson

from segue_producer.errors import InvalidEvent
from segue_producer.events import Prepared, prepare
from segue_producer.values import read_integer
from segue_worker.operating.backfill.rows import Columns, ColumnsError

LONGEST_LINE: Final = 1024 * 1024
"""Bytes of a line; an event has at most 32 KB."""
_LONGEST_CELL: Final = 128 * 1024
"""Characters of a CSV cell, so that a quote that is never closed does not swallow the file."""
_BOM: Final = b"\xef\xbb\xbf"
_LONG: Final = re.compile(rb"\d{19}")


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
        self._key = repr(sorted(defaults.items())).encode()[:64]
        self._columns: Columns | None = None
        self.line = self.offset = 0
        if as_csv:
            csv.field_size_limit(_LONGEST_CELL)
            self._reader = csv.reader(self._texts(), strict=True)
            try:
                header = next(self._reader, [])
            except csv.Error as error:
                raise ColumnsError(f"line 1: {error}") from None
            self._columns = Columns(header, types or {})

    @property
    def digest(self) -> str:
        """Of all that was read."""
        return self._hash.hexdigest()

    def skip(self, offset: int, digest: str, line: int) -> bool:
        """Go on behind what was read another time, if the file still begins with that. Returns whether it does.

        The stream must be seekable. Where the file begins otherwise, reading goes on where it was.
        """
        known, here = self._hash.copy(), self._stream.tell()
        left = offset - self.offset
        while left > 0 and (part := self._stream.read(min(left, LONGEST_LINE))):
            known.update(part)
            left -= len(part)
        if left or known.hexdigest() != digest:
            self._stream.seek(here)
            return False
        self._hash, self.offset, self.line = known, offset, line
        return True

    def __iter__(self) -> Iterator[FileRow]:
        yield from self._rows() if self._columns else self._json_lines()

    def _json_lines(self) -> Iterator[FileRow]:
        for raw in self._lines():
            if not raw.strip():
                continue
            try:
                # orjson reads an integer of more than 64 bits as the nearest double, and an id must keep its digits.
                fields = json.loads(raw, parse_int=read_integer) if _LONG.search(raw) else orjson.loads(raw)
                if isinstance(fields, dict):
                    yield FileRow(self.line, self._prepared({**self._defaults, **fields}, raw.strip()))
                else:
                    yield FileRow(self.line, None, "not an event: it is not a JSON object")
            except InvalidEvent as error:
                yield FileRow(self.line, None, str(error).removeprefix("event: "))
            except (ValueError, RecursionError) as error:
                yield FileRow(self.line, None, f"not an event: {error}")

    def _rows(self) -> Iterator[FileRow]:
        columns = self._columns
        while columns:
            line = self.line + 1
            try:
                row = next(self._reader)
                if row:
                    content = "\x1f".join(row).encode("utf-8", "surrogateescape")
                    yield FileRow(line, self._prepared(columns.event(row, self._defaults), content))
            except StopIteration:
                return
            except InvalidEvent as error:
                yield FileRow(line, None, str(error).removeprefix("event: "))
            except (ValueError, csv.Error) as error:
                yield FileRow(line, None, str(error))

    def _prepared(self, fields: dict[str, Any], content: bytes) -> Prepared:
        """The event, with a messageId made of its content where it has none: read again, it has the same one."""
        if not fields.get("messageId"):
            known_by = blake2b(content, digest_size=16, key=self._key).hexdigest()
            fields = {**fields, "messageId": f"file-{known_by}"}
        return prepare(fields)

    def _texts(self) -> Iterator[str]:
        for raw in self._lines():
            # What is not UTF-8 becomes half surrogate pairs, and those U+FFFD.
            yield raw.decode("utf-8", "surrogateescape")

    def _lines(self) -> Iterator[bytes]:
        while raw := self._stream.readline(LONGEST_LINE + 1):
            self.line += 1
            self.offset += len(raw)
            self._hash.update(raw)
            if len(raw) > LONGEST_LINE:
                raise ColumnsError(
                    f"line {self.line}: longer than {LONGEST_LINE // 1024} KB: this is not a file of events"
                )
            yield raw.removeprefix(_BOM) if self.line == 1 else raw
