"""What the task segue.enqueue makes of whatever it is given: enqueued + kept = given."""

import re
from datetime import UTC, datetime
from typing import Any
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils import json as kombu_json

from segue_worker.process.enqueuing import Sorted, read_arguments, sort, well_formed
from segue_worker.process.task_json import loads

GOOD = {"type": "track", "userId": "u1", "event": "E"}
SERVED = {"loops", "second"}


def outcome(events: Any, destinations: Any = ("loops",), **options: Any) -> Sorted:
    return sort("task", events, destinations, SERVED, **options)


def test_what_can_be_enqueued_is_told_from_what_cannot() -> None:
    found = outcome([GOOD, {"type": "page"}, {**GOOD, "messageId": "m"}, 5])
    assert [prepared.message_id for prepared, _ in found.good] == ["task-0", "m"]
    assert [(each.message_id, each.word) for each in found.refused["loops"]] == [
        ("task-1", "type"),
        ("task-3", "malformed"),
    ]


@pytest.mark.parametrize(("sent", "known"), [(12, "12"), (12.0, "12"), ("\ud800", "\ufffd"), (0, "task-0")])
def test_what_cannot_be_enqueued_is_known_by_the_id_that_it_would_have_had(sent: Any, known: str) -> None:
    (kept,) = outcome([{"type": "page", "messageId": sent}]).refused["loops"]
    assert kept.message_id == known


@pytest.mark.parametrize("destinations", ["loops", ["loops"], ("loops", "loops")])
def test_a_single_name_and_a_single_event_may_stand_by_themselves(destinations: Any) -> None:
    found = outcome(GOOD, destinations)
    assert (found.destinations, len(found.good), found.refused) == (("loops",), 1, {})


@pytest.mark.parametrize("destinations", [["nope"], ["Nope!"], [5], [["loops"]]])
def test_events_for_a_destination_that_nobody_serves_are_kept_and_other_destinations_get_them(
    destinations: Any,
) -> None:
    found = outcome([GOOD], [*destinations, "loops"])
    (kept,) = found.refused[""]
    assert (found.destinations, len(found.good)) == (("loops",), 1)
    assert (kept.message_id, kept.reason) == ("task-0", "misaddressed")
    assert "known are loops, second" in kept.detail


@pytest.mark.parametrize("destinations", [None, 5, [], {}, {"loops": 1}])
def test_events_without_a_destination_are_kept(destinations: Any) -> None:
    found = outcome([GOOD], destinations)
    (kept,) = found.refused[""]
    assert (found.good, found.destinations, kept.word) == ([], (), "arguments")


def test_unknown_arguments_keep_everything() -> None:
    found = outcome([GOOD], besides="more than it knows")
    assert (found.good, found.refused["loops"][0].detail) == ([], "more than it knows")


OTHER = {**GOOD, "messageId": "other"}


@pytest.mark.parametrize("nothing", [None, [], {}, "", 0])
def test_php_s_empty_array_and_null_are_no_arguments(nothing: Any) -> None:
    assert well_formed([[GOOD]], nothing) == ([[GOOD]], {})
    assert well_formed(nothing, {"events": [GOOD]}) == ([], {"events": [GOOD]})


@pytest.mark.parametrize(
    ("args", "kwargs", "events"),
    [
        ([[GOOD], ["loops"], "bulk"], {}, [GOOD]),
        ([], {"events": [GOOD], "destinations": ["loops"], "lane": "bulk"}, [GOOD]),
        ({"events": [GOOD], "lane": "bulk"}, [], [GOOD]),
        (GOOD, {"lane": "bulk"}, GOOD),
    ],
)
def test_arguments_are_taken_by_position_and_by_name(args: Any, kwargs: Any, events: Any) -> None:
    assert read_arguments(*well_formed(args, kwargs)) == (events, ANY, "bulk", "")


@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [
        ([[GOOD]], {"events": [OTHER]}, "events: given both by position and by name"),
        ([[GOOD]], {"events": OTHER}, "given both"),
        ([[GOOD], ["loops"]], {"events": [OTHER], "destinations": ["second"]}, "events and destinations: given both"),
        ({"events": [GOOD]}, {"events": [OTHER]}, "an object stands where|given both"),
        ([[GOOD]], [OTHER], "unknown arguments: 1"),
        ([[GOOD]], {"event": OTHER}, "unknown arguments: 1"),
        ([[GOOD], ["loops"], "live", OTHER], {}, "unknown arguments: 1"),
        ([GOOD, OTHER], {}, "an object stands where destinations or the lane belong"),
        ([GOOD, ["loops"], OTHER], {}, "lane must be"),
        ([[GOOD, OTHER]], {"lane": {}}, "lane must be"),
        ([[GOOD, OTHER]], {"lane": "slow"}, "lane must be"),
    ],
)
def test_arguments_that_cannot_be_are_told_with_every_event_in_them(args: Any, kwargs: Any, said: str) -> None:
    found = read_arguments(*well_formed(args, kwargs))
    assert re.search(said, found.besides)
    listed = outcome(found.events, found.destinations, besides=found.besides)
    kept = [each for refused in listed.refused.values() for each in refused]
    assert listed.good == []
    assert "other" in {each.message_id for each in kept}
    assert any(isinstance(each.event, dict) and GOOD.items() <= each.event.items() for each in kept)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just({"__type__": "x"}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
EVENTS = st.fixed_dictionaries({"type": st.sampled_from(["track", "identify", "page", 5])}, optional={
    "userId": JSON, "anonymousId": JSON, "event": JSON, "properties": JSON, "messageId": JSON, "timestamp": JSON,
})  # fmt: skip


@given(st.lists(EVENTS | JSON, max_size=5), st.sampled_from([["loops"], ["second", "loops"], "loops", ["nope"], 7]))
def test_every_event_is_enqueued_or_kept(events: list[Any], destinations: Any) -> None:
    found = outcome(events, destinations)
    kept = [each for refused in found.refused.values() for each in refused]
    for name in found.destinations:
        assert len(found.good) + len(found.refused.get(name, ())) == len(events)
    if not found.destinations:
        assert len(kept) >= len(events)
    assert all(isinstance(each.message_id, str) and each.message_id for each in kept)


@pytest.mark.parametrize(
    "value",
    [
        {"__type__": "x", "__value__": 1},
        {"__type__": "datetime", "__value__": 1},
        {"__type__": "uuid", "__value__": {}},
        {"__type__": ["x"], "__value__": 1},
    ],
)
def test_a_property_that_looks_like_one_of_kombu_s_own_values_stays(value: Any) -> None:
    assert loads(kombu_json.dumps({"properties": value})) == {"properties": value}


def test_task_messages_are_read_as_kombu_wrote_them() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert loads(kombu_json.dumps({"at": moment, "n": 2**70}).encode()) == {"at": moment, "n": 2**70}
    assert loads('{"n": ' + "9" * 5000 + "}") == {"n": float("inf")}
