"""Who acts: workers that deliver and sweep, producers that enqueue, a person who operates, and the broker in between."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from segue_producer import append
from segue_producer.errors import OutboxFull
from segue_producer.events import Prepared, prepare
from segue_producer.keys import SWEPT, SWEPT_MS, Keys
from segue_producer.lanes import Lane
from segue_worker.config import Destination
from segue_worker.loops import LoopsClient
from segue_worker.operating import pause as operating
from segue_worker.operating.dead_letters import Chooser, Filter, History, matching, replay
from segue_worker.operating.forget import forget_here
from segue_worker.operating.retry_now import parked_contacts, retry_all_now
from segue_worker.process.engine import Engine
from tests.simulation.loop import NOBODY, Process
from tests.simulation.plan import Batch
from tests.simulation.redis_link import AsyncClient, Client, blocking, sleep

if TYPE_CHECKING:
    from tests.simulation.world import World

SHUTDOWN_S = 20.0
LONG_AGO = "2026-01-01T00:00:00.000Z"


class Broker:
    """Celery and its broker, as far as a hint is concerned: it goes to some worker, or to none, or to two."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._messages: deque[str] = deque()
        self._waiting: list[tuple[Process, asyncio.Future[str | None]]] = []
        self.lost = 0.0
        self.doubled = 0.0

    def send(self, destination: str) -> bool:
        """Send a hint. Returns whether the broker took it."""
        random = self._world.random("broker")
        draw = random.random()
        copies = 0 if draw < self.lost else 2 if draw < self.lost + self.doubled else 1
        if copies != 1:
            self._world.struck("hint lost" if copies == 0 else "hint doubled")
        for _ in range(copies):
            self._world.loop.call_later(random.uniform(0.001, 0.02), self._arrive, destination, context=NOBODY)
        return True

    def _arrive(self, destination: str) -> None:
        self._messages.append(destination)
        self._match()

    def _match(self) -> None:
        self._waiting = [(process, future) for process, future in self._waiting if process.alive and not future.done()]
        while self._messages and self._waiting:
            _, future = self._waiting.pop(self._world.random("broker").randrange(len(self._waiting)))
            future.set_result(self._messages.popleft())

    async def next(self, process: Process) -> str | None:
        """The next message, or None where the worker is to stop."""
        future: asyncio.Future[str | None] = self._world.loop.create_future()
        self._waiting.append((process, future))
        self._match()
        return await future

    def release(self, process: Process) -> None:
        """Give up waiting for messages."""
        for waiting, future in self._waiting:
            if waiting is process and not future.done():
                future.set_result(None)


class Worker:
    """One worker process, started anew by somebody whenever it has ended."""

    def __init__(self, world: "World", number: int) -> None:
        self._world = world
        self._number = number
        self._incarnation = 0
        self.stopping = False
        self.wanted = True
        self.start()

    def start(self) -> None:
        """Start a process."""
        world = self._world
        self._incarnation += 1
        self.stopping = False
        self.process = process = Process(f"w{self._number}.{self._incarnation}")
        process.clock_s = world.worker_clock_s.get(self._number, 0.0)
        process.on_killed = self._killed
        self.runs: set[asyncio.Task[None]] = set()
        world.spawn(process, self._main())

    def stop(self) -> None:
        """SIGTERM."""
        self._world.tell("SIGTERM", self.process)
        self.stopping = True
        self._world.broker.release(self.process)

    def _killed(self) -> None:
        self._world.killed(self.process)
        self._start_later()

    def _start_later(self) -> None:
        def start() -> None:
            if self.wanted and not self.process.alive:
                self.start()

        self._world.loop.call_later(self._world.random("broker").uniform(0.5, 3.0), start, context=NOBODY)

    async def _main(self) -> None:
        world = self._world
        redis = AsyncClient(world.link)
        engine = Engine(
            world.config,
            redis,
            stopping=lambda: self.stopping,
            client=self._client,
            run_s=world.plan.run_s,
        )
        await engine.warm_up()
        sweeping = asyncio.create_task(self._sweep(engine, redis))
        while not self.stopping and (destination := await world.broker.next(self.process)) is not None:
            run = asyncio.create_task(self._deliver(engine, destination))
            self.runs.add(run)
            run.add_done_callback(self.runs.discard)
        sweeping.cancel()
        if self.runs:
            _, late = await asyncio.wait(self.runs, timeout=SHUTDOWN_S)
            if late:
                world.late_to_stop(self.process)
        self.process.alive = False
        world.tell("ended", self.process)
        self._start_later()

    def _client(self, destination: Destination) -> LoopsClient:
        return LoopsClient(
            destination.base_url,
            destination.api_key.get_secret_value(),
            timeout=destination.timeout.total_seconds(),
            transport=self._world.teams[destination.name],
        )

    async def _deliver(self, engine: Engine, name: str) -> None:
        """What the task `segue.deliver` does."""
        try:
            destination = self._world.config.destination(name)
            while destination.enabled and await engine.deliver(destination) and not self._world.broker.send(name):
                if self.stopping:
                    return
        except (RedisError, OSError) as error:
            self._world.tell(f"the run for {name} ended early: {type(error).__name__}", self.process)

    async def _sweep(self, engine: Engine, redis: AsyncClient) -> None:
        """Beat, in one of the workers; and the spare sweep."""
        sweeps: set[asyncio.Task[None]] = set()
        while not self.stopping:
            await asyncio.sleep(1.0 if self._number == 0 else 1.5)
            with suppress(RedisError, OSError):
                if self._number == 0 or await redis.set(SWEPT, "1", nx=True, px=SWEPT_MS):
                    sweep = asyncio.create_task(self._sweep_once(engine))
                    sweeps.add(sweep)
                    sweep.add_done_callback(sweeps.discard)

    async def _sweep_once(self, engine: Engine) -> None:
        with suppress(RedisError, OSError):
            for name in await engine.sweep():
                self._world.broker.send(name)


