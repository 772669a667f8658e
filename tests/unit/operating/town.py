"""Several destinations in one process: a real Redis, the sandbox without HTTP, and runs that a test cuts short."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import cycle
from tempfile import NamedTemporaryFile
from typing import Any
from uuid import uuid4

import httpx
from pydantic import SecretStr
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from segue_producer import append
from segue_producer.events import prepare
from segue_producer.keys import Keys
from segue_sandbox.core import Sandbox
from segue_sandbox.faults import InjectedFault
from segue_sandbox.switches import Switches
from segue_worker.config import Destination, load_config
from segue_worker.delivery.context import RunContext
from segue_worker.delivery.lease import Lease
from segue_worker.delivery.run import run
from segue_worker.delivery.watch import Watch
from segue_worker.loops import LoopsClient
from segue_worker.mapping import CompiledMapping, compile_destination_mapping
from segue_worker.outbox import Claimed, Outbox, Settlement
from segue_worker.outbox.plan import Plan, owner_token
from segue_worker.pacing import Pacer
from tests.unit.sandbox.in_process import SandboxTransport

DAY_MS = 86_400_000


def mapping(name: str, action: str = "sendEvent", **options: Any) -> CompiledMapping:
    settings: dict[str, Any] = {"trigger": None, "enabled": True, "defaults": True, "fields": {}}
    return compile_destination_mapping(name=name, action=action, **{**settings, **options})


@cache
def _usual() -> Destination:
    """A destination with every setting as it is where a configuration leaves it out."""
    with NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write("destinations:\n  - {name: loops, api_key: sandbox-key}\n")
        file.flush()
        return load_config(file.name).destinations[0]


class _Cut(SandboxTransport):
    """The sandbox, and the end of the worker after so many requests."""

    def __init__(self, sandbox: Sandbox, leave_after: int | None, kill_after: int | None) -> None:
        super().__init__(sandbox)
        self.leave_after, self.kill_after = leave_after, kill_after
        self.served = 0
        self.context: RunContext | None = None

    @property
    def killed(self) -> bool:
        return self.kill_after is not None and self.served >= self.kill_after

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        self.served += 1
        if self.context is not None and (self.killed or self.served == self.leave_after):
            self.context.leaving.set()
        return answer


class _DyingOutbox(Outbox):
    """Records nothing any more once the worker was killed."""

    transport: _Cut

    async def settle(self, claimed: Claimed, settlement: Settlement, **options: Any) -> int | None:
        return None if self.transport.killed else await super().settle(claimed, settlement, **options)


@dataclass
class Town:
    """Runs of any destination, one after the other, each with the mappings that it is given.

    Attributes:
        redis: a client of a real server, which is empty.
        mappings: those of the next runs, where none are given.
        settings: of destinations.
    """

    redis: "Redis"
    mappings: tuple[CompiledMapping, ...] = (mapping("events"),)
    settings: dict[str, Any] = field(default_factory=dict)
    sandbox: Sandbox = field(default_factory=lambda: Sandbox(Switches(rate_limit=10_000)))
    numbers: int = 0
    moved: bool = False

    def destination(self, name: str, **settings: Any) -> Destination:
        options: dict[str, Any] = {
            "api_key": SecretStr("sandbox-key"),
            "enabled": True,
            "coalesce": "updates",
            "mappings": self.mappings,
            **self.settings,
            **settings,
        }
        return replace(_usual(), name=name, base_url="http://sandbox/api/v1", rate_limit=10_000, **options)

    def enqueue(self, destination: str, contact: str, **event: Any) -> str:
        """Enqueue a track event, a millisecond after the one before. Returns its messageId."""
        self.numbers += 1
        fields = {"type": "track", "event": "E", "userId": contact, "messageId": f"m{self.numbers}", **event}
        if fields["type"] == "track":
            fields.setdefault("properties", {"number": self.numbers, "email": f"{contact}@example.com"})
        # In the past, so that whatever waits is due.
        now_ms = int(self.redis.time()[0]) * 1000 - 3_600_000 + self.numbers
        keys, args = append.arguments(Keys(destination), [prepare(fields)], now_ms=now_ms)
        self.redis.register_script(append.APPEND_SCRIPT)(keys=keys, args=args)
        return str(fields["messageId"])

    def run(
        self,
        name: str,
        *,
        leave_after: int | None = None,
        kill_after: int | None = None,
        key: str = "sandbox-key",
        **settings: Any,
    ) -> None:
        """Do one run, as a worker that was just started would.

        Args:
            name: of the destination.
            leave_after: stop sending after so many requests, as at a shutdown.
            kill_after: die after having sent so many, before the last is recorded; the claims lapse.
            key: the API key.
            settings: of the destination.
        """
        asyncio.run(self._run(self.destination(name, api_key=SecretStr(key), **settings), leave_after, kill_after))
        if kill_after is not None:
            self.lapse(name)

    async def _run(self, destination: Destination, leave_after: int | None, kill_after: int | None) -> None:
        key = destination.api_key.get_secret_value()
        pool = self.redis.connection_pool.connection_kwargs
        transport = _Cut(self.sandbox, leave_after, kill_after)
        jitters: Iterator[float] = cycle([0.0, 0.0, 0.9])
        async with (
            AsyncRedis(host=pool["host"], port=pool["port"]) as redis,
            LoopsClient("http://sandbox/api/v1", key, transport=transport) as client,
        ):
            owner = owner_token(uuid4().hex, Plan.of(destination.mappings))
            outbox = _DyingOutbox(redis, destination.name, owner=owner, window_ms=DAY_MS, lease_ms=8000)
            outbox.transport = transport
            transport.context = RunContext(
                destination=destination,
                outbox=outbox,
                pacer=Pacer(redis, key, 10_000),
                client=client,
                lease=Lease(outbox),
                watch=Watch(),
                stopping=lambda: False,
                now_ms=outbox.now_ms,
                jitter=lambda: next(jitters),
            )
            await run(transport.context)

    def lapse(self, name: str) -> None:
        """Let the claims and the runs of killed workers lapse."""
        keys = Keys(name)
        leases: dict[Any, Any] = self.redis.hgetall(keys.lease)
        for contact, lease in leases.items():
            if not lease.startswith(b"move "):
                self.redis.zadd(keys.away, {contact: 1}, xx=True)
        self.redis.delete(keys.run)

    def fail(self, count: int, status: int = 500) -> None:
        self.sandbox.faults.add(InjectedFault(status=status, count=count))

    def retry_all(self, name: str) -> None:
        """Let every parked contact be due."""
        keys = Keys(name)
        contacts: list[Any] = self.redis.hkeys(keys.parked)
        for contact in contacts:
            self.redis.zadd(keys.away, {contact: 1}, xx=True)

    def finish(self, name: str, **settings: Any) -> None:
        """Run until nothing waits."""
        for _ in range(20):
            self.retry_all(name)
            self.lapse(name)
            self.run(name, **settings)
            if not self.redis.exists(Keys(name).due, Keys(name).away):
                return
        raise AssertionError("it does not end")

    @property
    def numbers_delivered(self) -> list[int]:
        """The property `number` of each event that Loops took, in order."""
        return [event.properties["number"] for event in self.sandbox.events]
