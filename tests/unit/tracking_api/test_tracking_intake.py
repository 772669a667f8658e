import json
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_producer.refusals import id_of
from segue_tracking_api.answers import RequestRefused
from segue_tracking_api.intake import Intake, MessageSorter, messages, pieces
from segue_tracking_api.limits import MAX_EVENTS, Limits

RECEIVED = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRACK = {"type": "track", "userId": "u1", "event": "E", "messageId": "m1"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        *("type", "userId", "anonymousId", "event", "messageId", "timestamp", "sentAt", "originalTimestamp"),
        *("context", "integrations", "traits", "properties", "writeKey"),
    ]
)


def read(*sent: Any, limits: Limits | None = None, **batch: Any) -> Intake:
    sorter = MessageSorter(RECEIVED, limits or Limits(), batch)
    for index, message in enumerate(sent):
        sorter.sort(index, message)
    return sorter.intake


def stored(intake: Intake) -> list[dict[str, Any]]:
    return [json.loads(event.json) for event in intake.accepted]


def test_good_events_are_accepted_and_there_is_nothing_to_tell() -> None:
    intake = read(TRACK, {"type": "identify", "anonymousId": 7, "userId": None, "traits": None, "_metadata": {"a": 1}})
    first, second = stored(intake)
    assert first["messageId"] == "m1"
    assert second["messageId"]
    assert second["_metadata"] == {"a": 1}
    assert intake.details() == {}


def test_calls_without_an_action_are_dropped_and_counted() -> None:
    intake = read({"type": "page"}, TRACK, {"type": "group"}, {"type": "page", "userId": []})
    assert intake.details() == {"accepted": 1, "dropped": {"page": 2, "group": 1}, "rejected": []}


def test_bad_events_are_named_and_their_neighbours_taken() -> None:
    intake = read(
        {**TRACK, "userId": ["secret@example.com"]}, TRACK, "track", {**TRACK, "type": "delete"}, {"type": ["track"]}
    )
    assert [event["messageId"] for event in stored(intake)] == ["m1"]
    rejected = [each.to_dict() for each in intake.rejected]
    assert [each["index"] for each in rejected] == [0, 2, 3, 4]
    assert [each["messageId"] for each in rejected[::2]] == ["m1", "m1"]
    # What brings no messageId gets one made from its content, so that the same is found again.
    assert [each["messageId"] for each in rejected[1::2]] == [id_of("track"), id_of({"type": ["track"]})]
    assert rejected[0]["message"] == "userId: must be text or a number"
    assert "secret" not in str(intake.details())


def test_context_and_integrations_of_the_batch_go_into_each_event() -> None:
    own = {**TRACK, "context": {"traits": {"email": "ada@example.com"}}, "integrations": {"Loops": False}}
    intake = read(
        own,
        {**TRACK, "context": None},
        context={"ip": "192.0.2.1", "traits": {"email": "other@example.com", "plan": "Pro"}},
        integrations={"All": False, "Loops": True},
    )
    first, second = stored(intake)
    assert first["context"] == {"ip": "192.0.2.1", "traits": {"email": "ada@example.com", "plan": "Pro"}}
    assert first["integrations"] == {"All": False, "Loops": False}
    assert second["context"]["traits"]["email"] == "other@example.com"


def test_traits_may_stand_in_the_context_of_an_identify_alone() -> None:
    traits = {"email": "ada@example.com", "text": "x" * 20_000}
    identify = {"type": "identify", "userId": "u1", "context": {"traits": traits}}
    first, second, third = stored(
        read(
            {**identify, "traits": {}},
            {**identify, "traits": {"plan": "Pro"}},
            {**TRACK, "context": {"traits": traits}},
        )
    )
    assert first["traits"] == first["context"]["traits"] == traits
    assert second["traits"] == {"plan": "Pro"}
    assert "traits" not in third
    (repaired,) = stored(read({**identify, "context": {"traits": {"a": "\ud800"}}}))
    assert repaired["traits"] == {"a": "\ufffd"}


def test_traits_may_stand_in_the_context_of_the_batch() -> None:
    traits = {"email": "ada@example.com", "plan": "Pro", "text": "x" * 20_000}
    identify = {"type": "identify", "userId": "u1"}
    first, second, third, fourth = stored(
        read(
            identify,
            {**identify, "context": {"traits": {"plan": "Free"}}},
            {**identify, "traits": {"plan": "Own"}},
            TRACK,
            context={"traits": traits},
        )
    )
    assert first["traits"] == traits
    assert second["traits"] == second["context"]["traits"] == {**traits, "plan": "Free"}
    assert third["traits"] == {"plan": "Own"}
    assert "traits" not in fourth


