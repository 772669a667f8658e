"""What is kept of events that no outbox can take: all that can be, and every one of them."""

import json
from typing import Any

import pytest
from fakeredis import FakeRedis

from segue_producer.keys import Keys
from segue_producer.refusals import Refused, bury, given_id, id_of


def nested(depth: int, innermost: Any = None) -> Any:
    value = innermost
    for _ in range(depth):
        value = {"a": value}
    return value


def kept(*events: Any, message_id: str = "", detail: str = "a detail") -> list[dict[str, Any]]:
    """The dead letters of these events, sorted by what is kept of each."""
    with FakeRedis(version=(6, 2)) as redis:
        refused = [Refused(message_id or id_of(event), event, detail, "malformed") for event in events]
        list(bury(redis, "loops", refused))
        letters = [json.loads(raw) for raw in redis.hvals(Keys("loops").dead)]
    return sorted(letters, key=lambda letter: str(letter["events"]))


@pytest.mark.parametrize("message_id", ["", "m"])
@pytest.mark.parametrize("depth", [300, 900, 50_000])
def test_events_that_are_nested_too_deep_are_all_kept_with_their_content(depth: int, message_id: str) -> None:
    events = [{"userId": name, "properties": nested(depth)} for name in ("u1", "u2")]
    letters = kept(*events, message_id=message_id)
    assert [letter["contact"] for letter in letters] == ["u1", "u2"]
    for letter, name in zip(letters, ("u1", "u2"), strict=True):
        # A text, which nobody can replay as the event by mistake, and every reader of JSON can read.
        text = json.loads(letter["events"][0])
        assert text.startswith(f'{{"userId":"{name}","properties":{{"a":{{"a":')
    assert len({letter["message_ids"][0] for letter in letters}) == (1 if message_id else 2)


@pytest.mark.parametrize("message_id", ["", "m"])
def test_events_that_differ_only_where_nothing_is_kept_any_more_are_two(message_id: str) -> None:
    assert len(kept(nested(300, "x"), nested(300, "y"), message_id=message_id)) == 2
    assert len(kept({"a": "x" * 100_000 + "1"}, {"a": "x" * 100_000 + "2"}, message_id=message_id)) == 2
    assert len(kept(nested(300, "x"), nested(300, "x"), message_id=message_id)) == 1


def test_of_an_event_with_a_value_that_has_no_json_form_everything_else_is_kept() -> None:
    event = {"userId": "u1", "properties": {"bad": object(), "list": [1, {}, "\ud800"], "\ud800": None}}
    (letter,) = kept(event)
    assert json.loads(json.loads(letter["events"][0])) == {
        "userId": "u1",
        "properties": {"bad": "of type object", "list": [1, {}, "\ufffd"], "\ufffd": None},
    }


def test_half_a_surrogate_pair_keeps_no_letter_from_being_written() -> None:
    (letter,) = kept({"type": "\ud800"}, message_id="\ud800abc", detail="\ud800: is no name")
    assert (letter["message_ids"], letter["detail"]) == (["\ufffdabc"], "\ufffd: is no name")


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("m", "m"),
        ("\ud800abc", "\ufffdabc"),
        (12, "12"),
        (12.0, "12"),
        (0, "0"),
        (2**53 + 1, "9007199254740993"),
        (None, ""),
        ("", ""),
        (True, ""),
        ([], ""),
        ({}, ""),
        (float("nan"), ""),
        (float("inf"), ""),
    ],
)
def test_a_message_id_is_known_as_text(given: Any, known: str) -> None:
    assert given_id({"messageId": given}) == known


@pytest.mark.parametrize("event", [None, 5, "messageId", ["messageId"], {}])
def test_what_brings_no_message_id_has_none(event: Any) -> None:
    assert given_id(event) == ""
