"""What senders and servers wrote neither forges lines of a command's output nor steers the reader's terminal."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from segue_producer import Producer
from segue_producer.keys import DESTINATIONS, Keys
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.cli import segue
from segue_worker.observing.log import Logged
from segue_worker.observing.log_lines import lines
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.log_record import Attempt, EventPart, Record, RequestPart
from segue_worker.outbox.pause import Pause

KEYS = Keys("loops")
CONFIG = "destinations:\n  - {name: loops, api_key: '${LOOPS_API_KEY}'}\n"
EVIL = "m\x1b]0;owned\x07\x9b2J\r\n2026-01-01T00:00:00.000Z  loops  delivered\u202e\u2028"
EVENT: Any = {
    "type": "track",
    "userId": EVIL,
    "event": EVIL,
    "messageId": EVIL,
    "properties": {"email": EVIL, EVIL: EVIL},
}
Run = Callable[..., Result]


@pytest.fixture
def redis(redis_server: EmbeddedRedis) -> Iterator["Redis"]:
    with Redis.from_url(redis_server.url) as client:
        client.hset(DESTINATIONS, "loops", 1)
        yield client


@pytest.fixture
def run(redis_server: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `segue` in a directory with a configuration."""
    monkeypatch.chdir(tmp_path)
    Path("segue.yaml").write_text(CONFIG, encoding="utf-8")
    environ = {"SEGUE_REDIS_URL": redis_server.url, "SEGUE_CONFIG": None, "LOOPS_API_KEY": "sk-test-api-key"}
    return lambda *arguments, **options: CliRunner().invoke(segue, arguments, env=environ, **options)


@pytest.fixture
def letter(redis: "Redis", redis_server: EmbeddedRedis) -> DeadLetter:
    """An event that waits, one that was parked, a dead letter and a pause, all of a hostile sender and server."""
    with Producer(redis_server.url) as producer:
        producer.enqueue([EVENT])
    letter = DeadLetter(
        reason="refused",
        detail=EVIL,
        contact=EVIL,
        mappings=(EVIL,),
        message_ids=(EVIL,),
        events=(json.dumps(EVENT, ensure_ascii=False), EVIL),
        at=1_700_000_000_000,
        request={"method": "PUT", "path": "/contacts/update", "body": EVIL},
        answer={"status": 400, "text": EVIL},
        attempts=1,
    )
    redis.hset(KEYS.dead, letter.id, letter.to_json())
    redis.zadd(KEYS.dead_at, {letter.id: letter.at})
    redis.set(KEYS.paused, Pause(EVIL, 1_700_000_000_000, None).to_json())
    redis.xadd(KEYS.log, {"e": RECORD.to_json()})
    return letter


RECORD = Record(
    "0" * 16,
    (EventPart(EVIL, EVIL, "parked", 1_700_000_000_000),),
    RequestPart("/events/send", ((EVIL, EVIL), ("other", EVIL)), (Attempt(1, 503, 2),), 1, "parked", EVIL, 3),
)


def is_harmless(text: str) -> bool:
    """Whether it has no control character, and no line that the sender has begun."""
    return all(c.isprintable() or c == "\n" for c in text) and "\n2026-01-01" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("status", "--json"),
        ("trace", EVIL),
        ("trace", EVIL, "--json"),
        ("trace", f"no such {EVIL}"),
        ("dead", "list"),
        ("dead", "list", "--json"),
        ("dead", "list", EVIL),
        ("dead", "show", "ID"),
        ("dead", "show", "ID", "--json"),
        ("dead", "replay", "ID", "--dry-run"),
        ("preview",),
        ("preview", "--json"),
        ("send", "--event-json", "EVENT"),
        ("forget", EVIL, "--yes"),
        ("forget", EVIL, "--yes", "--json"),
        ("resume", "loops"),
    ],
    ids=" ".join,
)
def test_a_command_prints_no_control_character(run: Run, letter: DeadLetter, arguments: tuple[str, ...]) -> None:
    given = {"ID": letter.id, "EVENT": json.dumps(EVENT)}
    result = run(*(given.get(each, each) for each in arguments), input=json.dumps(EVENT) + "\n")
    assert result.output
    assert is_harmless(result.stdout), result.stdout
    assert is_harmless(result.stderr), result.stderr
    if "--json" in arguments:
        json.loads(result.stdout)


def test_a_line_of_tail_is_one_line() -> None:
    for line in lines("loops", Logged(1_700_000_000_000, RECORD)):
        assert is_harmless(line.text(""))
        assert "\n" not in line.text("")
