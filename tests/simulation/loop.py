"""An event loop with virtual time and several processes: nothing waits, and a seed decides who goes next.

A process is a context variable: whatever a task starts belongs to its process. Within one process the order of asyncio
is kept; between processes the next is drawn. A process may be killed after so many further steps, which is at any of its
awaits, or stopped for a while, as by SIGSTOP. What belongs to no process, such as the network, survives both.
"""

import asyncio
import heapq
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import Context, ContextVar
from pathlib import Path
from random import Random
from types import CodeType
from typing import Any, Final

NOBODY: Final = Context()
"""For what belongs to no process."""
_PRODUCT: Final = ("segue_worker", "segue_producer")


class Process:
    """One process of the simulation.

    Attributes:
        name: for people.
        alive: whether its tasks go on.
        stopped_until: time of the loop until which it stands still.
        kill_in: after so many further steps it is killed; None for never.
        clock_s: by how many seconds its wall clock is ahead.
        stood_still: whether it was ever stopped.
        born: time of the loop at which it started.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.stopped_until = 0.0
        self.kill_in: int | None = None
        self.clock_s = 0.0
        self.stood_still = False
        self.born = 0.0
        self.on_killed: Callable[[], None] = lambda: None

    @property
    def punctual(self) -> bool:
        """Whether it hears of everything when it happens: it is alive, and never stood still."""
        return self.alive and not self.stood_still

    def __repr__(self) -> str:
        return self.name


PROCESS: Final[ContextVar[Process | None]] = ContextVar("process", default=None)


class StuckError(Exception):
    """Nothing is left to do, and the simulation has not ended."""


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop.

    Args:
        random: decides which process goes next.
        step_s: how long a step takes, on average; 0 for no time at all.
    """

    # asyncio keeps what is ready here, and timers as a heap; the stubs do not say so.
    _ready: deque[Any]
    _scheduled: list[Any]

    def __init__(self, random: Random, *, step_s: float = 0.0) -> None:
        super().__init__()
        self._random = random
        self._step_s = step_s
        self._now = 1000.0
        self._queues: dict[Process | None, deque[Any]] = {}
        self.steps = 0

    def time(self) -> float:
        """Seconds since an arbitrary start."""
        return self._now

    def _process_events(self, event_list: object) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> None:
        """There is no other thread that must be woken."""

    def _run_once(self) -> None:
        self._sort()
        able = self._able()
        while not able:
            self._jump()
            able = self._able()
        process = able[0] if len(able) == 1 else able[self._random.randrange(len(able))]
        queue = self._queues[process]
        handle = queue.popleft()
        if not queue:
            del self._queues[process]
        self.steps += 1
        if self._step_s:
            self._now += self._random.random() * 2 * self._step_s
        if not handle._cancelled:
            handle._run()
        if process is not None and process.kill_in is not None:
            process.kill_in -= 1
            if process.kill_in <= 0 and process.alive:
                process.alive = False
                process.on_killed()

    def _sort(self) -> None:
        """Queue what has become ready, for its process."""
        ready, scheduled, queues = self._ready, self._scheduled, self._queues
        while scheduled and scheduled[0]._when <= self._now:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False
            ready.append(timer)
        while ready:
            handle = ready.popleft()
            if not handle._cancelled:
                process = handle._context.get(PROCESS)
                if process is None or process.alive:
                    queues.setdefault(process, deque()).append(handle)

    def _able(self) -> list[Process | None]:
        """The processes that may go on now."""
        dead = [process for process in self._queues if process is not None and not process.alive]
        for process in dead:
            del self._queues[process]
        return [each for each in self._queues if each is None or each.stopped_until <= self._now]

    def _jump(self) -> None:
        """Let time pass until there is something to do."""
        scheduled = self._scheduled
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        times = [process.stopped_until for process in self._queues if process is not None]
        if scheduled:
            times.append(scheduled[0]._when)
        if not times:
            raise StuckError("nothing is left to do")
        self._now = max(self._now, min(times))
        self._sort()


def current() -> Process | None:
    """The process that is at work."""
    return PROCESS.get()


def place_of(task: "asyncio.Task[Any]") -> str:
    """Where in the product a task that waits stands, or ""."""
    found = ""
    waits: Any = task.get_coro()
    while waits is not None:
        frame = getattr(waits, "cr_frame", None) or getattr(waits, "ag_frame", None)
        if frame is not None and (name := _named(frame.f_code)):
            found = f"{name}:{frame.f_lineno}"
        waits = getattr(waits, "cr_await", None) or getattr(waits, "ag_await", None)
    return found


def place_here() -> str:
    """Where in the product the code that runs stands: the innermost place and the one that called it."""
    return " < ".join(place for _, place in zip(range(2), _places(), strict=False))


def _places() -> Iterator[str]:
    frame = sys._getframe(2)
    while frame is not None:
        if name := _named(frame.f_code):
            yield f"{name}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]


_NAMES: dict[CodeType, str] = {}


def _named(code: CodeType) -> str:
    """Module and function of code of the product, else ""."""
    name = _NAMES.get(code)
    if name is None:
        path = Path(code.co_filename)
        ours = any(part in _PRODUCT for part in path.parts)
        name = _NAMES[code] = f"{path.parent.name}/{path.stem}.{code.co_name}" if ours else ""
    return name
