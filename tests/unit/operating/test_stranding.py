"""`segue check --live`: what a configuration would strand or change."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from segue_producer.keys import ABOUT_WORKERS, WORKERS, Keys
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.cli import segue
from segue_worker.config import load_config
from segue_worker.observing.workers import WorkerAbout
from segue_worker.outbox.plan import Plan

from .town import Town

SEND = "{name: Send, action: sendEvent}"
SECOND = "{name: Second, action: sendEvent, fields: {eventName: Second}}"


class Deployment:
    """A configuration that workers run, and others that are to come."""

    def __init__(self, redis: "Redis", path: Path, url: str) -> None:
        self.redis = redis
        self.path = path
        self.environ = {"SEGUE_REDIS_URL": url, "SEGUE_CONFIG": str(path)}

    def write(self, *mappings: str, name: str = "loops", enabled: str = "true") -> None:
        listed = "".join(f"\n      - {each}" for each in mappings)
        self.path.write_text(
            f"destinations:\n  - name: {name}\n    api_key: sandbox-key\n    enabled: {enabled}\n    mappings:{listed}\n",
            encoding="utf-8",
        )

    def start(self, town: Town) -> None:
        """A worker starts with what is written."""
        config = load_config(self.path)
        town.mappings = config.destinations[0].mappings
        plan = Plan.of(town.mappings)
        self.redis.zadd(WORKERS, {"worker": int(self.redis.time()[0]) * 1000})
        self.redis.hset(ABOUT_WORKERS, "worker", WorkerAbout.of(config, 0).to_json())
        self.redis.set(Keys("loops").plan + plan.version, plan.to_json())

    def check(self) -> Result:
        return CliRunner().invoke(segue, ["check", "--live", "--json"], env=self.environ)

    def found(self) -> tuple[int, list[tuple[str, str, int]]]:
        result = self.check()
        live = json.loads(result.stdout)["live"]["findings"]
        return result.exit_code, [(each["what"], each["mapping"], each["count"]) for each in live]


@pytest.fixture
def redis(town: Town) -> "Redis":
    return town.redis


@pytest.fixture
def deployment(redis: "Redis", town: Town, tmp_path: Path, redis_server: EmbeddedRedis) -> Deployment:
    made = Deployment(redis, tmp_path / "segue.yaml", redis_server.url)
    made.write(SEND, SECOND)
    made.start(town)
    return made


Fill = Callable[[Town], None]


def wait(town: Town) -> None:
    town.enqueue("loops", "u1")
    town.enqueue("loops", "u2")


def half(town: Town) -> None:
    town.enqueue("loops", "u1")
    town.run("loops", leave_after=1)


def park(town: Town) -> None:
    town.enqueue("loops", "u1")
    town.fail(3)
    town.run("loops")


def die(town: Town) -> None:
    town.enqueue("loops", "u1")
    town.fail(2, status=400)
    town.finish("loops")


@pytest.mark.parametrize("fill", [wait, half, park, die])
def test_the_same_configuration_strands_nothing(town: Town, deployment: Deployment, fill: Fill) -> None:
    fill(town)
    assert deployment.found() == (0, [])


RENAMED = "{name: Renamed, action: sendEvent, fields: {eventName: Second}}"
NARROW = """{name: Second, action: sendEvent, trigger: 'event = "Other"'}"""


@pytest.mark.parametrize(
    ("fill", "mappings", "expected"),
    [
        (wait, (SEND, RENAMED), (0, [("moved", "Second", 2)])),
        (wait, (SEND,), (1, [("waiting", "Second", 2)])),
        (wait, (SEND, NARROW), (1, [("waiting", "Second", 2)])),
        (wait, (SECOND, SEND), (0, [])),
        (half, (SEND, RENAMED), (1, [("begun", "Second", 1)])),
        (half, (SEND,), (1, [("begun", "Second", 1)])),
        (half, (SEND, NARROW), (0, [])),
        (park, (RENAMED, SECOND), (0, [("parked", "Send", 1)])),
        (park, (SEND,), (1, [("begun", "Second", 1)])),
        (die, (SEND, RENAMED), (0, [])),
        (die, (SEND,), (1, [("dead", "Second", 1)])),
    ],
)
def test_what_another_configuration_would_strand_or_change_is_counted(
    town: Town, deployment: Deployment, fill: Fill, mappings: tuple[str, ...], expected: object
) -> None:
    fill(town)
    deployment.write(*mappings)
    assert deployment.found() == expected


@pytest.mark.parametrize("fill", [wait, half, park, die])
def test_a_destination_that_would_be_gone_is_a_finding(town: Town, deployment: Deployment, fill: Fill) -> None:
    fill(town)
    deployment.write(SEND, SECOND, name="renamed")
    code, found = deployment.found()
    assert (code, [what for what, _, _ in found]) == (1, ["orphaned"])


def test_a_destination_that_would_be_disabled_is_a_finding_where_events_wait(
    town: Town, deployment: Deployment
) -> None:
    deployment.write(SEND, SECOND, enabled="false")
    assert deployment.found() == (0, [])
    wait(town)
    assert deployment.found() == (1, [("disabled", "", 2)])


def test_what_workers_run_is_compared_with_the_file(town: Town, deployment: Deployment) -> None:
    deployment.write(SEND)
    live = json.loads(deployment.check().stdout)["live"]
    assert list(live["workers"]["config_versions"]) != [live["version"]]
    deployment.start(town)
    live = json.loads(deployment.check().stdout)["live"]
    assert list(live["workers"]["config_versions"]) == [live["version"]]
