"""Whether anybody is working, and the state of each destination in a word."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer

from segue_producer.keys import ABOUT_WORKERS, DESTINATIONS, HELD, WORKERS, Keys
from segue_worker.config import Config, load_config
from segue_worker.observing.destinations import known_beside
from segue_worker.observing.summary import Overall, State, read_overall
from segue_worker.observing.workers import WorkerAbout
from segue_worker.outbox.outgoing import Outgoing, Parked, Ref
from segue_worker.outbox.pause import Pause, PauseKind

KEYS = Keys("loops")
TEXT = """
destinations:
  - {name: loops, api_key: a-key, rate_limit: 20}
  - {name: other, api_key: another-key}
  - {name: off, api_key: a-third-key, enabled: false}
"""


@pytest.fixture
def redis() -> Iterator[FakeRedis]:
    with FakeRedis(server=FakeServer(version=(6, 2))) as client:
        yield client


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "segue.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return load_config(path)


@pytest.fixture
def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.fixture
def at_work(redis: FakeRedis, config: Config, now_ms: int) -> None:
    """A worker is alive and has swept."""
    redis.zadd(WORKERS, {"worker": now_ms})
    redis.hset(ABOUT_WORKERS, "worker", WorkerAbout.of(config, now_ms).to_json())
    redis.hset(DESTINATIONS, mapping={each.name: now_ms for each in config.destinations})


def look(redis: FakeRedis, config: Config) -> Overall:
    return read_overall(redis, known_beside(redis, config))


@pytest.mark.usefixtures("at_work")
def test_where_all_is_well_nothing_is_said(redis: FakeRedis, config: Config) -> None:
    overall = look(redis, config)
    assert (overall.alarms, overall.trouble, overall.fullest, overall.is_sweep_old) == ([], {}, None, False)
    assert [overall.state(name) for name in overall.names] == [
        State("running", "good"),
        State("running", "good"),
        State("not enabled", "plain"),
    ]


def test_without_a_worker_nothing_is_running(redis: FakeRedis, config: Config, now_ms: int) -> None:
    redis.hset(DESTINATIONS, "loops", now_ms - 31_000)
    overall = look(redis, config)
    assert overall.alarms == ["No worker is alive; start one: celery -A segue_worker worker"]
    assert overall.is_sweep_old
    assert overall.state("loops") == State("no worker", "bad")
    redis.delete(DESTINATIONS)
    assert look(redis, config).is_sweep_old


@pytest.mark.usefixtures("at_work")
def test_a_destination_that_no_worker_serves_says_so(redis: FakeRedis, config: Config, now_ms: int) -> None:
    one = replace(config, destinations=config.destinations[:1])
    redis.hset(ABOUT_WORKERS, "worker", WorkerAbout.of(one, now_ms).to_json())
    overall = look(redis, config)
    assert [overall.state(name).word for name in ("loops", "other")] == ["running", "no worker"]
    # One of a version that says nothing of itself may serve it.
    redis.zadd(WORKERS, {"silent": now_ms})
    assert look(redis, config).state("other").word == "running"


@pytest.mark.usefixtures("at_work")
def test_what_does_not_move_and_what_nobody_serves_is_an_alarm(redis: FakeRedis, config: Config, now_ms: int) -> None:
    redis.zadd(KEYS.due, {"u1": now_ms - 90_000})
    redis.zadd(Keys("gone").due, {"u1": now_ms})
    redis.hset(HELD, "gone", 1)
    redis.set(Keys("other").paused, Pause("a while", now_ms, None).to_json())
    overall = look(redis, config)
    assert [each.partition(":")[0] for each in overall.alarms] == ["gone is orphaned", "destination 'loops'"]
    assert overall.trouble == {"orphaned": 1, "paused": 1, "stalled": 1}
    assert overall.names == ("gone", "other", "loops", "off")
    assert overall.state("gone") == State("orphaned", "bad")
    assert overall.state("loops") == State("stalled", "bad")


@pytest.mark.usefixtures("at_work")
@pytest.mark.parametrize(("kind", "level"), [(PauseKind.HAND, "warn"), (PauseKind.BREAKER, "bad")])
def test_a_pause_by_hand_is_no_fault(redis: FakeRedis, config: Config, kind: PauseKind, level: Any) -> None:
    redis.set(KEYS.paused, Pause("because", 1, None, kind=kind).to_json())
    assert look(redis, config).state("loops") == State("paused", level)


@pytest.mark.usefixtures("at_work")
def test_one_that_moves_and_is_behind_is_no_fault(redis: FakeRedis, config: Config, now_ms: int) -> None:
    redis.zadd(KEYS.due, {"u1": now_ms - 90_000})
    redis.set(KEYS.pending, 1)
    redis.set(KEYS.settled, now_ms)
    assert look(redis, config).state("loops") == State("behind", "warn")


@pytest.mark.usefixtures("at_work")
def test_one_whose_contacts_wait_for_a_retry_is_not_behind(redis: FakeRedis, config: Config, now_ms: int) -> None:
    redis.zadd(KEYS.away, {"u1": now_ms + 600_000})
    request = Outgoing("POST", "/events/send", b"{}", "a-key", (Ref(0, "Send events"),))
    since = now_ms - 900_000
    redis.hset(KEYS.parked, "u1", Parked(3, since, now_ms + 600_000, "503", request, since).to_json())
    redis.rpush(KEYS.outbox + "u1", "{}")
    redis.set(KEYS.pending, 1)
    overall = look(redis, config)
    assert overall.statuses["loops"].oldest_pending_s >= 900
    assert overall.state("loops") == State("running", "good")


@pytest.mark.usefixtures("at_work")
def test_the_share_of_the_limit_is_that_of_the_fullest(redis: FakeRedis, config: Config, now_ms: int) -> None:
    redis.hset(f"{KEYS.stats}{now_ms // 60_000}", "requests", 6)
    redis.hset(f"{Keys('other').stats}{now_ms // 60_000}", "requests", 6)
    overall = look(redis, config)
    assert overall.fullest == "other"
    loops, other = overall.share("loops"), overall.share("other")
    assert loops is not None
    assert other == pytest.approx(2 * loops)
    redis.hset(KEYS.settings, "rate_limit", 1)
    assert look(redis, config).fullest == "loops"
