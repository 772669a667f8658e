"""Of a destination with a damaged key the damage is shown, and of all others what is always shown."""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from click.testing import CliRunner, Result
from redis import Redis

from segue_producer import Producer
from segue_producer.keys import DESTINATIONS, HELD, WORKERS, Keys
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.cli import segue
from segue_worker.dashboard import Dashboard, create_app
from segue_worker.dashboard.sessions import Sessions
from segue_worker.outbox.redis_time import time_ms

BAD: Final = Keys("bad")
CONFIG: Final = """\
destinations:
  - {name: bad, api_key: sandbox-key-1, base_url: "http://127.0.0.1:9/api/v1"}
  - {name: good, api_key: sandbox-key-2, base_url: "http://127.0.0.1:9/api/v1"}
"""
ORIGIN: Final = "http://dashboard.test"
PASSING: Final = {"asked", "counted", "hinted", "resumed", "run"}
"""The keys of which only their presence is asked."""
SINGLE: Final = [name for name in Keys.__slots__ if not getattr(BAD, name).endswith(":") and name not in PASSING]
"""The other keys of a destination of which there is one."""
STRINGS: Final = {"clock", "known", "moving", "paused", "pending", "pending_bulk", "sent", "settled"}
COMMANDS: Final = ("status", "metrics", "health", "check --live", "trace m1", "trace --contact u1")
PAGES: Final = ("/", "/events", "/retries", "/dead", "/mappings", "/schema", "/lookup")
Run = Callable[[str], Result]


@pytest.fixture
def redis(redis_server: EmbeddedRedis) -> Iterator["Redis"]:
    """A Redis with two destinations, at each of which an event waits."""
    with (
        Redis.from_url(redis_server.url) as client,
        Producer(redis_server.url, destinations=("bad", "good")) as producer,
    ):
        now_ms = time_ms(client.time())
        client.zadd(WORKERS, {"worker@host": now_ms})
        for key in (DESTINATIONS, HELD):
            client.hset(key, mapping={"bad": now_ms, "good": now_ms})
        producer.identify("u1", {"email": "u1@example.com"}, message_id="m1")
        yield client


