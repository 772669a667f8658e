"""What shells offer."""

from pathlib import Path

import pytest
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete
from redis import Redis

from segue_producer.keys import DESTINATIONS
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.cli import segue
from segue_worker.outbox.dead_letter import REASONS

CONFIG = "destinations:\n  - {name: loops, api_key: k, mappings: []}\n  - {name: later, api_key: k2, mappings: []}\n"


@pytest.fixture(autouse=True)
def nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration, and a Redis that does not answer."""
    monkeypatch.chdir(tmp_path)
    Path("segue.yaml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.setenv("SEGUE_REDIS_URL", "redis://localhost:1/0")
    monkeypatch.delenv("SEGUE_CONFIG", raising=False)


def offered(*words: str, shell: type[ShellComplete] = BashComplete) -> list[str]:
    *before, incomplete = words
    return [each.value for each in shell(segue, {}, "segue", "_SEGUE_COMPLETE").get_completions(before, incomplete)]


@pytest.mark.parametrize(
    "words",
    [
        *(("pause", ""), ("resume", ""), ("status", ""), ("move", ""), ("move", "loops", ""), ("schema", "")),
        *(("tail", "--destination", ""), ("trace", "--destination", ""), ("contact", "--destination", "")),
        *(("enqueue", "--destination", ""), ("preview", "--destination", ""), ("send", "--destination", "")),
        *(("dead", "list", ""), ("dead", "show", ""), ("dead", "replay", ""), ("dead", "drop", "--yes", "")),
    ],
)
@pytest.mark.parametrize("shell", [BashComplete, ZshComplete, FishComplete])
def test_destinations(words: tuple[str, ...], shell: type[ShellComplete]) -> None:
    assert offered(*words, shell=shell) == ["loops", "later"]
    assert offered(*words[:-1], "lo", shell=shell) == ["loops"]


def test_destinations_that_only_redis_knows(redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_REDIS_URL", redis_server.url)
    with Redis.from_url(redis_server.url) as redis:
        redis.flushall()
        redis.hset(DESTINATIONS, "served", 1)
        assert offered("pause", "") == ["loops", "later", "served"]
        assert offered("pause", "--redis-url", redis_server.url, "s") == ["served"]


def test_reasons_outcomes_and_commands() -> None:
    assert offered("dead", "list", "--reason", "") == list(REASONS)
    assert offered("dead", "replay", "--reason", "ma") == ["mapping", "mapping_gone"]
    assert offered("tail", "--outcome", "de") == ["delivered", "dead"]
    assert offered("tr") == ["trace", "tracking-api"]


def test_another_configuration_is_asked_where_it_is_named() -> None:
    Path("other.yaml").write_text(CONFIG.replace("loops", "other"), encoding="utf-8")
    assert offered("pause", "--config", "other.yaml", "o") == ["other"]


def test_nothing_is_offered_and_nothing_said_where_nothing_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    Path("segue.yaml").write_text("destinations: [", encoding="utf-8")
    assert offered("pause", "") == []
    assert capsys.readouterr() == ("", "")
