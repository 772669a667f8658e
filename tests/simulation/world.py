"""One seed's world: its clocks, processes and servers, what happened in it, and how it ends."""

import asyncio
import re
import traceback
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any, Final

from segue_producer.keys import Keys
from segue_sandbox.core import Sandbox
from segue_sandbox.switches import Switches
from tests.simulation import faults
from tests.simulation.actors import Broker, Person, Sender, Worker
from tests.simulation.hermetic import hermetic
from tests.simulation.loop import NOBODY, PROCESS, Process, VirtualLoop, current, place_here, place_of
from tests.simulation.loops_link import Climate, LoopTime, Sending, Team
from tests.simulation.plan import Batch, Plan
from tests.simulation.redis_data import Server
from tests.simulation.redis_link import Command, Link
from tests.simulation.story import Story

EPOCH: Final = 1_800_000_000.0
_OUTBOX: Final = re.compile(rb"segue:\{(.+?)\}:outbox:(.*)", re.DOTALL)
_NUMBER: Final = re.compile(rb'messageId\\*":\\*"m(\d+)')
_REPLAY: Final = re.compile(rb'"replay":"[^"]')


@dataclass
class Span:
    """Something that a person did, from its begin to its end (None: it never came to its end)."""

    destination: str
    contact: str
    began: float
    ended: float | None = None