@pytest.fixture
def run(redis_server: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("segue.yaml").write_text(CONFIG, encoding="utf-8")
    environ = {"SEGUE_REDIS_URL": redis_server.url, "SEGUE_CONFIG": None}

    def run(command: str) -> Result:
        result = CliRunner().invoke(segue, command.split(), env=environ)
        assert result.exception is None or isinstance(result.exception, SystemExit), (command, result.exc_info)
        return result

    return run


@pytest.fixture
async def browser(redis: "Redis", run: Run) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has signed in to the dashboard."""
    assert run("check").exit_code == 0
    sessions = Sessions("a-token-for-tests-only")
    app = create_app(Dashboard(redis, Path("segue.yaml"), sessions, lambda _: None))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        asked = await client.get("/sign-in")
        csrf = asked.text.partition('name="csrf" value="')[2].partition('"')[0]
        token = {"csrf": csrf, "token": "a-token-for-tests-only"}
        assert (await client.post("/sign-in", data=token, headers={"origin": ORIGIN})).status_code == 303
        yield client


def damage(redis: "Redis", name: str) -> str:
    """Let a key of the bad destination hold something of another type. Returns it."""
    key: str = getattr(BAD, name)
    redis.delete(key)
    if name in STRINGS:
        redis.rpush(key, "x")
    else:
        redis.set(key, "x")
    return key


def assert_named(run: Run, key: str) -> None:
    """The damage is named by every command that looks at all destinations, and the good one is shown."""
    status = run("status --json")
    data = json.loads(status.stdout)
    assert status.exit_code == 1
    assert {name: each["pending"] for name, each in data["destinations"].items()} == {"good": 1}
    assert key in data["damaged"]["bad"]
    for command in COMMANDS:
        result = run(command)
        assert key in result.output, command
        assert result.exit_code == (0 if command == "metrics" else 1), command
    assert "m1 'identify' at good: pending" in run("trace m1").stdout
    metrics = run("metrics").stdout.splitlines()
    assert {'segue_damaged{destination="bad"} 1.0', 'segue_damaged{destination="good"} 0.0'} <= set(metrics)
    assert [line for line in metrics if 'destination="bad"' in line] == ['segue_damaged{destination="bad"} 1.0']


@pytest.mark.parametrize("name", SINGLE)
def test_a_key_of_another_type_is_named_and_hides_no_other_destination(redis: "Redis", run: Run, name: str) -> None:
    assert_named(run, damage(redis, name))


@pytest.mark.parametrize("name", ["totals", "measures", "settings", "pending", "pending_bulk"])
def test_what_should_be_a_number_and_is_none_is_named(redis: "Redis", run: Run, name: str) -> None:
    key: str = getattr(BAD, name)
    if redis.type(key) == b"hash" or name in {"totals", "measures", "settings"}:
        redis.hset(key, "max_pending", "many")
    else:
        redis.set(key, "many")
    assert_named(run, key)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("name", ["totals", "log", "dead", "parked", "due", "measured"])
async def test_every_page_names_what_is_damaged(
    redis: "Redis", browser: httpx.AsyncClient, name: str, path: str
) -> None:
    key = damage(redis, name)
    page = await browser.get(path)
    assert page.status_code == 200
    assert key in page.text


async def test_prometheus_scrapes_the_others(redis: "Redis", browser: httpx.AsyncClient) -> None:
    damage(redis, "totals")
    page = await browser.get("/metrics")
    assert page.status_code == 200
    assert 'segue_pending_events{destination="good"} 1.0' in page.text


@pytest.mark.parametrize("name", ["dead_at", "log", "due"])
def test_a_person_is_forgotten_where_nothing_is_damaged(redis: "Redis", run: Run, name: str) -> None:
    key = damage(redis, name)
    result = run("forget u1 --yes")
    assert result.exit_code == 1
    assert "good: deleted 1 event" in result.stderr
    assert "bad: not all of this person could be deleted; give the command again once it is mended" in result.stderr
    assert key in result.stderr
    assert not redis.exists(Keys("good").outbox + "u1")


def damaged_parts(redis: "Redis") -> None:
    """Parts of keys that do not stand for a whole destination."""
    minute = int(time.time()) // 60
    redis.rpush(f"{BAD.stats}{minute - 1}", "x")
    redis.hset(f"{BAD.stats}{minute}", mapping={"delivered": "many", "requests": 3})
    redis.xadd(BAD.log, {"another": "field"})
    redis.xadd(BAD.log, {"e": "no JSON"})
    redis.xadd(BAD.log, {"e": "[1, [], null]"})
    redis.hset(BAD.measured, mapping={"noon": "x", str(minute // 60): "x"})
    redis.hset(DESTINATIONS, mapping={"other": "lately"})
    redis.hset(BAD.parked, "u2", "x")
    redis.hset(BAD.lease, "u3", "x")
    redis.hset(BAD.dead, "0" * 32, "x")
    redis.zadd(BAD.dead_at, {"0" * 32: 1})
    redis.zadd(BAD.due, {"u4": 1})
    redis.set(BAD.outbox + "u4", "x")
    redis.hset(BAD.live, "u4", "x")
    for key in (BAD.paused, BAD.sent, BAD.known, BAD.moving, BAD.settled, BAD.clock):
        redis.set(key, "x")


def test_damage_within_a_key_hides_nothing_from_commands(redis: "Redis", run: Run) -> None:
    damaged_parts(redis)
    for command in (*COMMANDS, "status", "dead list bad", "dead groups bad", "doctor", "schema good"):
        shown = run(command)
        assert "refuses" not in shown.output, (command, shown.output)
    data: dict[str, Any] = json.loads(run("status --json").stdout)
    assert {name: each["pending"] for name, each in data["destinations"].items()} == {"bad": 1, "good": 1}
    assert "m1 'identify' at bad: pending" in run("trace m1").stdout


async def test_damage_within_a_key_hides_nothing_from_pages(redis: "Redis", browser: httpx.AsyncClient) -> None:
    damaged_parts(redis)
    for path in (
        *PAGES,
        "/?destination=bad",
        "/series/bad",
        "/numbers/bad",
        "/metrics",
        "/events?destination=bad",
    ):
        assert (await browser.get(path)).status_code == 200, path


def test_no_command_shows_fewer_than_no_events(redis: "Redis", run: Run) -> None:
    redis.set(BAD.pending, -80)
    redis.set(BAD.pending_bulk, -80)
    bad = json.loads(run("status --json").stdout)["destinations"]["bad"]
    assert [bad["pending"], *(lane["pending"] for lane in bad["lanes"].values())] == [0, 0, 0]
