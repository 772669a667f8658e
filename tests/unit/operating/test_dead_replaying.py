"""Replaying dead letters."""

import json
from collections import defaultdict
from collections.abc import Callable

import pytest
from fakeredis import FakeRedis
from hypothesis import given, settings
from hypothesis import strategies as st

from segue_producer import append
from segue_producer.events import prepare
from segue_worker.operating.dead_letters import (
    Chooser,
    Filter,
    History,
    NotReplayable,
    Replay,
    Replayed,
    matching,
    prepare_replay,
    replay,
)
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.entry import Waiting, read_entry
from segue_worker.outbox.pause import Pause

from .conftest import KEYS, NOW_MS, letter_of

Bury = Callable[..., DeadLetter]


ANYTHING = Chooser(None, History(FakeRedis(), "loops"))


def replay_all(redis: FakeRedis, **options: object) -> tuple[list[tuple[str, str]], list[str]]:
    """Replay every letter, oldest first. Returns id and outcome of each, and the hints sent."""
    hints: list[str] = []
    letters = list(matching(redis, "loops", Filter()))
    results = replay(redis, "loops", letters, send_hint=hints.append, **options)  # type: ignore[arg-type]
    return [(result.id, result.outcome) for result in results], hints


def waiting_of(redis: FakeRedis, contact: str) -> list[Waiting]:
    entries = redis.lrange(KEYS.outbox + contact, 0, -1)
    return [read_entry(raw) for raw in entries if isinstance(raw, bytes)]


def enqueue(redis: FakeRedis, message_id: str) -> None:
    event = prepare({"type": "track", "userId": "u1", "event": "E", "messageId": message_id})
    names, args = append.arguments(KEYS, [event])
    redis.register_script(append.APPEND_SCRIPT)(keys=names, args=args)


def test_a_replay_moves_the_letter_to_the_end_of_its_contacts_outbox(redis: FakeRedis, bury: Bury) -> None:
    enqueue(redis, "before")
    letter = bury(message_ids=("dead",))
    assert replay_all(redis)[0] == [(letter.id, "replayed")]
    enqueue(redis, "after")
    waiting = waiting_of(redis, "u1")
    assert [each.message_id for each in waiting] == ["before", "dead", "after"]
    assert [(each.only, each.replay) for each in waiting] == [
        (None, ""),
        (("Send events",), letter.id),
        (None, ""),
    ]
    assert redis.get(KEYS.pending) == b"3"
    assert (redis.hlen(KEYS.dead), redis.zcard(KEYS.dead_at)) == (0, 0)
    assert redis.hget(KEYS.totals, "replayed") == b"1"


def test_a_letter_whose_contact_has_no_list_stays_and_the_others_go(redis: FakeRedis, bury: Bury) -> None:
    damaged, other = bury(message_ids=("damaged",)), bury(NOW_MS + 1, contact="u2", message_ids=("other",))
    redis.set(KEYS.outbox + "u1", "no list")
    assert replay_all(redis)[0] == [(damaged.id, "refused"), (other.id, "replayed")]
    assert redis.hkeys(KEYS.dead) == redis.zrange(KEYS.dead_at, 0, -1) == [damaged.id.encode()]
    assert redis.zrange(KEYS.bulk, 0, -1) == [b"u2"]
    assert redis.exists(KEYS.due) == 0
    assert redis.get(KEYS.pending) == b"1"


def test_a_merged_letter_becomes_its_events_in_order(redis: FakeRedis, bury: Bury) -> None:
    bury(message_ids=("a", "b", "c"), mappings=("One", "Two"))
    replay_all(redis)
    assert [(each.message_id, each.only) for each in waiting_of(redis, "u1")] == [
        (name, ("One", "Two")) for name in "abc"
    ]
    assert redis.get(KEYS.pending) == b"3"


@settings(max_examples=25, deadline=None)
@given(contacts=st.lists(st.sampled_from(["u1", "u2", "u3"]), min_size=1, max_size=220))
def test_the_order_of_each_contact_is_always_kept(contacts: list[str]) -> None:
    with FakeRedis(version=(6, 2)) as redis:
        expected: dict[str, list[str]] = defaultdict(list)
        for place, contact in enumerate(contacts):
            letter = letter_of(contact=contact, message_ids=(f"m{place}",))
            redis.hset(KEYS.dead, letter.id, letter.to_json())
            redis.zadd(KEYS.dead_at, {letter.id: NOW_MS + place})
            expected[contact].append(f"m{place}")
        replay_all(redis)
        got = {contact: [each.message_id for each in waiting_of(redis, contact)] for contact in expected}
        assert got == expected
        assert redis.get(KEYS.pending) == str(len(contacts)).encode()


def test_a_letter_that_is_gone_meanwhile_changes_nothing(redis: FakeRedis, bury: Bury) -> None:
    gone, kept = bury(NOW_MS), bury(NOW_MS + 1, message_ids=("m2",))
    letters = list(matching(redis, "loops", Filter()))
    redis.hdel(KEYS.dead, gone.id)
    results = replay(redis, "loops", letters, send_hint=lambda _: None)
    assert [(result.id, result.outcome) for result in results] == [(gone.id, "gone"), (kept.id, "replayed")]
    assert [each.message_id for each in waiting_of(redis, "u1")] == ["m2"]
    assert redis.get(KEYS.pending) == b"1"


