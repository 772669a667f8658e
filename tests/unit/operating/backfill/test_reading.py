"""Files of events: what becomes of each line, and that it is known again."""

import csv
import io
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.operating.backfill import ColumnsError, EventFile, FileRow

IDENTIFY = {"type": "identify"}


def read(
    text: str | bytes, *, as_csv: bool = True, types: dict[str, str] | None = None, **defaults: str
) -> list[FileRow]:
    raw = text if isinstance(text, bytes) else text.encode()
    return list(EventFile(io.BytesIO(raw), as_csv=as_csv, defaults=IDENTIFY | defaults, types=types))


def events(records: list[FileRow]) -> list[dict[str, Any]]:
    found = [json.loads(record.event.json) for record in records if record.event]
    return [{name: value for name, value in event.items() if name not in {"timestamp", "messageId"}} for event in found]


def test_a_row_is_an_identify_event() -> None:
    records = read("userId,email,firstName\nu1,ada@example.com,Ada\n")
    assert events(records) == [
        {"type": "identify", "userId": "u1", "traits": {"email": "ada@example.com", "firstName": "Ada"}}
    ]


def test_a_row_is_a_track_event_of_its_person() -> None:
    text = "userId,email,plan,event\nu1,ada@example.com,pro,\nu2,,free,Left\n"
    first, second = events(read(text, type="track", event="Joined"))
    assert first == {
        "type": "track",
        "event": "Joined",
        "userId": "u1",
        "properties": {"plan": "pro"},
        "context": {"traits": {"email": "ada@example.com"}},
    }
    assert second == {"type": "track", "event": "Left", "userId": "u2", "properties": {"plan": "free"}}


def test_a_file_of_a_spreadsheet_is_read_as_it_is_meant() -> None:
    text = '\ufeffuserId,note,empty\r\nu1,"two\r\nlines, and ""quotes""",\r\n\r\nu2,one\r\n'
    records = read(text)
    assert [record.line for record in records] == [2, 5], "as an editor numbers them"
    assert events(records) == [
        {"type": "identify", "userId": "u1", "traits": {"note": 'two\r\nlines, and "quotes"'}},
        {"type": "identify", "userId": "u2", "traits": {"note": "one"}},
    ]


def test_half_a_surrogate_pair_in_a_line_is_repaired_as_everywhere() -> None:
    lines = rb"""{"userId": "u1", "traits": {"bio": "cut off \ud83d", "n": 12345678901234567890}}
{"userId": "u2", "traits": {"\ude00": "\ud83d\ude00"}}
{"userId": "u3", "traits": {"bio": "\ud83d"}
["\ud83d"]
"""
    records = read(lines, as_csv=False)
    assert [event["traits"] for event in events(records)] == [
        {"bio": "cut off \ufffd", "n": 12345678901234567890},
        {"\ufffd": "\U0001f600"},
    ]
    assert [record.line for record in records if not record.event] == [3, 4]


def test_events_that_differ_in_anything_have_different_messageids() -> None:
    long = "Subscription Plan Changed By Account Administrator In The Console"
    files = [
        *(read("userId,plan\n8,gold\n"), read("userId,tier\n8,gold\n"), read("userId,plan\n8,41\n")),
        *(read("userId,plan\n8,41\n", types={"plan": "number"}), read("userId,plan:number\n8,42\n")),
        *(read("userId,plan\n8,gold\n", type="track", event=f"{long} ({way})") for way in ("up", "down")),
        *(read('{"userId": "8", "a": 1}\n', as_csv=False), read('{"userId": "8", "a": "1"}\n', as_csv=False)),
    ]
    ids = [record.event.message_id for records in files for record in records if record.event]
    assert len(set(ids)) == len(ids) == len(files)
    (again,) = read("plan,userId\ngold,8\n")
    assert again.event is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("userId,plan\n1,a\n".encode("utf-16"), "UTF-16; save it in UTF-8"),
        (b"\nuserId\n1\n", "line 1: it is empty"),
        (b"userId;plan\n1;a\n", "separated by semicolons"),
        (b"userId,plan\r1,a\r", "carriage return alone"),
    ],
)
def test_a_file_of_another_kind_is_told_as_a_whole(text: bytes, said: str) -> None:
    with pytest.raises(ColumnsError, match=said):
        read(text)


