"""What the producer accepts, and the form it gives to it."""

import resource
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_producer import Identify, InvalidEvent, Track
from segue_producer.calls import Call, identify_event, track_event
from segue_producer.events import MAX_EVENT_BYTES, contact_of, prepare

TRACK = {"type": "track", "userId": "u1", "event": "E"}


def resident_bytes() -> int:
    """Of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def stored(event: Any) -> dict[str, Any]:
    fields: dict[str, Any] = orjson.loads(prepare(event).json)
    return fields


def test_every_field_is_kept_as_written_unknown_ones_too() -> None:
    event = {
        **TRACK,
        "messageId": "m1",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "properties": {"price": 1.5, "nested": {"list": [1, None, True, "ü"]}, "none": None},
        "context": {"ip": "203.0.113.1"},
        "integrations": {"All": False, "Loops": {"option": 1}},
        "channel": "server",
        "_metadata": {"x": 1},
        "anonymousId": None,
    }
    assert stored(event) == event


def test_a_missing_message_id_and_timestamp_are_made() -> None:
    prepared = prepare(TRACK)
    fields = orjson.loads(prepared.json)
    assert fields["messageId"] == prepared.message_id
    assert datetime.fromisoformat(fields["timestamp"]).tzinfo is not None
    assert prepare(TRACK).message_id != prepared.message_id


def test_models_are_events_too() -> None:
    assert stored(Identify(userId="u1", traits={"a": 1}))["traits"] == {"a": 1}
    fields = stored(Track(userId="u1", event="E", messageId="m"))
    assert (fields["type"], fields["messageId"]) == ("track", "m")


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), "2026-01-02T03:04:05.678Z"),
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05.000Z"),  # noqa: DTZ001 - one without a zone is meant
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:04:05.000Z"),
    ],
)
def test_datetimes_become_iso_8601_in_utc(moment: datetime, text: str) -> None:
    assert stored({**TRACK, "timestamp": moment})["timestamp"] == text


def test_nan_and_infinity_become_null_as_in_javascript() -> None:
    assert stored({**TRACK, "properties": {"a": float("nan"), "b": float("-inf")}})["properties"] == {
        "a": None,
        "b": None,
    }


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "page"}, "type must be identify or track"),
        ({"type": None}, "type must be identify or track"),
        ({"event": ""}, "event: "),
        ({"event": 5}, "event: "),
        ({"userId": None}, "no userId, email or anonymousId"),
        ({"userId": ""}, "no userId, email or anonymousId"),
        ({"userId": ["u1"]}, "userId: "),
        ({"userId": True}, "userId: "),
        ({"messageId": "m" * 101}, "messageId: "),
        ({"messageId": True}, "messageId: "),
        ({"messageId": {"id": 1}}, "messageId: "),
        ({"userId": 10**5000}, "userId: must be a finite number of at most"),
        ({"userId": float("inf")}, "userId: must be a finite number"),
        ({"properties": {"a": {object(): 1}}}, "properties.a has a key of type object"),
        ({"timestamp": "yesterday"}, "timestamp: must be a datetime, or an ISO 8601"),
        ({"timestamp": 1700000000}, "timestamp: "),
        ({"properties": [1]}, "properties: "),
        ({"context": "x"}, "context: "),
        ({"integrations": {"All": "no"}}, "integrations.All"),
        ({"properties": {"a": "x" * MAX_EVENT_BYTES}}, f"at most {MAX_EVENT_BYTES}"),
        ({"properties": {"a": object()}}, "cannot be written as JSON"),
        ({"properties": nested(5000)}, "cannot be written as JSON"),
    ],
)
def test_what_breaks_the_spec_is_refused_with_the_field_and_never_its_value(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        prepare({**TRACK, **change})
    assert said in str(caught.value)
    assert "yesterday" not in str(caught.value)


@pytest.mark.parametrize("event", ["text", 5, None, [], ["type"]])
def test_what_is_no_event_is_refused(event: Any) -> None:
    with pytest.raises(InvalidEvent):
        prepare(event)


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(InvalidEvent, match=r"messageId.*context|context.*messageId"):
        prepare({**TRACK, "messageId": True, "context": 2})


@pytest.mark.parametrize(
    ("event", "contact"),
    [
        ({"userId": "u1", "traits": {"email": "a@example.com"}}, "u1"),
        ({"userId": 42}, "42"),
        ({"traits": {"email": " A@Example.com "}, "anonymousId": "x"}, "a@example.com"),
        ({"properties": {"email": "a@example.com"}}, "a@example.com"),
        ({"context": {"traits": {"email": "a@example.com"}}}, "a@example.com"),
        ({"email": "a@example.com"}, "a@example.com"),
        ({"anonymousId": "x"}, "x"),
        ({"userId": ""}, None),
        ({}, None),
    ],
)
def test_the_contact_is_user_id_else_email_else_anonymous_id(event: dict[str, Any], contact: str | None) -> None:
    assert contact_of(event) == contact


def test_a_long_identity_becomes_a_short_contact_always_the_same() -> None:
    long = contact_of({"userId": "u" * 5000})
    assert long is not None
    assert len(long) < 100
    assert long == contact_of({"userId": "u" * 5000}) != contact_of({"userId": "u" * 5001})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
field_names = st.sampled_from(
    [
        "type",
        "event",
        "userId",
        "anonymousId",
        "messageId",
        "timestamp",
        "context",
        "traits",
        "properties",
        "integrations",
        "email",
    ]
)


@given(st.dictionaries(field_names | st.text(max_size=5), json_values | st.just("track") | st.just("identify")))
def test_an_event_is_always_taken_or_refused_and_never_changed(event: dict[str, Any]) -> None:
    before = repr(event)
    try:
        prepared = prepare(event)
    except InvalidEvent:
        pass
    else:
        assert 0 < len(prepared.message_id) <= 100
        assert orjson.loads(prepared.json)["messageId"] == prepared.message_id
        assert len(prepared.json) <= MAX_EVENT_BYTES
        assert prepared.contact == contact_of(orjson.loads(prepared.json))
    assert repr(event) == before


ANYTHING = st.recursive(
    json_values
    | st.binary(max_size=5)
    | st.datetimes()
    | st.datetimes(timezones=st.timezones())
    | st.decimals()
    | st.fractions()
    | st.uuids()
    | st.complex_numbers()
    | st.sampled_from([1, 53, 64, 400, 5000]).map(lambda digits: 10**digits + 1)
    | st.text(st.characters(categories=["Cs", "L"]), max_size=5)
    | st.builds(object)
    | st.just(object),
    lambda inner: st.tuples(inner) | st.frozensets(st.integers(), max_size=2) | st.dictionaries(st.integers(), inner),
    max_leaves=5,
)


@given(
    st.tuples(*[ANYTHING] * 6).map(lambda given: Call(*given)),
    ANYTHING,
    st.just("E") | ANYTHING,
    st.booleans(),
)
def test_any_arguments_make_an_event_or_are_refused(call: Call, about: Any, name: Any, is_track: bool) -> None:  # noqa: FBT001 - drawn
    event = track_event(call, name, about) if is_track else identify_event(call, about)
    try:
        prepared = prepare(event)
    except InvalidEvent:
        return
    fields = orjson.loads(prepared.json)
    assert {type(fields.get(each)) for each in ("userId", "anonymousId")} <= {str, type(None)}
    assert fields["messageId"] == prepared.message_id
    datetime.fromisoformat(fields["timestamp"])


_NAMED = (
    *("userId", "anonymousId", "messageId", "traits", "properties", "context"),
    *("timestamp", "originalTimestamp", "sentAt", "event"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, 7, 1.5, "", "u1", "é", "\udc00", "m" * 101, "2026-01-02T03:04:05Z", "2026-01-02", "yesterday"),
    *({}, {"a": 1}, [], ["a"]),
)


@pytest.mark.parametrize("name", _NAMED)
def test_what_a_glance_lets_pass_passes_a_close_look_as_it_is(name: str) -> None:
    def taken(fields: dict[str, Any]) -> Any:
        try:
            prepared = prepare(fields)
        except InvalidEvent as error:
            return str(error)
        kept = orjson.loads(prepared.json)
        made = [each for each in ("messageId", "timestamp") if not fields[each]]
        return prepared.contact, {key: each for key, each in kept.items() if key not in ("integrations", *made)}

    for kind in ("identify", "track"):
        for value in _VALUES:
            event = {**TRACK, "messageId": "m1", "timestamp": "2026-01-02T03:04:05Z", "type": kind, name: value}
            # Any integrations, even none, are looked at closely.
            assert taken(event) == taken({**event, "integrations": {}}), value


def test_what_is_prepared_takes_little_more_than_its_json() -> None:
    events = [prepare({**TRACK, "messageId": f"m{number}"}) for number in range(1000)]
    before = resident_bytes()
    events += [prepare({**TRACK, "messageId": f"n{number}"}) for number in range(20_000)]
    assert resident_bytes() - before < 20_000 * 1000