def test_a_letter_is_replayed_once_by_two_at_once(redis: FakeRedis, bury: Bury) -> None:
    bury()
    letters = list(matching(redis, "loops", Filter()))
    outcomes = [
        result.outcome for _ in range(2) for result in replay(redis, "loops", letters, send_hint=lambda _: None)
    ]
    assert outcomes == ["replayed", "gone"]
    assert redis.llen(KEYS.outbox + "u1") == 1


def test_one_hint_goes_out_unless_nobody_needs_it(redis: FakeRedis, bury: Bury) -> None:
    bury(message_ids=("a",))
    bury(contact="u2", message_ids=("b",))
    assert replay_all(redis)[1] == ["loops"]
    redis.delete(KEYS.hinted)
    bury(message_ids=("c",))
    assert replay_all(redis)[1] == [], "the contact waits already"


@pytest.mark.parametrize("held", ["run", "paused"])
def test_no_hint_goes_out_to_a_live_run_or_a_paused_destination(redis: FakeRedis, bury: Bury, held: str) -> None:
    redis.set(getattr(KEYS, held), Pause("by hand", NOW_MS, None).to_json())
    letter = bury()
    assert replay_all(redis) == ([(letter.id, "replayed")], [])
    assert redis.llen(KEYS.outbox + "u1") == 1
    assert redis.exists(KEYS.hinted) == 0


def test_a_parked_contact_keeps_its_time(redis: FakeRedis, bury: Bury) -> None:
    later = NOW_MS + 10_000_000_000_000
    enqueue(redis, "before")
    redis.zadd(KEYS.due, {"u1": later})
    bury()
    replay_all(redis)
    assert redis.zscore(KEYS.due, "u1") == later


def test_what_holds_no_event_is_refused_and_stays(redis: FakeRedis, bury: Bury) -> None:
    letter = bury(reason="unreadable", events=("no event",), message_ids=(), mappings=())
    (result,) = replay(redis, "loops", [letter], send_hint=lambda _: None)
    assert result == Replayed(letter.id, "refused", "it holds no event that this version of Segue can read; delete it")
    assert redis.hlen(KEYS.dead) == 1
    assert redis.exists(KEYS.outbox + "u1") == 0


def test_what_another_version_could_not_read_goes_back_as_it_was(redis: FakeRedis, bury: Bury) -> None:
    enqueue(redis, "m1")
    (raw,) = redis.lrange(KEYS.outbox + "u1", 0, -1)
    assert isinstance(raw, bytes)
    redis.delete(KEYS.outbox + "u1")
    letter = bury(reason="unreadable", events=(raw.decode(),), message_ids=(), mappings=(), refs=())
    assert replay_all(redis)[0] == [(letter.id, "replayed")]
    assert redis.lrange(KEYS.outbox + "u1", 0, -1) == [raw]
    (waiting,) = waiting_of(redis, "u1")
    assert (waiting.message_id, waiting.replay, waiting.only) == ("m1", "", None)


def test_what_was_no_utf_8_is_not_sent_changed(bury: Bury) -> None:
    event = b'{"type":"track","userId":"u1","event":"\xe9","messageId":"m1"}'.decode("utf-8", "replace")
    answer = prepare_replay(bury(reason="unreadable", events=(event,), message_ids=(), mappings=()), ANYTHING)
    assert isinstance(answer, NotReplayable)


def invalid(event: object) -> DeadLetter:
    return DeadLetter("invalid", "detail", "", (), (), (json.dumps(event),), NOW_MS)


def test_an_invalid_event_is_checked_again() -> None:
    good = {"type": "track", "userId": "u1", "event": "E", "messageId": "m1"}
    answer = prepare_replay(invalid(good), ANYTHING)
    assert isinstance(answer, Replay)
    assert answer.contact == "u1"
    (waiting,) = map(read_entry, answer.entries)
    assert waiting.event is not None
    assert {**waiting.event, **good} == waiting.event
    assert waiting.only is None
    assert waiting.replay


@pytest.mark.parametrize("event", [{"type": "track", "userId": "secret", "event": 7}, "text", None, [1]])
def test_an_event_that_is_still_invalid_is_refused_without_its_values(event: object) -> None:
    answer = prepare_replay(invalid(event), ANYTHING)
    assert isinstance(answer, NotReplayable)
    assert answer.why.startswith("it is still invalid: ")
    assert "secret" not in answer.why


def test_a_contact_that_is_not_said_is_found_in_the_event() -> None:
    events = ("no JSON", '{"type": "identify", "traits": {"email": "Ada@example.com"}}')
    answer = prepare_replay(letter_of(contact="", events=events), ANYTHING)
    assert isinstance(answer, Replay)
    assert answer.contact == "ada@example.com"
    nobody = prepare_replay(letter_of(contact="", events=('{"type": "track"}',)), ANYTHING)
    assert nobody == NotReplayable(nobody.id, "its events name no contact; delete it")


def test_each_event_of_a_merged_letter_is_replayed_only_for_the_mappings_its_request_stood_for() -> None:
    letter = DeadLetter(
        reason="expired",
        detail="",
        contact="u1",
        mappings=("contacts", "events"),
        message_ids=("a", "b"),
        events=('{"messageId":"a"}', '{"messageId":"b"}'),
        at=1,
        refs=((0, "contacts"), (1, "events")),
    )
    prepared = prepare_replay(letter, ANYTHING)
    assert isinstance(prepared, Replay)
    assert [json.loads(entry)["only"] for entry in prepared.entries] == [["contacts"], ["events"]]