class Sender:
    """A producer: enqueues its batches one after the other, each again and again until it is taken."""

    def __init__(self, world: "World", number: int, batches: list[Batch]) -> None:
        self._world = world
        self._batches = batches
        self._redis = AsyncClient(world.link)
        self.process = Process(f"p{number}")
        self.process.on_killed = lambda: world.killed(self.process)
        self.task = world.spawn(self.process, self._main())

    async def _main(self) -> None:
        world = self._world
        script = self._redis.register_script(append.APPEND_SCRIPT)
        for batch in self._batches:
            await asyncio.sleep(max(0.0, batch.at - world.since_start()))
            prepared = [prepare(event.fields) for event in batch.events]
            for name in world.names:
                await self._enqueue(script, name, prepared, batch.lane)
                world.acknowledged(name, batch)

    async def _enqueue(self, script: Any, name: str, prepared: list[Prepared], lane: Lane) -> None:
        while True:
            keys, args = append.arguments(Keys(name), prepared, lane=lane)
            try:
                if append.hint_needed(await script(keys=keys, args=args), name):
                    self._world.broker.send(name)
            except OutboxFull:
                await asyncio.sleep(0.5)
            except (RedisError, OSError) as error:
                self._world.tell(f"not taken at {name}: {type(error).__name__}", self.process)
                await asyncio.sleep(0.3)
            else:
                return


class Person:
    """Whoever operates Segue from a command line. Every command is a process of its own."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._commands = 0

    def do(self, command: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Begin a command."""
        self._commands += 1
        process = Process(f"o{self._commands}")
        process.on_killed = lambda: self._world.killed(process)
        self._world.spawn(process, self._guarded(command, args, process))

    async def _guarded(
        self, command: Callable[..., Coroutine[Any, Any, None]], args: tuple[Any, ...], process: Process
    ) -> None:
        try:
            await command(*args)
        except (RedisError, OSError) as error:
            self._world.tell(f"the command failed: {type(error).__name__}", process)

    async def forget(self, contact: str) -> None:
        """`segue forget`."""
        for name in self._world.names:
            with self._world.forgetting(name, contact):
                await blocking(forget_here, Client(self._world.link), name, contact, wait=sleep)

    async def pause(self, name: str, seconds: float) -> None:
        """`segue pause`, and after a while `segue resume`."""
        world = self._world
        await blocking(operating.pause, Client(world.link), name, "paused by hand", now_ms=int(world.unix() * 1000))
        world.paused(name)
        await asyncio.sleep(seconds)
        await self.resume(name)

    async def resume(self, *names: str) -> None:
        """`segue resume`, again and again until it succeeds."""
        for name in names or self._world.names:
            while True:
                # From now on it may take effect, also where nobody hears of it.
                self._world.resumed(name)
                try:
                    await blocking(operating.resume, Client(self._world.link), name)
                except (RedisError, OSError):
                    await asyncio.sleep(0.5)
                else:
                    self._world.resumed(name)
                    break

    async def replay(self, name: str) -> None:
        """`segue dead replay`."""
        await blocking(self._replay, name)

    def _replay(self, name: str) -> None:
        redis = Client(self._world.link)
        chooser = Chooser(self._world.config.destination(name).mappings, History(redis, name))
        letters = list(matching(redis, name, Filter()))
        for replayed in replay(redis, name, letters, send_hint=self._world.broker.send, chooser=chooser):
            self._world.tell(f"{replayed.outcome} {replayed.id[:6]}")

    async def retry_now(self, name: str) -> None:
        """The dashboard's button."""
        await blocking(self._retry_now, name)

    def _retry_now(self, name: str) -> None:
        redis = Client(self._world.link)
        for contact in parked_contacts(redis, name):
            ((_, hint),) = retry_all_now(redis, name, [contact])
            if hint:
                self._world.broker.send(name)