def test_a_file_that_cannot_be_read_is_told() -> None:
    class Broken(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().readline(size)

    file = EventFile(Broken(b'{"userId": "u1"}\n{}'), as_csv=False, defaults=IDENTIFY)
    with pytest.raises(ColumnsError, match="cannot be read behind line 1: Input/output error"):
        list(file)


def test_columns_have_types() -> None:
    text = "userId,age:number,vip,createdAt,code\nu1,41,yes,2026-01-31T09:30:00.5Z,007\nu2,1.5,0,2026-01-31,\n"
    assert [event["traits"] for event in events(read(text, types={"vip": "boolean", "createdAt": "date"}))] == [
        {"age": 41, "vip": True, "createdAt": "2026-01-31T09:30:00.500Z", "code": "007"},
        {"age": 1.5, "vip": False, "createdAt": "2026-01-31"},
    ]


def test_dates_are_written_as_loops_takes_them() -> None:
    cells = ["20260131", "2026-W05-6", "20260131T0930", "2026-01-31T09", "2026-01-31T09:30:00+02:00"]
    text = "userId,since:date\n" + "".join(f"u1, {cell}\n" for cell in cells)
    assert [event["traits"]["since"] for event in events(read(text))] == [
        "2026-01-31",
        "2026-01-31",
        "2026-01-31T09:30:00.000",
        "2026-01-31T09:00:00.000",
        "2026-01-31T09:30:00.000+02:00",
    ]


@pytest.mark.parametrize("id_", ["u1", "123456789012345678901"])
def test_what_a_producer_repairs_is_repaired_in_a_line(id_: str) -> None:
    line = f'{{"userId": "{id_}", ' + '"traits": {"a": NaN, "b": 1e999, "c": "\\ud83d!"}}\n'
    assert [event["traits"] for event in events(read(line, as_csv=False))] == [{"a": None, "b": None, "c": "\ufffd!"}]


def test_a_named_event_does_not_become_an_identify_unseen() -> None:
    rows = read("userId,event,type\nu1,Joined,\nu2,Joined,track\nu3,Joined,identify\n")
    lines = read('{"userId": "u1", "event": "Joined"}\n{"userId": "u2", "event": null}\n', as_csv=False)
    for wrong in (rows[0], lines[0]):
        assert "has the name of an event, which an identify has not; give --type track" in wrong.wrong
    assert [each.wrong for each in (*rows[1:], lines[1])] == ["", "", ""]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("as_csv", [True, False])
def test_a_last_line_that_is_ended_later_is_one_line(end: str, *, as_csv: bool) -> None:
    rows = ["userId", "u1", "u2", "u3"] if as_csv else [f'{{"userId": "u{number}"}}' for number in range(1, 5)]
    first = EventFile(io.BytesIO(end.join(rows[:2]).encode()), as_csv=as_csv, defaults=IDENTIFY)
    assert len(list(first)) == 2 - as_csv
    again = EventFile(io.BytesIO(f"{end.join(rows)}{end}".encode()), as_csv=as_csv, defaults=IDENTIFY)
    assert again.skip(first.position())
    assert [record.line for record in again] == [3, 4]
    whole = EventFile(io.BytesIO(f"{end.join(rows)}{end}".encode()), as_csv=as_csv, defaults=IDENTIFY)
    assert whole.skip(again.position())
    assert whole.line == 4


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"userId": "u1"} {}', "it is no JSON from column 18 on (Extra data)"),
        (b'{"userId": "\xff"}', "it is not in UTF-8"),
        (b"[" * 100_000, "it is nested too deep"),
        (b"[]", "it is not a JSON object"),
    ],
)
def test_a_line_that_is_no_event_is_told_why(line: bytes, why: str) -> None:
    _, wrong = read(b'{"userId": "u1"}\n' + line, as_csv=False)
    assert wrong == (2, None, f"not an event: {why}")


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ("u1,x", "age: must be a number"),
        ("u1,inf", "age: must be a finite number"),
        ("u1,1,2", "it has 3 cells, and the header names 2"),
        (",1", "has no userId, email or anonymousId"),
        ('u1,"1', "unexpected end of data"),
    ],
)
def test_a_row_at_fault_is_named_and_its_neighbours_are_read(row: str, wrong: str) -> None:
    first, second, *_ = read(f"userId,age:number\nu0,1\n{row}\n")
    assert (first.line, first.wrong) == (2, "")
    assert second.line == 3
    assert wrong in second.wrong


@pytest.mark.parametrize(
    ("header", "types", "wrong"),
    [
        ("userId,a,a", {}, "'a' is there twice"),
        ("userId,,b", {}, "has no name"),
        ("userId,a", {"b": "number"}, "no column 'b'"),
        ("userId,a", {"a": "money"}, "a=money"),
    ],
)
def test_a_header_at_fault_refuses_the_file(header: str, types: dict[str, str], wrong: str) -> None:
    with pytest.raises(ColumnsError, match=wrong):
        read(f"{header}\n", types=types)


def test_a_line_is_an_event() -> None:
    lines = ['{"userId": 123456789012345678901, "traits": {"a": 1}}', "", "nonsense", "[1]", '{"userId": "u2"}']
    records = read("\n".join(lines), as_csv=False)
    assert [(record.line, bool(record.wrong)) for record in records] == [(1, False), (3, True), (4, True), (5, False)]
    assert events(records)[0] == {"type": "identify", "userId": "123456789012345678901", "traits": {"a": 1}}


def test_a_file_without_lines_is_refused() -> None:
    with pytest.raises(ColumnsError, match="line 1: longer than 1024 KB"):
        read(bytes(3 * 1024 * 1024), as_csv=False)


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=10))
def test_what_csv_writes_is_read(rows: list[tuple[str, str]]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("userId", "note"), *(("u1", note + second) for note, second in rows)])
    assert [event["traits"].get("note", "") for event in events(read(file.getvalue()))] == [a + b for a, b in rows]


@given(raw=st.binary(max_size=300), as_csv=st.booleans())
def test_any_bytes_are_read_to_their_end_or_refused_with_a_reason(*, raw: bytes, as_csv: bool) -> None:
    records = []
    with suppress(ColumnsError):
        records = read(raw, as_csv=as_csv)
    assert all(record.event or record.wrong for record in records)


def test_a_line_is_known_by_its_content_and_by_what_it_was_made_into() -> None:
    text = '{"userId": "u1"}\n{"userId": "u1"}\n{"userId": "u2"}\n{"userId": "u3", "messageId": "mine"}'
    ids = [record.event.message_id for record in read(text, as_csv=False) if record.event]
    assert ids[0] == ids[1] != ids[2]
    assert ids[3] == "mine"
    assert ids == [record.event.message_id for record in read(text, as_csv=False) if record.event]
    other = [record.event.message_id for record in read(text, as_csv=False, type="track", event="E") if record.event]
    assert not set(ids[:3]) & set(other)