def test_a_write_key_is_not_stored() -> None:
    assert "writeKey" not in stored(read({**TRACK, "writeKey": "secret"}))[0]


def test_an_event_may_have_32_kb_and_no_more() -> None:
    def sized(size: int) -> dict[str, Any]:
        event = {**TRACK, "timestamp": "2026-03-01T12:00:00Z", "properties": {"text": ""}}
        event["properties"] = {"text": "x" * (size - len(json.dumps(event, separators=(",", ":"))))}
        return event

    intake = read(sized(32 * 1024), sized(33 * 1024), sentAt="2026-03-01T12:00:00Z")
    assert len(intake.accepted) == 1
    assert [each.index for each in intake.rejected] == [1]


@pytest.mark.parametrize("batch", [{"context": {"a": "x" * 40_000}}, {"integrations": {"Loops": {"a": "x" * 40_000}}}])
def test_what_spoils_every_event_refuses_the_batch(batch: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused) as caught:
        read(TRACK, **batch)
    assert (caught.value.status, caught.value.code) == (400, "invalid_batch")


def test_a_batch_cannot_grow_without_bound() -> None:
    with pytest.raises(RequestRefused) as caught:
        read(*[TRACK] * 100, limits=Limits(batch_bytes=10_000), context={"a": "x" * 2000})
    assert caught.value.status == 413


def test_more_events_than_a_batch_may_have_are_rejected_in_one_entry() -> None:
    listed = messages({"batch": [TRACK] * (MAX_EVENTS + 5)})
    taken = [index for piece in pieces(listed, 250) for index, _ in piece]
    assert taken == list(range(MAX_EVENTS))
    sorter = MessageSorter(RECEIVED, Limits())
    sorter.reject_rest(MAX_EVENTS, [{**TRACK, "messageId": str(number)} for number in range(5)])
    (rejected,) = sorter.intake.rejected
    assert (sorter.intake.unlisted, rejected.refused.further) == (4, ("0", "1", "2", "3", "4"))


def test_events_beyond_the_longest_batch_are_known_by_every_id_that_is_one() -> None:
    sorter = MessageSorter(RECEIVED, Limits())
    ids = ["late", "\ud800abc", 77, 78.0, None, "", True, [], float("nan"), "x" * 101]
    sorter.reject_rest(MAX_EVENTS, [*({**TRACK, "messageId": each} for each in ids), "track", None])
    (rejected,) = sorter.intake.rejected
    assert rejected.refused.further == ("late", "\ufffdabc", "77", "78")


KEYED: list[Any] = [
    {**TRACK, "type": "delete", "writeKey": "secret"},
    {"writeKey": "secret", "batch": [{**TRACK, "writeKey": "secret"}]},
    [{**TRACK, "writeKey": "secret"}, [{"writeKey": "secret"}]],
]


@pytest.mark.parametrize("message", KEYED)
def test_no_write_key_is_kept_of_what_is_rejected(message: Any) -> None:
    assert "secret" not in str(read(deepcopy(message)).rejected)
    sorter = MessageSorter(RECEIVED, Limits())
    sorter.reject_rest(MAX_EVENTS, [deepcopy(message)])
    (rejected,) = sorter.intake.rejected
    assert "secret" not in str(rejected)
    assert "messageId" in str(rejected.refused.event)


@pytest.mark.parametrize(("sent", "known"), [(12, "12"), (12.0, "12"), (0, "0"), ("\ud800", "\ufffd")])
def test_what_is_rejected_is_known_by_the_id_that_it_would_have_had(sent: Any, known: str) -> None:
    (rejected,) = read({"type": "bogus", "messageId": sent}).rejected
    assert rejected.refused.message_id == known


def test_two_events_that_are_nested_too_deep_are_two() -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    batch = [{"type": "track", "event": "E", "userId": name, "properties": deep} for name in ("u1", "u2")]
    first, second = read(*batch).rejected
    assert first.refused.message_id != second.refused.message_id


@pytest.mark.parametrize("body", [{}, {"batch": None}, {"batch": {}}, {"batch": "[]"}])
def test_a_body_without_a_batch_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused, match="batch"):
        messages(body)


