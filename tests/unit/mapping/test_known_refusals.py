from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from segue_worker.mapping import Request
from segue_worker.mapping.known_refusals import is_refused, refusals


def _refusals(body: dict[str, Any]) -> list[str]:
    return refusals(Request("m", "sendEvent", "POST", "/events/send", body))


def test_values_count_with_their_quotes() -> None:
    assert _refusals({"bio": "x" * 498, "n": 1, "nul": None, "flag": True}) == []
    assert _refusals({"bio": "x" * 499}) == ["bio: the value is longer than 500 characters, quotes included"]
    assert _refusals({"bio": "\n" * 250}) == ["bio: the value is longer than 500 characters, quotes included"]


def test_event_properties_are_looked_into() -> None:
    assert _refusals({"eventProperties": {"bio": "x" * 600, "ok": 1}, "mailingLists": {"a": True}}) == [
        "eventProperties.bio: the value is longer than 500 characters, quotes included"
    ]


def test_objects_and_lists_are_no_property_values() -> None:
    assert _refusals({"address": {"city": "London"}, "tags": ["a"], "eventProperties": {"items": []}}) == [
        "address: objects aren't allowed as property values; flatten it or leave it out",
        "tags: lists aren't allowed as property values; flatten it or leave it out",
        "eventProperties.items: lists aren't allowed as property values; flatten it or leave it out",
    ]


def test_long_keys_are_named_in_part_and_values_never() -> None:
    (problem,) = _refusals({"k" * 600: "secret"})

    assert problem == f"{'k' * 40}…: the key is longer than 500 characters, quotes included"


keys = st.text(max_size=600) | st.sampled_from(["eventProperties", "mailingLists"])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**490, 10**510)
    | st.floats(allow_nan=False)
    | st.text(max_size=700),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(keys, values, max_size=4))
def test_a_glance_says_what_the_whole_look_says(body: dict[str, Any]) -> None:
    request = Request("m", "sendEvent", "POST", "/events/send", body)
    assert is_refused(request) == bool(refusals(request))


def test_an_object_in_event_properties_is_seen_whatever_its_name() -> None:
    assert is_refused(
        Request("m", "sendEvent", "POST", "/events/send", {"eventProperties": {"mailingLists": {"x": 1}}})
    )
