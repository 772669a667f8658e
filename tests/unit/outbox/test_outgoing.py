"""What is remembered of a request on its way, and of a parked contact."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.outbox.outgoing import Outgoing, Parked, Ref

FIRST = Outgoing("PUT", "/contacts/update", '{"name":"Zoë"}'.encode(), None, (Ref(3, "contacts"),))
SECOND = Outgoing("POST", "/events/send", b'{"eventName":"E"}', "segue-1", (Ref(4, "events"), Ref(4, "contacts")))
MERGED = replace(SECOND, refs=(*FIRST.refs, *SECOND.refs), apart=lambda: (FIRST, SECOND), updates=lambda: (FIRST,))
PARKED = Parked(2, 1_700_000_000_000, 1_700_000_009_000, "503", MERGED, since=1_699_999_999_000)
NOTHING_SENT = Parked(0, 0, 9, "it failed", None, since=7, failures=3)


def content(request: Outgoing) -> tuple[Any, ...]:
    """All of a request but the functions that make others."""
    return request.method, request.path, request.body, request.key, request.refs


@pytest.mark.parametrize("request_", [FIRST, SECOND, MERGED])
def test_a_request_is_read_as_it_was_written_and_its_parts_too(request_: Outgoing) -> None:
    read = Outgoing.from_dict(orjson.loads(orjson.dumps(request_.to_dict())))
    assert content(read) == content(request_)
    assert [content(part) for part in read.parts] == [content(part) for part in request_.parts]
    assert read.updates() == (), "of what was parked it is known what was sent before"


@pytest.mark.parametrize(
    "fields",
    [
        *({"method": 5}, {"path": None}, {"body": 5}, {"key": 0}, {"key": []}, {"parts": [5]}, {"refs": 5}),
        *(
            {"refs": [refs]}
            for refs in ([0, 5], ["0", "events"], [0.0, "events"], [True, "events"], [-1, "events"], [0])
        ),
        *({"refs": [[0, "events"], refs]} for refs in ([0, None], [-1, "events"])),
    ],
)
def test_a_request_of_which_a_field_is_damaged_is_not_read(fields: dict[str, Any]) -> None:
    damaged = {**SECOND.to_dict(), **fields}
    with pytest.raises((TypeError, ValueError, AttributeError)):
        Outgoing.from_dict(damaged)
    assert Parked.from_json(orjson.dumps({**orjson.loads(PARKED.to_json()), "request": damaged})).unread


def test_an_event_at_the_head_of_the_outbox_has_place_0() -> None:
    assert content(Outgoing.from_dict({**SECOND.to_dict(), "refs": [[0, "events"]]}))[-1] == (Ref(0, "events"),)


def test_places_are_counted_anew_in_a_merged_request_and_in_its_parts() -> None:
    moved = MERGED.counted_from(3)
    assert moved.refs == (Ref(0, "contacts"), Ref(1, "events"), Ref(1, "contacts"))
    assert [part.refs for part in moved.parts] == [(Ref(0, "contacts"),), (Ref(1, "events"), Ref(1, "contacts"))]
    assert content(moved)[:-1] == content(MERGED)[:-1]
    assert moved.updates() == ()


def test_a_request_that_was_not_merged_has_no_parts() -> None:
    assert (FIRST.parts, FIRST.updates()) == ((), ())


def test_a_parked_record_has_the_form_that_every_version_reads() -> None:
    assert orjson.loads(PARKED.to_json()) == {
        "since": 1_699_999_999_000,
        "attempts": 2,
        "first": 1_700_000_000_000,
        "next": 1_700_000_009_000,
        "because": "503",
        "request": {
            "method": "POST",
            "path": "/events/send",
            "body": '{"eventName":"E"}',
            "key": "segue-1",
            "refs": [[3, "contacts"], [4, "events"], [4, "contacts"]],
            "parts": [
                FIRST.to_dict() | {"refs": [[3, "contacts"]]},
                SECOND.to_dict() | {"refs": [[4, "events"], [4, "contacts"]]},
            ],
        },
    }
    assert orjson.loads(NOTHING_SENT.to_json()) == {
        "since": 7,
        "attempts": 0,
        "first": 0,
        "next": 9,
        "because": "it failed",
        "request": None,
        "failures": 3,
    }


@pytest.mark.parametrize("parked", [PARKED, NOTHING_SENT])
def test_a_parked_record_is_read_as_it_was_written(parked: Parked) -> None:
    read = Parked.from_json(parked.to_json())
    assert replace(read, request=None) == replace(parked, request=None)
    assert (read.request and content(read.request)) == (parked.request and content(parked.request))


def test_a_record_of_the_first_version_has_no_place_and_no_failures() -> None:
    old = b'{"attempts":1,"first":2,"next":3,"because":"429","request":null}'
    assert Parked.from_json(old) == Parked(1, 2, 3, "429", None, since=0, failures=0, unread="")


@pytest.mark.parametrize(
    "raw",
    [
        b"no JSON",
        b"[1,2]",
        b"null",
        b'{"attempts":1}',
        b'{"attempts":1,"first":2,"next":3,"because":"","request":{}}',
        b'{"attempts":1,"first":2,"next":3,"because":"","request":7}',
        b'{"attempts":1,"first":2,"next":"soon","because":"","request":null}',
        b'{"attempts":1,"first":2,"next":3,"because":"","request":null,"new":1}',
        PARKED.to_json().replace(b'"parts":[{', b'"parts":[{"refs":0},{'),
    ],
)
def test_what_cannot_be_read_is_kept_as_it_is_until_a_version_reads_it(raw: bytes) -> None:
    parked = Parked.from_json(raw)
    assert parked == Parked(0, 0, 0, "what is remembered of it cannot be read", None, unread=raw.decode())
    later = replace(parked, failures=2, next=5)
    assert Parked.from_json(later.to_json()) == later


def test_text_that_is_no_utf_8_is_kept_as_far_as_it_can_be() -> None:
    assert Parked.from_json(b"\xffx").unread == "\N{REPLACEMENT CHARACTER}x"


def test_the_record_inside_one_that_could_not_be_read_is_used_once_it_can_be() -> None:
    kept = Parked(
        0, 0, 5, "what is remembered of it cannot be read", None, failures=2, unread=PARKED.to_json().decode()
    )
    read = Parked.from_json(kept.to_json())
    assert replace(read, request=None) == replace(PARKED, request=None, failures=2)
    assert read.request is not None
    assert content(read.request) == content(MERGED)


@given(st.binary(max_size=80))
def test_reading_never_fails_whatever_stands_there(raw: bytes) -> None:
    assert Parked.from_json(raw).request is None
