"""Dead letters that died of one cause are one group, whatever differs between them, and its text names nobody."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fakeredis import FakeRedis
from hypothesis import example, given
from hypothesis import strategies as st

from segue_producer.keys import Keys
from segue_worker.delivery.journal import event_name_in
from segue_worker.operating.dead_letters import Filter, LetterIndex, drop, grouped, matching
from segue_worker.operating.dead_letters.grouping import Cause, Causes
from segue_worker.outbox.dead_letter import DeadLetter

from .conftest import KEYS, NOW_MS, letter_of

Bury = Callable[..., DeadLetter]
HOUR_MS = 3_600_000


def cause_of(
    detail: str, *, causes: Causes | None = None, traits: dict[str, Any] | None = None, **fields: Any
) -> Cause:
    event = {"type": "track", "event": "Signed Up", "userId": "u1", "properties": traits or {}}
    letter = letter_of(events=(json.dumps(event, separators=(",", ":")),), **fields)
    return (causes or Causes()).read(DeadLetter(**{**_fields(letter), "detail": detail}).to_json())


def _fields(letter: DeadLetter) -> dict[str, Any]:
    return {name: getattr(letter, name) for name in DeadLetter.__slots__}


@pytest.mark.parametrize(
    ("details", "said"),
    [
        (("Loops answered 400 ada@example.com is invalid", "Loops answered 400 b.c@d.org is invalid"),
         "Loops answered 400 ••• is invalid"),
        (('Loops answered 400 {"success":false,"message":"Email a@b.c is invalid"}',
          'Loops answered 400 {"success":false,"message":"Email d@e.f is invalid"}'),
         "Loops answered 400 Email ••• is invalid"),
        (("given up after 7 attempts in 86412 s; the last: 503", "given up after 12 attempts in 86400 s; the last: 503"),
         "given up after ••• attempts in ••• s; the last: 503"),
        (("no contact 0b54-99aa", "no contact 77ff-1a2b"), "no contact •••"),
        (("address1: a nested value",), "address1: a nested value"),
        (("a directive of 'Send events' failed",), "a directive of 'Send events' failed"),
    ],
)  # fmt: skip
def test_what_differs_from_letter_to_letter_is_no_part_of_the_cause(details: tuple[str, ...], said: str) -> None:
    causes = Causes()
    found = {cause_of(detail, causes=causes) for detail in details}
    assert {cause.said for cause in found} == {said}
    assert len(found) == 1
    # Whoever meets another letter of it first comes to the same group.
    assert {cause_of(detail).id for detail in details} == {cause.id for cause in found}


def test_what_an_answer_quotes_of_the_event_is_hidden() -> None:
    quoted = "Loops answered 400 'Lovelace' is no name, and 'plan' no property"
    assert (
        cause_of(quoted, traits={"name": "Lovelace"}).said
        == "Loops answered 400 '•••' is no name, and 'plan' no property"
    )
    unquoted = cause_of("Loops answered 400 Lovelace is no name", traits={"name": "Lovelace"})
    assert "Lovelace" not in unquoted.said


@pytest.mark.parametrize(
    "other",
    [
        {"reason": "expired"},
        {"mappings": ("Sync contacts",)},
        {"answer": {"status": 422, "text": ""}},
        {"detail": "another text"},
    ],
)
def test_another_reason_mapping_status_or_text_is_another_cause(other: dict[str, Any]) -> None:
    causes = Causes()
    usual: dict[str, Any] = {"detail": "a text", "answer": {"status": 400, "text": ""}}
    assert cause_of(**usual, causes=causes) is cause_of(**usual, causes=causes)
    assert cause_of(**usual, causes=causes).id != cause_of(**{**usual, **other}, causes=causes).id


def test_what_cannot_be_read_is_a_cause_of_its_own() -> None:
    causes = Causes()
    for raw in (b"", b"[]", b"{}", b'{"reason":"refused","events":7,"detail":"","mappings":[]}', b"\xff"):
        assert causes.read(raw).reason == "unreadable"


@given(st.emails(), st.integers(10), st.uuids())
@example("o'brien@example.com", 10, UUID(int=0))
@example("'@A.Ad", 10, UUID(int=0))
@example("'0'@A.AC", 10, UUID(int=0))
@example("'a'b'@A.AC", 10, UUID(int=0))
def test_ids_numbers_and_emails_never_part_a_group(email: str, number: int, identity: object) -> None:
    text = "Loops answered 400 {0} and {1} and {2} are wrong"
    assert cause_of(text.format(email, number, identity)).said == text.format(*["•••"] * 3)


def test_so_many_texts_are_told_apart_and_the_others_only_by_their_reason() -> None:
    causes = Causes()
    words = ["".join(chr(97 + int(digit)) for digit in str(number)) for number in range(700)]
    found = {cause_of(f"unknown word {word}", causes=causes).said for word in words}
    assert len(found) == 501
    assert "Loops refused the request for good" in found


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ('{"type":"track","event":"Signed Up"}', "Signed Up"),
        ('{"type":"identify","event":"x"}', "identify"),
        ('{"event":"Of no type"}', "Of no type"),
        ('{"event":7}', ""),
        ("[1]", ""),
        ("no JSON", ""),
    ],
)
def test_what_an_event_is_called(event: str, name: str) -> None:
    assert event_name_in(event) == name


def test_groups_come_with_the_largest_first_and_what_died_in_each_hour(redis: FakeRedis, bury: Bury) -> None:
    old = [bury(NOW_MS - 30 * HOUR_MS, reason="expired"), bury(NOW_MS - 90_000, reason="expired")]
    new = [bury(NOW_MS - back) for back in (24 * HOUR_MS, 23 * HOUR_MS + 1, 1, 0)]
    first, second = grouped(LetterIndex().read(redis, "loops").matching(Filter()))
    assert (first.cause.reason, first.ids) == ("refused", [letter.id for letter in new])
    assert first.per_hour(NOW_MS) == [2, *[0] * 22, 2]
    assert (second.ids, sum(second.per_hour(NOW_MS))) == ([letter.id for letter in old], 1)
    assert second.times == [NOW_MS - 30 * HOUR_MS, NOW_MS - 90_000]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), ["a", "b", "c"]),
        (Filter(reason="expired"), ["a"]),
        (Filter(mapping="Sync contacts"), ["b"]),
        (Filter(mapping="Send events", or_without=frozenset({"Send events"})), ["a", "b", "c"]),
        (Filter(event="Ordered"), ["c"]),
        (Filter(since_ms=NOW_MS - 1000), ["b", "c"]),
    ],
)
def test_the_index_and_the_letters_themselves_match_alike(
    redis: FakeRedis, bury: Bury, wanted: Filter, expected: list[str]
) -> None:
    letters = {
        bury(NOW_MS - 2000, reason="expired").id: "a",
        bury(NOW_MS - 1000, mappings=("Sync contacts",)).id: "b",
        bury(event="Ordered").id: "c",
    }
    found = LetterIndex().read(redis, "loops").matching(wanted)
    assert [letters[name] for name, _, _ in found] == expected
    assert [letters[letter.id] for letter in matching(redis, "loops", wanted)] == expected


def test_letters_are_found_by_their_group(redis: FakeRedis, bury: Bury) -> None:
    letters = [bury(NOW_MS - 1), bury(NOW_MS, reason="expired")]
    groups = grouped(LetterIndex().read(redis, "loops").matching(Filter()))
    for group in groups:
        wanted = Filter(group=group.cause.id)
        assert [letter.id for letter in matching(redis, "loops", wanted)] == group.ids
        assert [name for name, _, _ in LetterIndex().read(redis, "loops").matching(wanted)] == group.ids
    assert {name for group in groups for name in group.ids} == {letter.id for letter in letters}


def test_letters_that_came_or_went_are_noticed(redis: FakeRedis, bury: Bury) -> None:
    index = LetterIndex(lambda: 0.0)

    def ids() -> set[str]:
        return {name for name, _, _ in index.read(redis, "loops", within_s=1.0).letters}

    first = {bury(NOW_MS).id, bury(NOW_MS).id}
    assert ids() == first
    more = {bury(NOW_MS).id, bury(NOW_MS + 5).id}
    assert ids() == first | more
    gone = first.pop()
    assert list(drop(redis, "loops", [gone])) == [1]
    assert ids() == first | more
    redis.delete(KEYS.dead, KEYS.dead_at)
    assert ids() == set()


def test_one_that_takes_the_place_of_another_is_noticed_within_a_minute_and_at_once_by_who_must_know(
    redis: FakeRedis, bury: Bury
) -> None:
    now = 0.0
    index = LetterIndex(lambda: now)
    gone, newest = bury(NOW_MS - 10), bury(NOW_MS)
    assert len(index.read(redis, "loops", within_s=1.0).letters) == 2
    list(drop(redis, "loops", [gone.id]))
    moved = bury(NOW_MS - 5)
    assert [name for name, _, _ in index.read(redis, "loops").letters] == [moved.id, newest.id]
    list(drop(redis, "loops", [moved.id]))
    other = bury(NOW_MS - 5)
    now += 60
    assert [name for name, _, _ in index.read(redis, "loops", within_s=1.0).letters] == [other.id, newest.id]


def test_where_there_is_no_time_the_next_call_goes_on(redis: FakeRedis) -> None:
    letters = {f"{number:032x}": letter_of().to_json() for number in range(1200)}
    redis.hset(Keys("loops").dead, mapping=letters)  # type: ignore[arg-type]
    redis.zadd(Keys("loops").dead_at, {name: NOW_MS + place for place, name in enumerate(letters)})
    seconds = iter(range(1000))
    index = LetterIndex(lambda: next(seconds))
    found = index.read(redis, "loops", within_s=1.5)
    assert (len(found.letters), found.unread) == (500, 700)
    assert found.letters[-1][0] == list(letters)[-1], "the newest first"
    assert index.read(redis, "loops", within_s=1.5).unread == 200
    assert index.read(redis, "loops").unread == 0
