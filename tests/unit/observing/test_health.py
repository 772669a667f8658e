"""`segue health`, and the rules behind it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from segue_producer.keys import DESTINATIONS, WORKERS, Keys
from segue_sandbox.embedded_redis import EmbeddedRedis, free_port
from segue_worker.cli import segue
from segue_worker.observing.health import stalled, unswept
from segue_worker.observing.status import LaneStatus, Status
from segue_worker.outbox.pause import Pause

KEYS = Keys("loops")
CONFIG = """\
destinations:
  - name: loops
    api_key: sandbox-key
  - name: held-back
    api_key: sandbox-key
    enabled: false
"""


@pytest.fixture
def redis(redis_server: EmbeddedRedis) -> Iterator[Redis]:
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
        seconds, _ = client.time()
        client.zadd(WORKERS, {"worker@host": int(seconds) * 1000})
        yield client


@pytest.fixture
def now_ms(redis: Redis) -> int:
    seconds, micros = redis.time()
    return int(seconds) * 1000 + int(micros) // 1000


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "segue.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.fixture
def environ(config: Path, redis_server: EmbeddedRedis) -> dict[str, str]:
    return {"SEGUE_CONFIG": str(config), "SEGUE_REDIS_URL": redis_server.url}


def health(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(segue, ["health", *arguments], env=environ)


def status(*, idle_s: float, settled_s_ago: float | None, paused: Pause | None = None) -> Status:
    return Status(
        lanes={"live": LaneStatus(1, 1, idle_s, idle_s), "bulk": LaneStatus(0, 0, 0.0)},
        in_flight=0,
        parked=0,
        dead=0,
        paused=paused,
        settled_s_ago=settled_s_ago,
        counters={},
    )


@given(
    idle_s=st.integers(0, 10**6),
    settled_s_ago=st.none() | st.integers(0, 10**6),
    max_age_s=st.integers(1, 10**6),
    workers=st.integers(0, 2),
)
def test_a_destination_stalls_only_when_overdue_and_still(
    idle_s: int, settled_s_ago: int | None, max_age_s: int, workers: int
) -> None:
    reason = stalled("loops", status(idle_s=idle_s, settled_s_ago=settled_s_ago), max_age_s, workers=workers)
    still = settled_s_ago is None or settled_s_ago > max_age_s
    assert bool(reason) == (idle_s > max_age_s and still)
    assert not reason or ("no worker is alive" in reason) == (workers == 0)


@given(idle_s=st.integers(0, 10**6))
def test_a_paused_destination_never_stalls(idle_s: int) -> None:
    paused = status(idle_s=idle_s, settled_s_ago=None, paused=Pause("by hand", 1, None))
    assert stalled("loops", paused, 1, workers=1) is None


@given(ages=st.lists(st.integers(0, 10**6)), max_age_ms=st.integers(1, 10**6))
def test_the_latest_sweep_counts(ages: list[int], max_age_ms: int) -> None:
    now_ms = 1_800_000_000_000
    healthy = any(age <= max_age_ms for age in ages)
    assert (unswept([now_ms - age for age in ages], now_ms, max_age_ms) is None) == healthy


def test_without_a_worker_nothing_is_healthy(redis: Redis, now_ms: int, environ: dict[str, str]) -> None:
    redis.zadd(WORKERS, {"worker@host": now_ms - 60_000})
    result = health(environ)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("no worker is alive; start one")


def test_an_idle_destination_is_healthy(redis: Redis, environ: dict[str, str]) -> None:
    assert redis.dbsize() == 1
    result = health(environ)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "healthy\n")


def test_an_event_due_for_too_long_is_not(redis: Redis, now_ms: int, environ: dict[str, str]) -> None:
    redis.zadd(KEYS.due, {"u1": now_ms - 90_000, "u2": now_ms})
    result = health(environ)
    assert result.exit_code == 1
    assert re.match(
        r"destination 'loops': an event has waited for \d+ s \(at most 60 s\) and nothing has ever been", result.stderr
    )
    assert health(environ, "--max-age", "2m").exit_code == 0


def test_a_contact_that_is_parked_need_not_move_and_one_that_is_claimed_must(
    redis: Redis, now_ms: int, environ: dict[str, str]
) -> None:
    redis.zadd(KEYS.away, {"claimed": now_ms + 5000, "parked": now_ms + 3_600_000})
    redis.hset(KEYS.parked, "parked", f'{{"since":{now_ms - 600_000}}}')
    assert health(environ).exit_code == 0
    redis.hset(KEYS.lease, "claimed", f"owner:1:0:1:{now_ms - 600_000}")
    assert health(environ).exit_code == 1


def test_a_parked_contact_has_to_move_only_since_the_time_of_its_next_attempt(
    redis: Redis, now_ms: int, environ: dict[str, str]
) -> None:
    def parked(next_ms: int) -> str:
        return f'{{"since":{now_ms - 7_200_000},"attempts":9,"first":{now_ms - 7_100_000},"next":{next_ms},"request":null}}'

    redis.hset(KEYS.parked, "parked", parked(now_ms - 10_000))
    for state in ("ripe", "due", "claimed"):
        redis.delete(KEYS.away, KEYS.due, KEYS.lease)
        if state == "due":
            redis.zadd(KEYS.due, {"parked": now_ms - 7_200_000})
        else:
            redis.zadd(KEYS.away, {"parked": now_ms - 10_000 if state == "ripe" else now_ms + 5000})
        if state == "claimed":
            redis.hset(KEYS.lease, "parked", f"owner:1:0:1:{now_ms - 7_200_000}")
        assert health(environ).exit_code == 0, state
        redis.hset(KEYS.parked, "parked", parked(now_ms - 90_000))
        if state == "ripe":
            redis.zadd(KEYS.away, {"parked": now_ms - 90_000})
        assert health(environ).exit_code == 1, state
        redis.hset(KEYS.parked, "parked", parked(now_ms - 10_000))


def test_behind_a_parked_contact_another_one_may_have_waited_for_longer(
    redis: Redis, now_ms: int, environ: dict[str, str]
) -> None:
    redis.hset(KEYS.parked, "parked", f'{{"since":1,"next":{now_ms}}}')
    redis.zadd(KEYS.due, {"parked": 1, "new": now_ms - 90_000})
    assert health(environ).exit_code == 1


def test_a_backlog_that_shrinks_is_healthy(redis: Redis, now_ms: int, environ: dict[str, str]) -> None:
    redis.zadd(KEYS.due, {"u1": now_ms - 600_000})
    assert health(environ).exit_code == 1
    redis.set(KEYS.settled, now_ms - 300_000)
    assert health(environ).exit_code == 1, "what was settled long ago is no progress"
    redis.set(KEYS.settled, now_ms)
    assert health(environ).exit_code == 0


def test_nothing_is_meant_to_move_while_paused_or_off(redis: Redis, now_ms: int, environ: dict[str, str]) -> None:
    redis.zadd(KEYS.due, {"u1": now_ms - 600_000})
    redis.zadd(Keys("held-back").due, {"u1": now_ms - 600_000})
    redis.set(KEYS.paused, Pause("by hand", now_ms, None).to_json())
    assert health(environ).exit_code == 0
    strictly = health(environ, "--strict")
    assert (strictly.exit_code, "is paused: by hand" in strictly.stderr) == (1, True)


def test_the_sweep_is_healthy_while_it_is_recent(redis: Redis, now_ms: int, environ: dict[str, str]) -> None:
    without_config = {"SEGUE_REDIS_URL": environ["SEGUE_REDIS_URL"], "SEGUE_CONFIG": "no such file"}
    never = health(without_config, "--sweep")
    assert (never.exit_code, never.stderr) == (1, "no sweep has run yet; start beat and a worker\n")
    redis.hset(DESTINATIONS, mapping={"gone": now_ms - 600_000, "loops": now_ms})
    assert health(without_config, "--sweep").exit_code == 0
    redis.hset(DESTINATIONS, "loops", now_ms - 70_000)
    late = health(without_config, "--sweep")
    assert late.exit_code == 1
    assert re.match(r"the last sweep ran \d+ s ago \(at most 60 s\)", late.stderr)


def test_problems_are_data_in_json(redis: Redis, now_ms: int, environ: dict[str, str]) -> None:
    result = health(environ, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"healthy": True, "problems": []})
    redis.zadd(KEYS.due, {"u1": now_ms - 90_000})
    result = health(environ, "--json")
    said = json.loads(result.stdout)
    assert (result.exit_code, result.stderr, said["healthy"]) == (1, "", False)
    assert said["problems"][0].startswith("destination 'loops'")


@pytest.mark.parametrize("arguments", [(), ("--sweep",)])
def test_a_redis_that_is_away_is_said_without_its_password(config: Path, arguments: tuple[str, ...]) -> None:
    port = free_port()
    url = f"redis://segue:the-password@127.0.0.1:{port}/0"
    result = health({"SEGUE_CONFIG": str(config), "SEGUE_REDIS_URL": url}, *arguments)
    assert result.exit_code == 1
    assert f"Redis at 127.0.0.1:{port} does not answer (ConnectionError)" in result.stderr
    assert "the-password" not in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("span", ["60", "soon", "0s", "2d"])
def test_a_span_that_is_none_is_bad_usage(environ: dict[str, str], span: str) -> None:
    result = health(environ, "--max-age", span)
    assert result.exit_code == 2
    assert "--max-age" in result.stderr


def test_a_faulty_configuration_is_named(environ: dict[str, str], config: Path) -> None:
    config.write_text("destinations: []\n", encoding="utf-8")
    assert health(environ).exit_code == 2
