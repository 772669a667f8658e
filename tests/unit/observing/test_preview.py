"""What mappings make of an event, and why not more."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_tracking_api.body import parse
from segue_tracking_api.intake import MessageSorter
from segue_tracking_api.limits import Limits
from segue_worker.mapping import CompiledMapping, compile_destination_mapping, encode_body
from segue_worker.mapping.values import Values
from segue_worker.observing.preview import DISABLED, NotAnEventError, preview, preview_line, read_event


def mapping(
    name: str, action: str, trigger: str | None = None, *, enabled: bool = True, values: Values = "keep", **fields: Any
) -> CompiledMapping:
    return compile_destination_mapping(
        name=name, action=action, trigger=trigger, enabled=enabled, defaults=True, fields=fields, values=values
    )


CONTACTS = mapping("Contacts", "createOrUpdateContact")
EVENTS = mapping("Events", "sendEvent")
REGISTERED = mapping("Registered", "sendEvent", 'type = "track" and event = "User Registered"')
MAPPINGS = (CONTACTS, EVENTS, REGISTERED)
REPAIRING = (
    mapping("Contacts", "createOrUpdateContact", values="repair"),
    mapping("Events", "sendEvent", values="repair", contactProperties={"also": {"@path": "$.anonymousId"}}),
)


def lines(event: Any, *mappings: CompiledMapping) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(preview_line(json.dumps(event).encode(), mappings or MAPPINGS))
    return found


def test_each_mapping_is_a_request_or_has_a_reason_with_the_value_found() -> None:
    found = lines({"type": "track", "messageId": "m1", "userId": "u1", "event": "Signed Up", "properties": {"a": 1}})
    assert found == {
        "messageId": "m1",
        "requests": [
            {
                "mapping": "Events",
                "method": "POST",
                "path": "/events/send",
                "body": {"eventName": "Signed Up", "userId": "u1", "eventProperties": {"a": 1}},
                "repaired": [],
            }
        ],
        "skipped": [
            {"mapping": "Contacts", "reason": 'type = "identify": found "track"'},
            {"mapping": "Registered", "reason": 'event = "User Registered": found "Signed Up"'},
        ],
        "errors": [],
    }


def test_a_body_is_spelled_as_javascript_would_send_it() -> None:
    event = b'{"type": "identify", "userId": "u1", "traits": {"b": 1.0, "2": "\xc3\xa9", "c": 1e21, "1": null}}'
    line = preview_line(event, [CONTACTS])
    assert (
        b'"body":{"1":null,"2":"\xc3\xa9","b":1,"c":1e+21,"source":"Segment","userId":"u1","mailingLists":{}},' in line
    )


def test_a_mapping_that_fires_and_fails_is_an_error() -> None:
    found = lines({"type": "identify", "traits": {"email": "no address"}})
    assert found["requests"] == []
    assert found["errors"] == [
        {
            "mapping": "Contacts",
            "reason": "userId is missing. Contact Email must be a valid email address string but it was not.",
        }
    ]


def test_a_disabled_mapping_says_so() -> None:
    off = mapping("Off", "createOrUpdateContact", enabled=False)
    found = preview({"type": "identify", "userId": "u1"}, [off, CONTACTS])
    assert found.skipped == (("Off", DISABLED),)
    assert [request.mapping for request in found.requests] == ["Contacts"]


@pytest.mark.parametrize("integrations", [{"All": False}, {"Loops": False}, {"Loops (Actions)": False, "All": True}])
def test_integrations_can_keep_an_event_back_from_every_mapping(integrations: dict[str, bool]) -> None:
    found = preview({"type": "identify", "userId": "u1", "integrations": integrations}, MAPPINGS)
    reason = f"integrations must let the event through to Loops: found {orjson.dumps(integrations).decode()}"
    assert (found.requests, found.errors) == ((), ())
    assert found.skipped == tuple((each.name, reason) for each in MAPPINGS)


def test_integrations_that_name_loops_let_an_event_through() -> None:
    found = preview({"type": "identify", "userId": "u1", "integrations": {"All": False, "Loops": True}}, MAPPINGS)
    assert len(found.requests) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "the line is empty"),
        (b" \r", "the line is empty"),
        (b"{", "not JSON: "),
        (b'{"a": NaN}', "not JSON: "),
        (b'{"type": "\xff"}', "not JSON: "),
        (b"[1]", "an event is a JSON object, but this is a list"),
        (b'"x"', "an event is a JSON object, but this is a string"),
        (b"1", "an event is a JSON object, but this is a number"),
        (b"null", "an event is a JSON object, but this is null"),
        (b"true", "an event is a JSON object, but this is true or false"),
    ],
)
def test_a_line_that_is_no_event_says_why(text: bytes, reason: str) -> None:
    with pytest.raises(NotAnEventError, match=f"^{reason}"):
        read_event(text)
    assert json.loads(preview_line(text, MAPPINGS))["error"].startswith(reason)


@pytest.mark.parametrize(
    ("event", "message_id"),
    [({}, None), ({"messageId": None}, None), ({"messageId": 5}, None), ({"messageId": "m"}, "m")],
)
def test_a_message_id_is_not_required(event: dict[str, Any], message_id: str | None) -> None:
    assert lines(event)["messageId"] == message_id


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
EVENTS_OF_ANY_KIND = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["identify", "track"]) | VALUES,
        "event": st.text() | VALUES,
        "userId": st.text() | VALUES,
        "messageId": st.text() | VALUES,
        "traits": VALUES,
        "properties": VALUES,
        "context": VALUES,
        "integrations": VALUES,
        "email": VALUES,
    },
)
ANY_MAPPINGS = (
    *MAPPINGS,
    mapping("Off", "sendEvent", enabled=False),
    mapping("Either", "sendEvent", 'type = "identify" and (traits.a = 1 or traits.b != "x")', eventName="x"),
    mapping("Lists", "createOrUpdateContact", 'contains(event, "a")', mailingLists={"@path": "$.properties"}),
)


@given(VALUES | EVENTS_OF_ANY_KIND)
def test_every_line_of_json_becomes_one_line_that_accounts_for_every_mapping(value: Any) -> None:
    line = preview_line(json.dumps(value).encode("utf-8", "surrogatepass"), ANY_MAPPINGS)
    assert b"\n" not in line
    found = json.loads(line)
    if "error" in found:
        assert list(found) == ["error"]
        return
    accounted = [each["mapping"] for kind in ("requests", "skipped", "errors") for each in found[kind]]
    assert sorted(accounted) == sorted(each.name for each in ANY_MAPPINGS)
    assert all(each["reason"] for kind in ("skipped", "errors") for each in found[kind])


@given(st.binary(max_size=40))
def test_no_bytes_break_it(line: bytes) -> None:
    assert isinstance(json.loads(preview_line(line, MAPPINGS)), dict)


def test_a_deep_event_breaks_nothing() -> None:
    deep = b'{"a":' * 500 + b"1" + b"}" * 500
    for event in (
        b'{"type":"identify","userId":"u","traits":%b}' % deep,
        b'{"type":"identify","userId":"u","integrations":{"All":false,"other":%b}}' % deep,
    ):
        assert set(json.loads(preview_line(event, MAPPINGS))) >= {"requests"}


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        (b'{"type":"track","userId":777.0,"event":"E","properties":[],"timestamp":5}', None),
        (b'{"type":"track","userId":"u1","event":123,"properties":{"a":"\\ud800"}}', None),
        (b'{"type":"track","userId":"u1","event":"E","properties":{"a":' + b"9" * 5000 + b"}}", None),
        (b'{"type":"track","userId":"u1","event":"E","properties":["a"]}', "properties: must be an object"),
        (b'{"type":"track","event":"E"}', "has no userId"),
        (b'{"type":"page","userId":"u1"}', "type must be identify or track"),
    ],
)
def test_it_says_what_the_tracking_api_would_refuse_by_the_same_checks(line: bytes, refused: str | None) -> None:
    shown = json.loads(preview_line(line, []))
    sorter = MessageSorter(datetime.now(UTC), Limits())
    sorter.sort(0, parse(line))
    assert (refused is None) == ("refused" not in shown) == bool(sorter.intake.accepted)
    assert (refused or "") in shown.get("refused", "")


def bodies_taken(line: bytes) -> list[Any] | None:
    """The bodies that the mappings make of what the Tracking API puts into the outbox; None where it refuses the line."""
    sorter = MessageSorter(datetime.now(UTC), Limits())
    sorter.sort(0, parse(line))
    if not sorter.intake.accepted:
        return None
    found = preview(orjson.loads(sorter.intake.accepted[0].json), REPAIRING)
    return [json.loads(encode_body(request.body)) for request in found.requests]


@pytest.mark.parametrize(
    ("line", "body"),
    [
        (
            b'{"type":"track","userId":9007199254740993,"event":"X"}',
            {"eventName": "X", "userId": "9007199254740993"},
        ),
        (
            b'{"type":"track","userId":123456789012345678901,"anonymousId":1e-7,"event":"X"}',
            {"eventName": "X", "userId": "123456789012345678901", "also": "0.0000001"},
        ),
        (
            b'{"type":"track","userId":1e21,"event":5,"properties":[]}',
            {"eventName": "5", "userId": "1" + "0" * 21, "eventProperties": {}},
        ),
        (
            b'{"type":"identify","userId":"u1","context":{"traits":{"email":"a@example.com","plan":"pro"}}}',
            {"email": "a@example.com", "plan": "pro", "source": "Segment", "userId": "u1", "mailingLists": {}},
        ),
    ],
)
def test_it_shows_what_is_sent_of_the_event_that_the_tracking_api_takes(line: bytes, body: dict[str, Any]) -> None:
    shown = json.loads(preview_line(line, REPAIRING))
    assert [request["body"] for request in shown["requests"]] == [body] == bodies_taken(line)
    assert shown["errors"] == []


@given(EVENTS_OF_ANY_KIND, st.sampled_from(["u1", 2**53 + 1, 2**70, 777.0, 1e22]))
def test_any_event_is_shown_as_it_is_sent(event: dict[str, Any], user_id: Any) -> None:
    line = json.dumps({"type": "identify", "event": "E", "userId": user_id, **event}).encode()
    shown = json.loads(preview_line(line, REPAIRING))
    bodies = bodies_taken(line)
    assert (bodies is None) == ("refused" in shown)
    assert bodies in (None, [request["body"] for request in shown["requests"]])


def test_what_is_kept_is_shown_as_segment_makes_it_with_all_digits_of_ids() -> None:
    event = {"type": "track", "userId": 2**53 + 1, "event": "X", "properties": []}
    assert lines(event, EVENTS)["errors"][0]["reason"] == "Event Properties must be an object but it was an array."
    assert lines({**event, "properties": {}}, EVENTS)["requests"][0]["body"]["userId"] == "9007199254740993"


def test_an_event_as_large_as_the_tracking_api_takes_is_not_refused() -> None:
    event = {"type": "track", "userId": "u1", "event": "X", "properties": {"a": "x" * (32 * 1024 - 100)}}
    assert "refused" not in lines(event)
