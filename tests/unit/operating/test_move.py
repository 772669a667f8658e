"""`segue move`: once, in order, whatever dies in between, while runs of both destinations go on."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.client import Pipeline

from segue_producer.keys import Keys
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.operating import pause as pausing
from segue_worker.operating.dead_letters import Filter, matching, replay
from segue_worker.operating.forget import forget_here
from segue_worker.operating.moving import Moved, MoveError, move, moving
from segue_worker.outbox.pause import Pause

from .town import Town, mapping

OLD, NEW = Keys("old"), Keys("new")


@pytest.fixture
def redis(town: Town) -> "Redis":
    return town.redis


class KilledError(Exception):
    """The process that moves is gone."""


class DyingRedis(Redis):
    """Dies before its call number `dies_at`, or behind it."""

    calls = 0
    dies_at = -1

    def tick(self) -> None:
        self.calls += 1
        if self.calls == self.dies_at:
            raise KilledError

    def execute_command(self, *args: Any, **options: Any) -> Any:
        self.tick()
        answer = super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        self.tick()
        return answer

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:  # noqa: FBT001, FBT002 - redis-py's signature
        pipe = super().pipeline(transaction, shard_hint)
        execute = pipe.execute

        def dying(raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - same
            self.tick()
            answer = execute(raise_on_error)
            self.tick()
            return answer

        vars(pipe)["execute"] = dying
        return pipe


def go(redis: "Redis", old: str = "old", new: str = "new", **options: Any) -> Moved:
    moved = Moved()
    for moved in move(redis, old, new, send_hint=lambda _: None, **{"wait": lambda _: None, **options}):  # noqa: B007 - the last
        pass
    return moved


def dying(redis: "Redis", at: int) -> DyingRedis:
    pool = redis.connection_pool.connection_kwargs
    client = DyingRedis(host=pool["host"], port=pool["port"])
    client.dies_at = at
    return client


def is_empty(redis: "Redis", keys: Keys) -> bool:
    names = (keys.due, keys.away, keys.lease, keys.parked, keys.dead, keys.dead_at, keys.moving, keys.paused)
    return not redis.exists(*names) and int(redis.get(keys.pending) or 0) == 0 and not redis.keys(keys.outbox + "*")


def test_what_waits_goes_before_what_was_enqueued_later_under_the_new_name(town: Town, redis: "Redis") -> None:
    for contact in ("u1", "u2", "u1"):
        town.enqueue("old", contact)
    for contact in ("u1", "u3"):
        town.enqueue("new", contact)
    moved = go(redis)
    assert (moved.events, moved.contacts, moved.left) == (3, {b"u1", b"u2"}, {})
    assert is_empty(redis, OLD)
    assert not redis.exists(NEW.arrived + "old")
    assert int(redis.get(NEW.pending) or 0) == 5
    town.finish("new")
    assert sorted(town.numbers_delivered) == [1, 2, 3, 4, 5]
    assert [number for number in town.numbers_delivered if number in {1, 3, 4}] == [1, 3, 4]
    assert is_empty(redis, NEW)


def test_it_can_be_moved_back_and_on_and_keeps_the_order_of_enqueueing(town: Town, redis: "Redis") -> None:
    town.enqueue("old", "u1")
    town.enqueue("new", "u1")
    go(redis)
    town.enqueue("old", "u1")
    town.enqueue("new", "u1")
    go(redis, "new", "old")
    town.enqueue("new", "u1")
    go(redis, "old", "third")
    go(redis, "new", "third")
    town.finish("third")
    assert town.numbers_delivered == [1, 2, 3, 4, 5]


def parked(redis: "Redis", keys: Keys) -> dict[str, Any]:
    found: dict[bytes, Any] = redis.hgetall(keys.parked)  # type: ignore[assignment]
    return {name.decode(): json.loads(raw) for name, raw in found.items()}


def test_a_parked_request_is_resent_byte_for_byte_and_under_its_key(town: Town, redis: "Redis") -> None:
    town.enqueue("old", "u1")
    town.fail(3)
    town.run("old")
    before = parked(redis, OLD)
    moved = go(redis)
    assert moved.parked == 1
    assert parked(redis, NEW) == before
    assert redis.zscore(NEW.away, "u1") == before["u1"]["next"]
    town.finish("new", mappings=(mapping("another", fields={"eventName": "Else"}),))
    sent = [(record["idempotency_key"], json.dumps(record["body"])) for record in town.sandbox.ledger.records()]
    assert len(sent) == 4
    assert len(set(sent)) == 1


def test_where_both_have_a_parked_request_of_a_contact_both_are_resent_in_order(town: Town, redis: "Redis") -> None:
    town.enqueue("old", "u1")
    town.enqueue("old", "u1")
    town.enqueue("new", "u1")
    town.enqueue("new", "u1")
    town.fail(6)
    town.run("old")
    town.run("new")
    assert parked(redis, OLD)
    assert parked(redis, NEW)
    go(redis)
    town.finish("new")
    assert town.numbers_delivered == [1, 2, 3, 4]
    keys = [record["idempotency_key"] for record in town.sandbox.ledger.records()]
    assert len(keys) == 10
    assert len(set(keys)) == 4
    assert is_empty(redis, NEW)


@pytest.mark.parametrize("there", [False, True])
def test_what_a_killed_worker_may_have_sent_goes_again_under_its_key(
    town: Town, redis: "Redis", *, there: bool
) -> None:
    town.enqueue("old", "u1")
    town.enqueue("old", "u1")
    if there:
        town.enqueue("new", "u1")
    town.run("old", kill_after=1)
    go(redis)
    town.finish("new")
    assert town.numbers_delivered == [1, 2, 3][: 2 + there]
    assert [record["status"] for record in town.sandbox.ledger.records()][:2] == [200, 409]


def test_a_run_that_has_a_contact_in_hand_is_waited_for_or_its_events_go_first(town: Town, redis: "Redis") -> None:
    town.enqueue("old", "u1")
    town.enqueue("new", "u1")
    town.enqueue("new", "u1")
    redis.zrem(NEW.due, "u1")
    redis.zadd(NEW.away, {"u1": 9_999_999_999_999})
    redis.hset(NEW.lease, "u1", "owner:1:0:1:1")
    moved = go(redis)
    assert moved.events == 1
    town.lapse("new")
    redis.hdel(NEW.lease, "u1")
    town.finish("new")
    assert town.numbers_delivered == [2, 1, 3]


def test_what_a_run_of_the_old_destination_does_not_give_back_stays_and_is_told_of(town: Town, redis: "Redis") -> None:
    town.enqueue("old", "u1")
    town.enqueue("old", "u2")
    redis.zrem(OLD.due, "u1")
    redis.zadd(OLD.away, {"u1": 9_999_999_999_999})
    redis.hset(OLD.lease, "u1", "owner:1:0:1:1")
    moved = go(redis)
    assert (moved.events, list(moved.left)) == (1, [b"u1"])
    town.lapse("old")
    assert go(redis).events == 1
    assert is_empty(redis, OLD)


def test_duplicates_of_what_was_delivered_under_the_old_name_stay_duplicates(town: Town, redis: "Redis") -> None:
    town.enqueue("old", "u1", messageId="m")
    town.finish("old")
    go(redis)
    go(redis)
    town.enqueue("new", "u1", messageId="m")
    town.enqueue("new", "u1")
    town.finish("new")
    assert town.numbers_delivered == [1, 3]


def test_dead_letters_go_with_it_and_are_replayed_in_order(town: Town, redis: "Redis") -> None:
    for _ in range(5):
        town.enqueue("old", "u1")
    town.fail(5, status=400)
    town.finish("old")
    redis.hset(NEW.settings, "max_pending", 1)
    before = redis.zrange(OLD.dead_at, 0, -1, withscores=True)
    assert go(redis).dead_letters == 5
    assert redis.zrange(NEW.dead_at, 0, -1, withscores=True) == before
    assert is_empty(redis, OLD)
    assert len(list(replay(redis, "new", matching(redis, "new", Filter()), send_hint=lambda _: None))) == 5
    town.finish("new")
    assert town.numbers_delivered == [1, 2, 3, 4, 5]


def test_a_move_that_is_not_finished_must_be_before_another(town: Town, redis: "Redis") -> None:
    town.enqueue("old", "u1")
    with pytest.raises(KilledError):
        go(dying(redis, 20))
    for old, new in (("old", "third"), ("new", "old")):
        with pytest.raises(MoveError, match="segue move old new"):
            go(redis, old, new)
    go(redis)
    go(redis, "new", "old")


def test_the_old_destination_is_held_meanwhile_and_goes_on_afterwards(town: Town, redis: "Redis") -> None:
    town.enqueue("old", "u1")
    with pytest.raises(KilledError):
        go(dying(redis, 20))
    pause = redis.get(OLD.paused)
    assert pause is not None
    assert "segue move old new" in Pause.from_json(pause).reason
    go(redis)
    assert not redis.exists(OLD.paused)
    pausing.pause(redis, "old", "by hand")
    go(redis)
    assert redis.exists(OLD.paused)


def test_a_pause_for_a_while_does_not_end_during_a_move(town: Town, redis: "Redis") -> None:
    town.enqueue("old", "u1")
    pausing.pause(redis, "old", "a look around", for_ms=60_000)
    with pytest.raises(KilledError):
        go(dying(redis, 20))
    assert redis.pttl(OLD.paused) == -1
    go(redis)
    assert not redis.exists(OLD.paused)


@pytest.mark.parametrize("at", range(1, 40, 2))
def test_a_person_who_is_forgotten_between_two_halves_of_a_move_is_gone(town: Town, redis: "Redis", at: int) -> None:
    town.enqueue("old", "u1")
    town.enqueue("new", "u1")
    town.enqueue("old", "u2")
    with suppress(KilledError):
        go(dying(redis, at))
    for name in ("old", "new"):
        forget_here(redis, name, "u1", wait=lambda _: None)
    go(redis)
    town.finish("new")
    assert town.numbers_delivered == [3]
    assert is_empty(redis, OLD)
    assert is_empty(redis, NEW)


def test_wherever_it_is_killed_the_next_one_goes_on_there(redis: "Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "remember", lambda *_: None)
    for at in range(1, 60):
        redis.flushall()
        town = Town(redis)
        town.enqueue("old", "u1")
        town.fail(1, status=400)
        town.run("old")
        for name, contact in (("old", "u1"), ("old", "u2"), ("old", "u1"), ("new", "u1")):
            town.enqueue(name, contact)
        _cut_short(town, at)
        go(redis)
        assert is_empty(redis, OLD)
        assert [redis.llen(NEW.outbox + contact) for contact in ("u1", "u2")] == [3, 1]
        assert (int(redis.get(NEW.pending) or 0), redis.hlen(NEW.dead)) == (4, 1)
        town.finish("new")
        assert [number for number in town.numbers_delivered if number != 3] == [2, 4, 5]
        assert sorted(town.numbers_delivered) == [2, 3, 4, 5]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("enqueue"), st.sampled_from(["old", "new"]), st.sampled_from(["u1", "u2"])),
        st.tuples(st.just("run"), st.sampled_from(["old", "new"]), st.integers(0, 4)),
        st.tuples(st.just("kill"), st.sampled_from(["old", "new"]), st.integers(1, 4)),
        st.tuples(st.just("fail"), st.just(""), st.integers(1, 3)),
        st.tuples(st.just("refuse"), st.just(""), st.integers(1, 2)),
        st.tuples(st.just("retry"), st.sampled_from(["old", "new"]), st.just(0)),
        st.tuples(st.just("move"), st.just(""), st.integers(1, 60)),
    ),
    min_size=4,
    max_size=24,
)


@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost_doubled_or_disordered(redis_server: EmbeddedRedis, steps: list[tuple[str, str, Any]]) -> None:
    with Redis.from_url(redis_server.url) as redis, pytest.MonkeyPatch.context() as patch:
        redis.flushall()
        patch.setattr(moving, "ENTRIES_AT_ONCE", 3)
        patch.setattr(moving, "CONTACTS_AT_ONCE", 1)
        # Remembering takes hundreds of calls of no interest here.
        patch.setattr(moving, "remember", lambda *_: None)
        town = Town(redis)
        of: dict[int, tuple[str, str]] = {}
        for step, name, what in steps:
            _do(town, step, name, what, of)
        go(redis)
        town.sandbox.faults.replace([])
        town.finish("new")
        assert is_empty(redis, OLD)
        # A second copy would be dropped, but it must not be there.
        assert redis.hget(NEW.totals, "duplicates") is None
        _check(town, redis, of)


def _do(town: Town, step: str, name: str, what: Any, of: dict[int, tuple[str, str]]) -> None:
    actions: dict[str, Callable[[], object]] = {
        "enqueue": lambda: (town.enqueue(name, what), of.update({town.numbers: (name, what)})),
        "run": lambda: town.run(name, leave_after=what or None),
        "kill": lambda: town.run(name, kill_after=what),
        "fail": lambda: town.fail(what),
        "refuse": lambda: town.fail(what, status=400),
        "retry": lambda: town.retry_all(name),
        "move": lambda: _cut_short(town, what),
    }
    # Once everything was moved, what is enqueued under the old name overtakes it there.
    if name == "old" and step != "enqueue" and town.moved and not town.redis.exists(OLD.paused):
        return
    town.moved = town.moved or step == "move"
    actions[step]()


def _cut_short(town: Town, at: int) -> None:
    client = dying(town.redis, at)
    with client, suppress(KilledError):
        go(client)


def _check(town: Town, redis: "Redis", of: dict[int, tuple[str, str]]) -> None:
    dead = [
        json.loads(event)["properties"]["number"]
        for letter in matching(redis, "new", Filter())
        for event in letter.events
    ]
    # What a killed worker had sent without recording it may be refused at the next attempt.
    assert {*town.numbers_delivered, *dead} == of.keys()
    assert len(set(town.numbers_delivered)) == len(town.numbers_delivered)
    for lane in set(of.values()):
        delivered = [number for number in town.numbers_delivered if of[number] == lane]
        assert delivered == sorted(delivered)
