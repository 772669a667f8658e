"""The configuration changes while events wait, are half delivered, parked, in a replay, or dead.

From the ledger of the stand-in: nothing is delivered twice, nothing vanishes, the order of each contact is kept; and
`segue trace` explains what became of each event.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from segue_producer import Producer
from segue_producer.keys import ABOUT_WORKERS, WORKERS, Keys
from segue_sandbox.core import Sandbox
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_sandbox.faults import InjectedFault
from segue_sandbox.switches import Switches
from segue_worker.cli import segue
from segue_worker.config import Config, load_config
from segue_worker.delivery import attempts, retry
from segue_worker.delivery.context import RunContext
from segue_worker.loops import LoopsClient
from segue_worker.observing.workers import WorkerAbout
from segue_worker.outbox import Outbox
from segue_worker.process.engine import Engine
from tests.unit.sandbox.in_process import SandboxTransport

CONTACTS: Final = ("u1", "u2")
EACH: Final = 3
"""Track events of each contact, after an identify."""
SYNC = "{name: Sync, action: createOrUpdateContact}"
FIRST = "{name: First, action: sendEvent, fields: {eventName: First}}"
SECOND = "{name: Second, action: sendEvent, fields: {eventName: Second}}"
BEFORE: Final = (SYNC, FIRST, SECOND)


@dataclass
class World:
    """Workers that start, work until nothing is left that they may do, and stop; and people who run commands."""

    redis: "Redis"
    url: str
    path: Path
    sandbox: Sandbox = field(default_factory=lambda: Sandbox(Switches(rate_limit=10_000)))
    ids: list[str] = field(default_factory=list)

    def write(
        self, *mappings: str, name: str = "loops", key: str = "sandbox-key", enabled: str = "true", more: str = ""
    ) -> None:
        listed = "".join(f"\n      - {each}" for each in mappings)
        self.path.write_text(
            f"destinations:\n  - name: {name}\n    api_key: {key}\n    base_url: http://sandbox/api/v1\n"
            f"    rate_limit: 10000\n    enabled: {enabled}\n    mappings:{listed}\n{more}",
            encoding="utf-8",
        )

    def enqueue(self, name: str = "loops") -> None:
        number = count(len(self.ids))
        with Producer(self.url, (name,)) as producer:
            for contact in CONTACTS:
                email = f"{contact}@example.com"
                events: list[dict[str, Any]] = [
                    {"type": "identify", "traits": {"email": email, "number": next(number)}}
                ]
                events += [
                    {"type": "track", "event": "E", "properties": {"email": email, "number": next(number)}}
                    for _ in range(EACH)
                ]
                whole: list[Any] = [{"userId": contact, **event} for event in events]
                self.ids += producer.enqueue(whole)

    def work(self) -> None:
        """A worker with what is written now, until there is nothing that it may do."""
        config = load_config(self.path)
        self.announce(config)
        asyncio.run(self._work(config))

    def announce(self, config: Config) -> None:
        self.redis.zadd(WORKERS, {"worker": int(self.redis.time()[0]) * 1000})
        self.redis.hset(ABOUT_WORKERS, "worker", WorkerAbout.of(config, 0).to_json())

    async def _work(self, config: Config) -> None:
        transport = SandboxTransport(self.sandbox)
        async with AsyncRedis.from_url(self.url) as redis:
            engine = Engine(
                config,
                redis,
                stopping=lambda: False,
                client=lambda each: LoopsClient(each.base_url, each.api_key.get_secret_value(), transport=transport),
            )
            await engine.warm_up()
            for _ in range(50):
                wanting = await engine.sweep()
                if not wanting:
                    return
                for wanted in wanting:
                    await engine.deliver(config.destination(wanted))
        raise AssertionError("there is always something to do")

    def segue(self, *arguments: str) -> Result:
        environ = {"SEGUE_REDIS_URL": self.url, "SEGUE_CONFIG": str(self.path)}
        return CliRunner().invoke(segue, arguments, env=environ)

    def let_time_pass(self) -> None:
        """What is parked is due; claims and runs of killed workers have lapsed."""
        for key in self.redis.keys("segue:{*}:away"):
            contacts: list[Any] = self.redis.zrange(key, 0, -1)
            for contact in contacts:
                self.redis.zadd(key, {contact: 1})
        for key in [*self.redis.keys("segue:{*}:run"), *self.redis.keys("segue:{*}:hinted")]:
            self.redis.delete(key)

    @property
    def delivered(self) -> list[tuple[int, str]]:
        """Number and name of each event that Loops took, and number and "update" of each update, in order."""
        found = []
        for record in self.sandbox.ledger.records():
            body: Any = record["body"]
            if record["applied"] and record["path"] == "/events/send":
                found.append((body["eventProperties"]["number"], body["eventName"]))
            elif record["applied"] and record["path"] == "/contacts/update":
                found.append((body["number"], "update"))
        return found

    @property
    def wanted(self) -> list[tuple[int, str]]:
        """What all that was enqueued becomes by the mappings of `BEFORE`."""
        block = EACH + 1
        return [
            (number, name)
            for number in range(len(self.ids))
            for name in (("update",) if number % block == 0 else ("First", "Second"))
        ]

    def trails(self, message_id: str) -> list[dict[str, Any]]:
        result = self.segue("trace", message_id, "--json")
        return json.loads(result.stdout) if result.stdout else []


@pytest.fixture
def world(redis_server: EmbeddedRedis, tmp_path: Path) -> Iterator[World]:
    with Redis.from_url(redis_server.url) as redis:
        redis.flushall()
        yield World(redis, redis_server.url, tmp_path / "segue.yaml")


# How things stand when the configuration changes


@contextmanager
def patched(*patches: tuple[Any, str, Any]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, value in patches:
            patch.setattr(owner, name, value)
        yield


def served(world: World) -> int:
    return len(list(world.sandbox.ledger.records()))


def waiting(world: World) -> None:
    world.enqueue()


def half_delivered(world: World) -> None:
    """A shutdown after three requests, which is in the middle of an event."""
    world.enqueue()
    with patched((RunContext, "may_send", lambda _: served(world) < 3)), suppress(AssertionError):
        world.work()
    assert 0 < len(world.delivered) < len(world.wanted)


def killed(world: World) -> None:
    """The worker dies after it has sent three requests, of which the last ones are not recorded."""
    world.enqueue()
    settle = Outbox.settle

    async def dying(outbox: Outbox, *args: Any, **options: Any) -> int | None:
        return None if served(world) >= 3 else await settle(outbox, *args, **options)

    leaving = (RunContext, "may_send", lambda _: served(world) < 3)
    with patched((Outbox, "settle", dying), leaving), suppress(AssertionError):
        world.work()
    assert len(world.delivered) >= 3


def parked(world: World) -> None:
    world.enqueue()
    world.sandbox.faults.add(InjectedFault(status=500, count=len(CONTACTS)))
    with patched((attempts, "_is_quick", lambda _: False), (retry, "backoff", lambda *_: 900.0)):
        world.work()
    assert world.redis.hlen(Keys("loops").parked) == len(CONTACTS)
    assert world.delivered == []


def dead(world: World) -> None:
    world.enqueue()
    with refusing(world):
        world.work()
    assert world.delivered == []
    assert world.redis.hlen(Keys("loops").dead) > 0


def in_a_replay(world: World) -> None:
    dead(world)
    assert world.segue("dead", "replay", "--all").exit_code == 0
    assert world.redis.hlen(Keys("loops").dead) == 0


@contextmanager
def refusing(world: World) -> Iterator[None]:
    world.sandbox.faults.add(InjectedFault(status=400))
    yield
    world.sandbox.faults.replace([])


STATES: Final[tuple[Callable[[World], None], ...]] = (waiting, half_delivered, killed, parked, in_a_replay, dead)

# What is changed, and what a person does about it


def mapping_renamed(world: World) -> None:
    world.write(SYNC, FIRST, SECOND.replace("name: Second", "name: Renamed"))


def mapping_removed(world: World) -> None:
    world.write(SYNC, FIRST)


def trigger_changed(world: World) -> None:
    world.write(SYNC, FIRST, "{name: Second, action: sendEvent, trigger: 'event = \"F\"', fields: {eventName: Second}}")


def fields_changed(world: World) -> None:
    properties = '{"@merge": {objects: [{"@path": "$.properties"}, {added: 1}], direction: right}}'
    world.write(
        SYNC,
        FIRST,
        f"{{name: Second, action: sendEvent, fields: {{eventName: Second, eventProperties: {properties}}}}}",
    )


def order_changed(world: World) -> None:
    world.write(SECOND, SYNC, FIRST)


def destination_renamed(world: World) -> None:
    world.write(*BEFORE, name="renamed")
    world.work()
    assert world.segue("move", "loops", "renamed").exit_code == 0


def destination_removed(world: World) -> None:
    """And put back, once `segue health` and the trace of the events have said what is the matter."""
    before = world.delivered
    world.write(*BEFORE, name="another")
    world.work()
    status = json.loads(world.segue("status", "--json").stdout)["destinations"]["loops"]
    assert status["orphaned"]
    assert (world.segue("health").exit_code, status["pending"] > 0) in {(1, True), (0, False)}
    explained(world)
    assert world.delivered == before
    world.write(*BEFORE)


def destination_disabled(world: World) -> None:
    before = world.delivered
    world.write(*BEFORE, enabled="false")
    world.work()
    explained(world)
    assert world.delivered == before
    world.write(*BEFORE)


def another_key(world: World) -> None:
    world.write(*BEFORE, key="sandbox-key.two")


def another_key_the_old_one_revoked(world: World) -> None:
    """The old workers notice it first, and the destination is paused."""
    world.sandbox.keys.revoke("sandbox-key")
    world.let_time_pass()
    world.work()
    another_key(world)


CHANGES: Final[tuple[Callable[[World], None], ...]] = (
    *(mapping_renamed, mapping_removed, trigger_changed, fields_changed, order_changed),
    *(destination_renamed, destination_removed, destination_disabled, another_key, another_key_the_old_one_revoked),
)
LOSING: Final = {mapping_removed, trigger_changed}
"""Changes after which what was not begun does not go to the second mapping: as the configuration wants it."""


def explained(world: World) -> dict[str, list[dict[str, Any]]]:
    """The trails of each event, every one of which says what became of it."""
    found = {message_id: world.trails(message_id) for message_id in world.ids}
    for trails in found.values():
        assert trails
        for trail in trails:
            last = trail["steps"][-1]
            assert trail["outcome"] in {"pending", "parked", "delivered", "filtered", "dead", "moved"}, trail
            assert trail["outcome"] != "pending" or "standstill" in last or last["what"] == "replayed", trail
    return found


@pytest.mark.parametrize("state", STATES, ids=lambda each: each.__name__)
@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
def test_nothing_is_sent_twice_lost_or_disordered(
    world: World, change: Callable[[World], None], state: Callable[[World], None]
) -> None:
    world.write(*BEFORE)
    state(world)
    change(world)
    for _ in range(4):
        world.let_time_pass()
        world.work()
    if world.redis.keys("segue:{*}:dead"):
        world.segue("dead", "replay", destination(world), "--all")
        world.work()
    sent = world.delivered
    # An update has no key: what a killed worker had sent may be sent again, and sets the same values.
    assert len(set(sent)) == len(sent) - (repeated_updates(sent) if state is killed else 0)
    trails = explained(world)
    check_order(world, sent, trails)
    missing = set(world.wanted) - set(sent)
    if change not in LOSING:
        assert missing == set()
    for number, name in missing:
        steps = [step for trail in trails[world.ids[number]] for step in trail["steps"]]
        gone = any(step["what"] == "failed" and step["mapping"] == name for step in steps)
        refused = any(step["what"] == "dead" and step.get("mapping") == name for step in steps)
        others = any(step["what"] == "delivered" for step in steps)
        assert gone or refused or others, (number, name, steps)


def destination(world: World) -> str:
    return load_config(world.path).destinations[0].name


def repeated_updates(sent: list[tuple[int, str]]) -> int:
    updates = [each for each in sent if each[1] == "update"]
    return len(updates) - len(set(updates))


def check_order(world: World, sent: list[tuple[int, str]], trails: dict[str, list[dict[str, Any]]]) -> None:
    """The numbers rise with the enqueueing; each contact has a block of them. What had died came when it was replayed."""
    block = EACH + 1
    died = {
        world.ids.index(message_id)
        for message_id, found in trails.items()
        if any(step["what"] == "failed" for trail in found for step in trail["steps"])
    }
    for contact in range(len(world.ids) // block):
        for name in ("First", "Second", "update"):
            numbers = [
                number for number, each in sent if each == name and number // block == contact and number not in died
            ]
            assert numbers == sorted(numbers)