@dataclass
class Truth:
    """What really happened, as far as the sendings do not say it. Times are the loop's.

    Attributes:
        order: (destination, contact) → numbers of its events in the order in which they first came.
        came: (destination, number) → when it came into the outbox, each time.
        replayed: (destination, number) → how often it was replayed.
        acknowledged: (destination, number) → when the producer knew.
        forgets, pauses: what a person did.
        lost: from when to when Redis forgot what it had taken.
    """

    order: defaultdict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    came: defaultdict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    replayed: defaultdict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    acknowledged: dict[tuple[str, int], float] = field(default_factory=dict)
    forgets: list[Span] = field(default_factory=list)
    pauses: list[Span] = field(default_factory=list)
    lost: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was not kept."""

    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


class World:
    """Everything of one seed."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.config = plan.config
        self.names = [destination.name for destination in plan.config.destinations]
        self.random = cache(lambda concern: Random(f"{plan.seed}:{concern}"))
        self.loop = VirtualLoop(self.random("loop"), step_s=plan.step_s)
        self.loop.set_task_factory(self._task)  # type: ignore[arg-type]
        self.loop.set_exception_handler(self._unhandled)
        self.redis_clock_s = 0.0
        self.redis_clock_steps: list[float] = []
        self.worker_clock_s: dict[int, float] = {}
        self.server = Server(lambda: self.unix() + self.redis_clock_s)
        self.server.on_push = self._pushed
        self.story = Story(self.server.texts)
        self.truth = Truth()
        self.points: set[str] = set()
        self.violations: list[Violation] = []
        self.calm_from: float | None = None
        self.processes: list[Process] = []
        self._tasks: defaultdict[Process | None, list[asyncio.Task[Any]]] = defaultdict(list)
        self.link = Link(self.server, self.loop, self.random("redis"), struck=self._redis_struck, told=self._told)
        self.broker = Broker(self)
        self.teams = {name: self._team(name) for name in self.names}
        self.last_sending: dict[tuple[str, str], Sending] = {}

    def _team(self, name: str) -> Team:
        destination = self.config.destination(name)
        switches = Switches(
            rate_limit=destination.rate_limit, window=self.plan.window, key_spent_on=self.plan.key_spent_on
        )
        sandbox = Sandbox(switches, clock=LoopTime(self.unix))
        sandbox.team(name).property_types["level"] = "number"
        team = Team(name, sandbox, self.loop, self.random("loops"), struck=self.struck, told=self._sent)
        team.climate = Climate(self.plan.loops_latency_s)
        return team

    # Time

    def unix(self) -> float:
        """The true time, unix seconds."""
        return EPOCH + self.loop.time() - 1000.0

    def since_start(self) -> float:
        """Seconds since the seed began."""
        return self.loop.time() - 1000.0

    def wall_clock(self) -> float:
        """What the clock of the process at work says."""
        process = current()
        return self.unix() + (process.clock_s if process else 0.0)

    # Processes

    def spawn(self, process: Process, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Start a process."""
        self.processes.append(process)
        process.born = self.loop.time()
        context = Context()
        context.run(PROCESS.set, process)
        return self.loop.create_task(work, context=context)

    def _task(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any
    ) -> "asyncio.Task[Any]":
        context = options.get("context")
        process = context.get(PROCESS) if context is not None else current()
        task = asyncio.Task(work, loop=loop, **options)
        # Kept: to collect an abandoned task would run its `finally`.
        self._tasks[process].append(task)
        return task

    def killed(self, process: Process) -> None:
        """Note that a process was killed, and where its tasks stood."""
        self.tell("killed", process)
        for task in self._tasks[process]:
            if not task.done() and (place := place_of(task)):
                self.points.add(f"kill at {place}")

    def dispose(self) -> None:
        """Let go of abandoned tasks."""
        for tasks in self._tasks.values():
            for task in tasks:
                if not task.done():
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    with suppress(BaseException):
                        task.get_coro().close()
        self._tasks.clear()

    def late_to_stop(self, process: Process) -> None:
        """Note that a worker has not ended in time after a SIGTERM."""
        self.tell("did not stop in time", process)
        if self.calm_from is not None:
            self.violate("does not stop", f"{process} was told to stop, and still runs 20 s later")

    # What happened

    def tell(self, what: object, who: Process | None = None) -> None:
        """Note something for the story."""
        self.story.add(self.loop.time(), who or current(), what)

    def violate(self, rule: str, what: str) -> None:
        """Note a promise that was not kept."""
        self.tell(f"!!! {rule}: {what}")
        self.violations.append(Violation(rule, what))

    def struck(self, kind: str) -> None:
        """Note that a fault struck the code that runs."""
        self.points.add(f"{kind} at {place_here()}")
        self.tell(f"* {kind}")

    def _redis_struck(self, kind: str, commands: Sequence[Command], task: "asyncio.Task[Any] | None") -> None:
        name = self.story.name_of(commands[-1])
        place = place_of(task) if task is not None else ""
        self.points.add(f"{kind} at {place} {name}")
        self.tell(f"* {kind}: {name}", None)

    def _told(self, commands: Sequence[Command], answers: Sequence[Any], who: Process | None) -> None:
        self.story.add(self.loop.time(), who, (commands, answers))

    def _sent(self, what: str, sending: Sending) -> None:
        effects = " ".join(f"{mapping}:{number}" for mapping, number in sending.effects)
        where = f"{sending.destination} {sending.contact}"
        if what == "send":
            if sending.method != "GET":
                self.last_sending[sending.destination, sending.contact] = sending
            key = f" key {sending.key[6:12]}" if sending.key else ""
            fault = f" ({sending.fault})" if sending.fault else ""
            self.tell(f"> {where} {sending.method} {sending.path} {effects}{key}{fault}")
        else:
            applied = ", applied" if sending.applied else ""
            self.tell(f"< {where} {effects}: {sending.status or 'no answer'}{applied}", sending.process)

    def _pushed(self, key: bytes, entries: tuple[bytes, ...]) -> None:
        found = _OUTBOX.fullmatch(key)
        if found is None:
            return
        name, contact = found[1].decode(), found[2].decode()
        for entry in entries:
            numbers = _NUMBER.findall(entry)
            if not numbers:
                continue
            number = int(numbers[0])
            if _REPLAY.search(entry):
                self.truth.replayed[name, number] += 1
            elif not self.truth.came[name, number]:
                self.truth.order[name, contact].append(number)
            self.truth.came[name, number].append(self.loop.time())

    def acknowledged(self, name: str, batch: Batch) -> None:
        """Note that a producer knows its batch to be taken."""
        for event in batch.events:
            self.truth.acknowledged.setdefault((name, event.number), self.loop.time())

    @contextmanager
    def forgetting(self, name: str, contact: str) -> Iterator[None]:
        """Note a forget."""
        span = Span(name, contact, self.loop.time())
        self.truth.forgets.append(span)
        self.tell(f"forget {name} {contact}")
        yield
        span.ended = self.loop.time()
        self.tell(f"{name} {contact} is forgotten")

    def paused(self, name: str) -> None:
        """Note a pause by hand."""
        self.truth.pauses.append(Span(name, "", self.loop.time()))
        self.tell(f"{name} is paused by hand")

    def resumed(self, name: str) -> None:
        """Note that a person let a destination go on, however often it was paused."""
        for span in self.truth.pauses:
            if span.destination == name and span.ended is None:
                span.ended = self.loop.time()

    def _unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        told = "".join(traceback.format_exception(error)[-3:]) if error else ""
        self.violate("crash", f"{context.get('message')}: {error!r} {told}")

    # The course

    def run(self, judge: Callable[["World"], Coroutine[Any, Any, None]]) -> None:
        """Live through it, and have it judged. What went wrong is in `violations`."""
        with hermetic(self):
            try:
                self.loop.run_until_complete(self._live())
                self.loop.run_until_complete(judge(self))
            finally:
                self.dispose()
                self.loop.close()

    async def _live(self) -> None:
        plan = self.plan
        by_producer = [[batch for batch in plan.batches if batch.producer == n] for n in range(plan.producers)]
        self.senders = [Sender(self, number, batches) for number, batches in enumerate(by_producer)]
        self.workers = [Worker(self, number) for number in range(plan.workers)]
        self.person = Person(self)
        self._look_at_pending()
        for blow in plan.blows:
            await asyncio.sleep(max(0.0, blow.at - self.since_start()))
            faults.strike(self, blow.kind)
        await asyncio.sleep(max(0.0, plan.fault_s - self.since_start()))
        faults.end(self)
        self.calm_from = self.loop.time()

    def _look_at_pending(self) -> None:
        """`pending` is right at any moment: each step changes it together with what it counts."""
        for name in self.names:
            pending = int(self.server.data.get(Keys(name).pending.encode(), 0))
            waiting = sum(self.outboxes(name).values())
            if pending != waiting:
                self.violate("books", f"{name}: pending says {pending}, and {waiting} wait")
                return
        self.loop.call_later(0.5, self._look_at_pending, context=NOBODY)

    def outboxes(self, name: str) -> dict[str, int]:
        """Contacts that wait at a destination, with how many events."""
        prefix = Keys(name).outbox.encode()
        return {
            key[len(prefix) :].decode(): len(items) for key, items in self.server.data.items() if key.startswith(prefix)
        }
