import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Connection
from redis.asyncio import Connection as AsyncConnection
from redis.exceptions import NoPermissionError, ResponseError

from segue_producer import AsyncProducer, OutboxUnavailable, Producer
from segue_producer.broker import celery_app
from segue_producer.clients import async_redis_client, broker_url, redis_client, redis_url, why_refused

ROOT: Final = Path(__file__).parents[3]
DELIVERING: Final = ("producer/segue_producer", "producer/segue_tracking_api", "worker/segue_worker")
MAKERS: Final = {
    "from_url",
    "from_pool",
    "Redis",
    "StrictRedis",
    "RedisCluster",
    "Sentinel",
    "ConnectionPool",
    "BlockingConnectionPool",
    "Celery",
}


def made(path: Path) -> Iterator[str]:
    """Clients and applications that a module makes itself."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", None) or getattr(node.func, "id", "")
            if name in MAKERS:
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {name}"


def test_clients_are_made_in_one_place_and_celery_applications_in_another() -> None:
    places = {
        place.partition(":")[0]
        for folder in DELIVERING
        for path in (ROOT / folder).rglob("*.py")
        for place in made(path)
    }
    assert places == {"producer/segue_producer/clients.py", "producer/segue_producer/broker.py"}


def test_urls_are_those_given_or_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGUE_REDIS_URL", raising=False)
    monkeypatch.delenv("SEGUE_BROKER_URL", raising=False)
    assert redis_url() == broker_url() == "redis://localhost:6379/0"
    monkeypatch.setenv("SEGUE_REDIS_URL", "redis://one:6379/1")
    assert redis_url() == broker_url() == "redis://one:6379/1"
    assert redis_url("redis://two") == broker_url(redis="redis://two") == "redis://two"
    monkeypatch.setenv("SEGUE_BROKER_URL", "amqp://three")
    assert (redis_url(), broker_url(), broker_url("amqp://four")) == (
        "redis://one:6379/1",
        "amqp://three",
        "amqp://four",
    )


@pytest.mark.parametrize("make", [redis_client, async_redis_client])
def test_what_is_no_url_of_a_redis_is_refused_before_anything_connects(make: type) -> None:
    with pytest.raises(ValueError, match="scheme"):
        make("http://localhost", timeout=1)


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, float]]:
    """Host, port and patience of every connection that is tried; none is made."""
    tried: list[tuple[str, int, float]] = []
    silent: set[int] = {26381, 26382}

    def connect(self: Any) -> None:
        tried.append((self.host, self.port, self.socket_connect_timeout))
        raise TimeoutError if self.port in silent else ConnectionRefusedError

    async def connect_later(self: Any) -> None:
        connect(self)

    monkeypatch.setattr(Connection, "_connect", connect)
    monkeypatch.setattr(AsyncConnection, "_connect", connect_later)
    return tried


SILENT = "redis+sentinel://one:26381,two:26382/primary"
REFUSING = "redis+sentinel://one:26383/primary"


def test_sentinels_that_are_silent_take_the_timeout_together(attempts: list[tuple[str, int, float]]) -> None:
    with pytest.raises(OutboxUnavailable):
        Producer(SILENT, timeout=0.5).track("u1", "E")
    assert attempts == [("one", 26381, 0.25), ("two", 26382, 0.25)]


async def test_sentinels_that_are_silent_take_the_timeout_together_in_a_loop_too(
    attempts: list[tuple[str, int, float]],
) -> None:
    with pytest.raises(OutboxUnavailable):
        await AsyncProducer(SILENT, timeout=0.5).track("u1", "E")
    assert attempts == [("one", 26381, 0.25), ("two", 26382, 0.25)]


async def test_a_sentinel_that_refuses_is_tried_once_more_and_no_more(attempts: list[tuple[str, int, float]]) -> None:
    with pytest.raises(OutboxUnavailable):
        Producer(REFUSING, timeout=0.5).track("u1", "E")
    with pytest.raises(OutboxUnavailable):
        await AsyncProducer(REFUSING, timeout=0.5).track("u1", "E")
    assert attempts == [("one", 26383, 0.5)] * 4


def test_both_sides_of_the_broker_speak_json_and_notice_a_dead_connection() -> None:
    conf = celery_app("either", "redis://localhost:6379/0", timeout=2.0, set_as_current=False).conf
    assert (conf.task_serializer, conf.accept_content, conf.task_ignore_result) == ("json", ["json"], True)
    assert conf.broker_transport_options["socket_timeout"] == 2.0
    assert conf.broker_transport_options["health_check_interval"] == 10


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoPermissionError("No permissions to access a key"), "its user may not do that"),
        (ResponseError("ACL failure in script: User a has no permissions to run 'set' script: on @user_script:1."), "its user"),
        (ResponseError("The user executing the script can't run this command or subcommand script: 0, on @user"), "its user"),
        (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), "a key of Segue's holds"),
        (ResponseError("OOM command not allowed when used memory > 'maxmemory'."), "out of memory"),
        (ResponseError("value is not an integer or out of range"), ""),
        (OSError("OOM"), ""),
    ],
)  # fmt: skip
def test_why_redis_refused_something_is_known_by_its_answer(error: Exception, said: str) -> None:
    assert said in why_refused(error)
    assert bool(why_refused(error)) is bool(said)