def test_deep_nesting_rejects_one_event() -> None:
    deep: dict[str, Any] = {}
    for _ in range(900):
        deep = {"a": deep}
    intake = read({**TRACK, "context": deep}, TRACK)
    assert (len(intake.accepted), len(intake.rejected)) == (1, 1)


TAKEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"properties": []}, {"properties": {}}),
    ({"traits": []}, {"traits": {}}),
    ({"traits": ""}, {"traits": {}}),
    ({"context": []}, {"context": {}}),
    ({"context": "Chrome"}, {"context": None}),
    ({"integrations": []}, {"integrations": {}}),
    ({"integrations": "All"}, {"integrations": None}),
    ({"integrations": {"Facebook": "yes", "Loops": False}}, {"integrations": {"Loops": False}}),
    ({"timestamp": 1700000000}, {"timestamp": "2026-03-01T12:00:00.000Z", "originalTimestamp": None}),
    ({"timestamp": "2023-01-02 03:04:05 UTC"}, {"timestamp": "2026-03-01T12:00:00.000Z"}),
    ({"timestamp": ""}, {"timestamp": "2026-03-01T12:00:00.000Z"}),
    ({"timestamp": "2016-12-31T23:59:60Z"}, {"timestamp": "2026-03-01T12:00:00.000Z"}),
    ({"originalTimestamp": {}, "sentAt": 5}, {"originalTimestamp": None, "sentAt": None}),
    ({"messageId": 12}, {"messageId": "12"}),
    ({"event": 123}, {"event": "123"}),
    ({"event": 1.0}, {"event": "1"}),
    ({"properties": {"text": "a\ud800b"}}, {"properties": {"text": "a\ufffdb"}}),
    ({"event": "\udfff"}, {"event": "\ufffd"}),
    ({"userId": 777.0}, {"userId": "777"}),
    ({"userId": 2**53 + 1}, {"userId": "9007199254740993"}),
    ({"anonymousId": None, "_metadata": {"bundled": []}}, {"_metadata": {"bundled": []}}),
]
"""What harms nobody: what is sent besides TRACK, and what becomes of it."""


@pytest.mark.parametrize(("sent", "becomes"), TAKEN)
def test_what_is_harmless_is_taken(sent: dict[str, Any], becomes: dict[str, Any]) -> None:
    (event,) = stored(read({**TRACK, **sent}))
    assert {name: event.get(name) for name in becomes} == becomes


@pytest.mark.parametrize("name", ["context", "integrations"])
@pytest.mark.parametrize("value", [[], "", None, "All", 5, ["x"], {"a": "\ud800"}])
def test_what_a_batch_has_for_all_of_them_spoils_none(name: str, value: Any) -> None:
    (event,) = stored(read(TRACK, **{name: value}))
    assert isinstance(event.get(name, {}), dict)


@pytest.mark.parametrize(
    ("sent", "word"),
    [
        ({"properties": ["a"]}, "malformed"),
        ({"traits": "x"}, "malformed"),
        ({"userId": {}}, "malformed"),
        ({"event": None}, "malformed"),
        ({"event": True}, "malformed"),
        ({"event": float("nan")}, "malformed"),
        ({"userId": None}, "no_identity"),
        ({"type": "delete"}, "type"),
        ({"properties": {"a": "x" * 40_000}}, "too_large"),
    ],
)
def test_what_cannot_be_repaired_is_handed_over_with_the_reason(sent: dict[str, Any], word: str) -> None:
    intake = read({**TRACK, "writeKey": "secret", **sent})
    (rejected,) = intake.rejected
    assert (rejected.refused.word, rejected.refused.message_id) == (word, "m1")
    assert "writeKey" not in rejected.refused.event


@given(st.lists(JSON | st.dictionaries(FIELDS, JSON) | st.just(TRACK), max_size=5))
def test_every_message_is_accepted_dropped_or_rejected(sent: list[Any]) -> None:
    intake = read(*sent, context={"library": {"name": "test"}})
    assert len(intake.accepted) + intake.dropped.total() + len(intake.rejected) == len(sent)
    assert len(intake.accepted) >= sent.count(TRACK)
    json.dumps(intake.details(), ensure_ascii=False).encode()
    for event in stored(intake):
        assert event["messageId"]
        assert event["timestamp"]
