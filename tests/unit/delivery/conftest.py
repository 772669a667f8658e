from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle
from typing import Any

import httpx
import pytest
from fakeredis import FakeAsyncRedis
from pydantic import SecretStr

from segue_producer import append
from segue_producer.events import prepare
from segue_producer.keys import Keys
from segue_sandbox.core import Sandbox
from segue_sandbox.switches import Switches
from segue_worker.config import Destination
from segue_worker.config.model import DeadLetterLimits, RetryLimits
from segue_worker.delivery.context import RunContext
from segue_worker.delivery.lease import Lease
from segue_worker.delivery.run import run
from segue_worker.delivery.watch import Watch
from segue_worker.loops import LoopsClient
from segue_worker.mapping import CompiledMapping, compile_destination_mapping
from segue_worker.outbox import Outbox
from segue_worker.outbox.plan import Plan, owner_token
from segue_worker.pacing import Pacer
from tests.unit.sandbox.in_process import SandboxTransport

KEYS = Keys("loops")
DAY_MS = 86_400_000


def mapping(name: str, action: str, **options: Any) -> CompiledMapping:
    settings: dict[str, Any] = {"trigger": None, "enabled": True, "defaults": True, "fields": {}}
    return compile_destination_mapping(name=name, action=action, **{**settings, **options})


CONTACTS = mapping("contacts", "createOrUpdateContact")
EVENTS = mapping("events", "sendEvent")


@dataclass
class Bench:
    """A run's surroundings in one process: fakeredis, the sandbox without HTTP, and a clock that the test moves."""

    redis: FakeAsyncRedis
    sandbox: Sandbox
    now_ms: int = 4_000_000_000_000
    mappings: tuple[CompiledMapping, ...] = (CONTACTS, EVENTS)
    settings: dict[str, Any] = field(default_factory=dict)
    rate_limit: int = 10_000
    watch: Watch = field(default_factory=Watch)
    transport: httpx.AsyncBaseTransport | None = None
    """In place of the sandbox's."""
    jitters: Iterator[float] = field(default_factory=lambda: cycle([0.0, 0.0, 0.9]))
    """Two quick retries without a wait; the third wait is a park."""

    def destination(self) -> Destination:
        settings: dict[str, Any] = {"coalesce": "updates", **self.settings}
        return Destination(
            name="loops",
            api_key=settings.pop("api_key", SecretStr("sandbox-key")),
            base_url="http://sandbox/api/v1",
            enabled=True,
            rate_limit=self.rate_limit,
            values="keep",
            retry=RetryLimits(max_age=timedelta(hours=24)),
            dedupe_window=timedelta(hours=24),
            max_pending=1000,
            parallel_runs=1,
            timeout=timedelta(seconds=10),
            dead_letter=DeadLetterLimits(keep=timedelta(days=30), max=1000),
            mappings=self.mappings,
            **settings,
        )

    def outbox(self, owner: str = "run") -> Outbox:
        return Outbox(
            self.redis,
            "loops",
            owner=owner,
            window_ms=DAY_MS,
            lease_ms=8000,
            unchanged_ms=int(self.destination().skip_unchanged.total_seconds() * 1000),
            clock_ms=lambda: self.now_ms,
        )

    async def enqueue(self, *events: dict[str, Any], source: str = "") -> None:
        prepared = [prepare({"userId": "u1", **event}, source=source) for event in events]
        keys, args = append.arguments(KEYS, prepared, now_ms=self.now_ms)
        answer = await self.redis.register_script(append.APPEND_SCRIPT)(keys=keys, args=args)
        append.hint_needed(answer, "loops")

    async def run(self, *, stopping: Callable[[], bool] = lambda: False) -> bool:
        """Do one run; what a hint would ask for is the answer."""
        outbox = self.outbox(owner=owner_token(f"run at {self.now_ms}", Plan.of(self.mappings)))
        transport = self.transport or SandboxTransport(self.sandbox)
        async with LoopsClient("http://sandbox/api/v1", "sandbox-key", transport=transport) as client:
            context = RunContext(
                destination=self.destination(),
                outbox=outbox,
                pacer=Pacer(self.redis, "sandbox-key", self.rate_limit),
                client=client,
                lease=Lease(outbox),
                watch=self.watch,
                stopping=stopping,
                now_ms=lambda: self.now_ms,
                jitter=lambda: next(self.jitters),
            )
            return await run(context)

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [dict(record) for record in self.sandbox.ledger.records()]

    @property
    def bodies(self) -> list[Any]:
        return [request["body"] for request in self.requests]

    async def counters(self) -> dict[str, int]:
        names = await self.redis.hgetall(KEYS.totals)
        return {name.decode() if isinstance(name, bytes) else name: int(count) for name, count in names.items()}

    async def pending(self) -> int:
        return int(await self.redis.get(KEYS.pending) or 0)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with FakeAsyncRedis(version=(6, 2)) as redis:
        yield Bench(redis, Sandbox(Switches(rate_limit=10_000)))
