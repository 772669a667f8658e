"""Destinations that nobody serves any more, and workers whose configuration is not that of the file."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from segue_producer.keys import ABOUT_WORKERS, DESTINATIONS, HELD, WORKERS, Keys
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.cli import segue
from segue_worker.config import Config, load_config
from segue_worker.observing.destinations import find_held
from segue_worker.observing.workers import WorkerAbout
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.outgoing import Outgoing, Parked, Ref

OLD = Keys("old")
HOUR_MS = 3_600_000
Run = Callable[..., Result]


@pytest.fixture
def redis(redis_server: EmbeddedRedis) -> Iterator["Redis"]:
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "segue.yaml"
    path.write_text("destinations:\n  - {name: new, api_key: sandbox-key}\n", encoding="utf-8")
    return path


@pytest.fixture
def run(redis_server: EmbeddedRedis, config: Path) -> Run:
    environ = {"SEGUE_REDIS_URL": redis_server.url, "SEGUE_CONFIG": str(config)}
    return lambda *arguments: CliRunner().invoke(segue, arguments, env=environ)


def now_ms(redis: "Redis") -> int:
    return int(redis.time()[0]) * 1000


def serve(redis: "Redis", config: Config, name: str = "worker@host") -> None:
    redis.zadd(WORKERS, {name: now_ms(redis)})
    redis.hset(ABOUT_WORKERS, name, WorkerAbout.of(config, 0).to_json())
    redis.hset(DESTINATIONS, mapping={each.name: now_ms(redis) for each in config.destinations})


def leave_an_event(redis: "Redis") -> None:
    redis.rpush(OLD.outbox + "u1", '{"messageId":"m1","type":"identify","userId":"u1"}')
    redis.zadd(OLD.due, {"u1": now_ms(redis)})
    redis.set(OLD.pending, 1)
    redis.hset(HELD, "old", 0)


def status(run: Run) -> dict[str, dict[str, bool]]:
    found: dict[str, dict[str, bool]] = json.loads(run("status", "--json").stdout)["destinations"]
    return found


def test_an_orphaned_destination_stays_in_every_view_until_it_is_empty(run: Run, redis: "Redis", config: Path) -> None:
    serve(redis, load_config(config))
    leave_an_event(redis)
    assert {name: each["orphaned"] for name, each in status(run).items()} == {"new": False, "old": True}
    health = run("health")
    assert health.exit_code == 1
    assert "segue move old NEW" in health.stderr
    assert "old is orphaned" in " ".join(run("status").stdout.split())
    assert 'segue_orphaned{destination="old"} 1.0' in run("metrics").stdout
    assert "old is orphaned" in run("trace", "m1").stdout
    redis.delete(OLD.outbox + "u1", OLD.due)
    assert list(status(run)) == ["new"]
    assert run("health").exit_code == 0


def test_dead_letters_alone_are_shown_but_are_no_reason_to_be_unhealthy(run: Run, redis: "Redis", config: Path) -> None:
    serve(redis, load_config(config))
    redis.hset(HELD, "old", 0)
    redis.hset(OLD.dead, "id", "{}")
    assert status(run)["old"]["orphaned"]
    assert run("health").exit_code == 0


def test_what_workers_still_serve_is_not_orphaned(run: Run, redis: "Redis", config: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("destinations:\n  - {name: old, api_key: sandbox-key}\n", encoding="utf-8")
    serve(redis, load_config(other))
    leave_an_event(redis)
    assert not status(run)["old"]["orphaned"]
    serve(redis, load_config(config))
    assert status(run)["old"]["orphaned"]


def test_what_an_older_version_has_forgotten_is_found_by_a_search(redis: "Redis") -> None:
    leave_an_event(redis)
    redis.delete(HELD)
    redis.hset(Keys("letters").dead, "id", "{}")
    redis.zadd(Keys("bulky").bulk, {"u1": 1})
    redis.hset(Keys("empty").because, "digest", "{}")
    redis.set(Keys("empty").pending, 0)
    assert find_held(redis) == {"old", "letters", "bulky"}


def test_workers_with_another_configuration_are_told_of(run: Run, redis: "Redis", config: Path) -> None:
    before = load_config(config)
    serve(redis, before)
    assert "restart" not in run("status").stdout
    config.write_text("destinations:\n  - {name: new, api_key: sandbox-another}\n", encoding="utf-8")
    after = load_config(config)
    assert before.version != after.version
    serve(redis, after, "second@host")
    found = json.loads(run("status", "--json").stdout)["workers"]
    assert found == {"alive": 2, "config_versions": {before.version: 1, after.version: 1}}
    said = " ".join(run("status").stdout.split())
    assert {f"1 worker on {each.version}" in said for each in (before, after)} == {True}
    assert f"is {after.version}: restart the workers to apply it" in said


def test_comments_and_layout_make_no_other_version(config: Path) -> None:
    before = load_config(config).version
    config.write_text("# a remark\n" + config.read_text(encoding="utf-8"), encoding="utf-8")
    assert load_config(config).version == before


def test_a_mapping_that_is_gone_is_named_as_long_as_something_of_it_is_kept(
    run: Run, redis: "Redis", config: Path
) -> None:
    serve(redis, load_config(config))
    new = Keys("new")
    letter = DeadLetter("refused", "", "u1", ("Old",), ("m1",), ("{}",), at=1)
    redis.hset(new.dead, letter.id, letter.to_json())
    redis.zadd(new.dead_at, {letter.id: 1})
    request = Outgoing("PUT", "/contacts/update", b"{}", None, (Ref(0, "Gone"),))
    redis.hset(new.parked, "u1", Parked(1, 1, 1, "", request).to_json())
    found = json.loads(run("status", "--json").stdout)["destinations"]["new"]["orphaned_mappings"]
    assert found == {"Gone": {"parked": 1, "dead": 0}, "Old": {"parked": 0, "dead": 1}}
    assert "new has no mapping 'Old' any more" in " ".join(run("status").stdout.split())
    assert "segue dead replay new --mapping 'Old'" in run("doctor").stdout
