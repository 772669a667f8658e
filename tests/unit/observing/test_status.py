"""What a status says, from keys as the worker leaves them."""

from collections.abc import Iterator

import pytest
from fakeredis import FakeRedis

from segue_producer.keys import Keys
from segue_worker.observing.status import Status, read_statuses
from segue_worker.outbox.outgoing import Outgoing, Parked
from segue_worker.outbox.pause import Pause, PauseKind

KEYS = Keys("loops")
NOW_MS = 1_700_000_000_000


@pytest.fixture
def redis() -> Iterator[FakeRedis]:
    with FakeRedis(version=(6, 2)) as client:
        yield client


def status_of(redis: FakeRedis) -> Status:
    return read_statuses(redis, ["loops"], now_ms=NOW_MS)["loops"]


def park(redis: FakeRedis, contact: str, *, first: int, due: int) -> None:
    request = Outgoing("POST", "/events/send", b'{"first":1}', "key", ())
    redis.hset(KEYS.parked, contact, Parked(2, first, due, "503", request).to_json())
    redis.zadd(KEYS.away, {contact: due})


def claim(redis: FakeRedis, contact: str, *, until: int, since: int = NOW_MS) -> None:
    redis.hset(KEYS.lease, contact, f"owner:1:0:2:{since}")
    redis.zadd(KEYS.away, {contact: until})


def test_a_destination_without_data_is_all_zeros(redis: FakeRedis) -> None:
    assert status_of(redis).to_dict() == {
        **dict.fromkeys(("pending", "due", "in_flight", "parked", "dead"), 0),
        "paused": None,
        "oldest_pending_s": 0.0,
        "stalled_s": 0.0,
        "lanes": {lane: {"pending": 0, "due": 0, "oldest_pending_s": 0.0, "idle_s": 0.0} for lane in ("live", "bulk")},
        **dict.fromkeys(("delivered", "filtered", "duplicates", "requests", "retries", "rate_limited"), 0),
        **dict.fromkeys(("merged", "replayed", "dropped", "dead_dropped", "dead_total", "interrupted", "forgotten"), 0),
        **dict.fromkeys(("repaired", "left_out", "unchanged"), 0),
    }


def test_each_contact_is_counted_where_it_is(redis: FakeRedis) -> None:
    redis.set(KEYS.pending, 12)
    redis.zadd(KEYS.due, {"u1": NOW_MS, "u2": NOW_MS - 2500})
    claim(redis, "u3", until=NOW_MS + 8000)
    park(redis, "u4", first=NOW_MS - 1000, due=NOW_MS + 5000)
    park(redis, "u5", first=NOW_MS - 1000, due=NOW_MS + 8000)
    claim(redis, "u5", until=NOW_MS + 8000)
    status = status_of(redis)
    assert (status.pending, status.due, status.in_flight, status.parked) == (12, 2, 2, 1)
    assert status.oldest_pending_s == 2.5


def test_a_lease_that_is_over_counts_as_due_not_in_flight(redis: FakeRedis) -> None:
    park(redis, "u1", first=NOW_MS - 1000, due=NOW_MS)
    claim(redis, "u1", until=NOW_MS)
    status = status_of(redis)
    assert (status.due, status.in_flight, status.parked) == (1, 0, 1)


def test_a_parked_contact_has_waited_since_its_first_attempt(redis: FakeRedis) -> None:
    redis.zadd(KEYS.due, {"u1": NOW_MS - 1000})
    park(redis, "u2", first=NOW_MS - 60_000, due=NOW_MS + 5000)
    assert status_of(redis).oldest_pending_s == 60.0


def test_counters_and_dead_letters_are_apart(redis: FakeRedis) -> None:
    redis.hset(KEYS.totals, mapping={"dead": 5, "delivered": 7, "rate_limited": 1, "something new": 3})
    redis.hset(KEYS.dead, mapping={"a": "{}", "b": "{}"})
    fields = status_of(redis).to_dict()
    assert (fields["dead"], fields["dead_total"], fields["delivered"], fields["rate_limited"]) == (2, 5, 7, 1)


@pytest.mark.parametrize(("probe", "said"), [(None, None), (NOW_MS + 60_000, "2023-11-14T22:14:20Z")])
def test_a_pause_is_explained(redis: FakeRedis, probe: int | None, said: str | None) -> None:
    redis.set(KEYS.paused, Pause("the key is refused", NOW_MS, probe, kind=PauseKind.REFUSED).to_json())
    assert status_of(redis).to_dict()["paused"] == {
        "kind": "refused",
        "reason": "the key is refused",
        "since": "2023-11-14T22:13:20Z",
        "next_probe": said,
        "until": None,
    }


def test_each_destination_has_its_own_and_the_servers_clock_is_the_default(redis: FakeRedis) -> None:
    redis.set(KEYS.pending, 3)
    redis.zadd(KEYS.due, {"u1": NOW_MS})
    statuses = read_statuses(redis, ["other", "loops"])
    assert list(statuses) == ["other", "loops"]
    assert [status.pending for status in statuses.values()] == [0, 3]
    assert statuses["loops"].due == 1
    assert statuses["loops"].oldest_pending_s > 0


def test_no_destination_is_no_status(redis: FakeRedis) -> None:
    assert read_statuses(redis, []) == {}


def test_a_claimed_contact_has_waited_since_it_was_due(redis: FakeRedis) -> None:
    claim(redis, "u1", until=NOW_MS + 8000, since=NOW_MS - 42_000)
    redis.zadd(KEYS.due, {"u2": NOW_MS - 1000})
    assert status_of(redis).oldest_pending_s == 42.0


def test_a_parked_contact_has_waited_since_it_was_due_though_no_attempt_counts(redis: FakeRedis) -> None:
    request = Outgoing("POST", "/events/send", b'{"first":1}', "key", ())
    parked = Parked(1, 0, NOW_MS, "401", request, since=NOW_MS - 7000)
    redis.hset(KEYS.parked, "u1", parked.to_json())
    assert status_of(redis).oldest_pending_s == 7.0
