"""Entries of an outbox: what a producer writes is what a worker reads."""

from hashlib import blake2b

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_producer import append
from segue_producer.entries import identity, source_of, split_identity
from segue_producer.events import prepare
from segue_producer.keys import Keys
from segue_worker.delivery.requests import idempotency_key
from segue_worker.outbox.entry import partial_entry, read_entry
from segue_worker.outbox.outbox import digest

AT_MS = 1_767_225_600_123
AT = "2026-01-01T00:00:00.123Z"


def entry_of(event: dict[str, object], *, at_ms: int = AT_MS) -> bytes:
    _, args = append.arguments(Keys("loops"), [prepare(event)], now_ms=at_ms)
    entry: bytes = args[-1]
    return entry


def track(**fields: object) -> dict[str, object]:
    return {"type": "track", "userId": "u1", "event": "E", "messageId": "m1", **fields}


def test_an_event_knows_when_it_was_enqueued_and_mappings_can_read_it() -> None:
    waiting = read_entry(entry_of(track()))
    assert (waiting.message_id, waiting.enqueued) == ("m1", AT_MS)
    assert waiting.event is not None
    assert waiting.event["receivedAt"] == AT
    assert orjson.loads(waiting.text) == waiting.event


@pytest.mark.parametrize("received", ["2020-01-01T00:00:00Z", None])
def test_a_time_of_receipt_that_the_event_brings_stays(received: str | None) -> None:
    waiting = read_entry(entry_of(track(receivedAt=received)))
    assert waiting.event is not None
    assert waiting.event["receivedAt"] == received
    assert waiting.enqueued == AT_MS
    assert waiting.text.count("receivedAt") == 1


def test_part_of_an_event_still_knows_when_it_was_enqueued() -> None:
    part = read_entry(partial_entry(read_entry(entry_of(track())).text, done={"events": "delivered"}, only=["a"]))
    assert (part.enqueued, part.done, part.only) == (AT_MS, {"events": "delivered"}, ("a",))
    again = read_entry(partial_entry(part.text))
    assert (again.text, again.enqueued) == (part.text, AT_MS)


def test_a_trace_that_is_none_is_left_out_and_the_event_stays() -> None:
    part = read_entry(partial_entry(read_entry(entry_of(track())).text, trace="no traceparent"))
    assert (part.message_id, part.trace, part.damaged) == ("m1", "", False)


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b" ", b"x", b" 019b76da87b", b"x " + b"9" * 5000, b"5 019b76da87b", b"{} xyzxyzxyzxy", b"[]"),
        *(b"i019b76da87b", b"{t019b76da87b", b"{}i019b76da87b", b'{"messageId":5}t019b76da87b', b"xi019b76da87b"),
    ],
)
def test_what_is_no_event_is_kept_as_it_lies(raw: bytes) -> None:
    waiting = read_entry(raw)
    assert (waiting.raw, waiting.event, waiting.enqueued) == (raw, None, 0)


@given(st.text(), st.integers(min_value=1, max_value=9_999_999_999_999))
def test_whatever_an_event_ends_with_its_stamp_is_told_apart(text: str, at_ms: int) -> None:
    event = track(properties={"last": f"{text} {at_ms:011x}"})
    waiting = read_entry(entry_of(event, at_ms=at_ms))
    assert waiting.event is not None
    assert waiting.event["properties"] == event["properties"]
    assert waiting.enqueued == at_ms


@given(
    st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53) | st.none(), max_size=3),
    st.sampled_from(["identify", "track"]),
    st.sampled_from(["", source_of("a write key")]),
    st.integers(min_value=1, max_value=9_999_999_999_999),
)
def test_an_event_comes_out_of_an_entry_as_it_went_in(
    fields: dict[str, object], kind: str, source: str, at_ms: int
) -> None:
    event = track(properties=fields, type=kind, timestamp=AT)
    prepared = prepare(event, source=source)
    assert orjson.loads(prepared.json) == event
    _, args = append.arguments(Keys("loops"), [prepared], now_ms=at_ms)
    waiting = read_entry(args[-1])
    assert (waiting.raw, waiting.source, waiting.enqueued) == (prepared.json, source, at_ms)
    before = prepared.json + (b" " + source.encode() if source else b"") + b" %011x" % at_ms
    assert read_entry(before) == waiting, "as earlier versions wrote it"
    assert len(args[-1]) == len(before) - len(f'"type":"{kind}",')


def test_an_entry_knows_whose_messageid_it_has_and_the_backend_s_entries_are_as_they_always_were() -> None:
    source = source_of("a write key")
    _, args = append.arguments(Keys("loops"), [prepare(track(), source=source)], now_ms=AT_MS)
    waiting = read_entry(args[-1])
    assert (waiting.message_id, waiting.source, waiting.enqueued) == ("m1", source, AT_MS)
    again = read_entry(waiting.partial())
    assert (again.source, again.identity, again.text) == (source, identity(source, "m1"), waiting.text)
    backend = read_entry(entry_of(track()))
    assert (backend.source, backend.identity) == ("", "m1")
    assert digest(backend.identity) == blake2b(b"m1", digest_size=16).digest()
    assert (
        idempotency_key("loops", "events", "m1")
        == "segue-" + blake2b(b"loops\0events\0m1\0", digest_size=16).hexdigest()
    )


@given(st.text(), st.text())
def test_what_an_event_is_known_by_tells_its_source(key: str, message_id: str) -> None:
    source = source_of(key)
    assert split_identity(identity(source, message_id)) == (source, message_id)
    assert split_identity(identity("", message_id))[0] in {"", message_id[:16]}
