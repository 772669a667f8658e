"""Redis, the sandbox and workers, put together for a measurement."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import redis
from ruamel.yaml import YAML

from benchmarks.naive_worker import API_KEY
from benchmarks.traces import Event
from segue_producer import Producer
from segue_producer.keys import Keys
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_sandbox.spawn import SandboxProcess
from segue_sandbox.worker_process import WorkerProcess
from segue_worker.outbox.pause import Pause

KEYS: Final = Keys("loops")
NO_LIMIT: Final = 10_000
"""Requests a second that nothing here comes near."""
_ROOT: Final = Path(__file__).parent.parent
_POLL_S: Final = 0.02


class Stage:
    """A Redis, a sandbox and a configuration of one destination, `loops`, for one measurement.

    Args:
        rate_limit: of the sandbox and of the destination.
        sandbox: options of the sandbox.
        redis_options: further command line options of redis-server.
        settings: further keys of the destination.
    """

    def __init__(
        self,
        *,
        rate_limit: int = NO_LIMIT,
        sandbox: dict[str, Any] | None = None,
        redis_options: tuple[str, ...] = (),
        **settings: Any,
    ) -> None:
        self._exit = ExitStack()
        self.directory = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="segue-bench-")))
        self.server = self._exit.enter_context(EmbeddedRedis(options=redis_options))
        self.redis = redis.Redis.from_url(self.server.url)
        self._exit.callback(self.redis.close)
        self.sandbox = self._exit.enter_context(SandboxProcess(rate_limit=rate_limit, **(sandbox or {})))
        destination = {
            "name": "loops",
            "api_key": API_KEY,
            "base_url": self.sandbox.base_url,
            "rate_limit": rate_limit,
            "max_pending": 10_000_000,
            **settings,
        }
        self._config = self.directory / "segue.yaml"
        with self._config.open("w") as file:
            YAML(typ="safe").dump({"destinations": [destination]}, file)
        self.producer = self._exit.enter_context(Producer(self.server.url))
        self._workers = 0

    def worker(self, *, beat: bool = True) -> WorkerProcess:
        """Start a worker of Segue, which is one process; it ends with the stage."""
        worker = self._start(beat=beat)
        worker.wait_ready()
        return worker

    def workers(self, count: int) -> list[WorkerProcess]:
        """Start workers; none of them begins before all are ready."""
        self.redis.set(KEYS.paused, Pause("the workers start", 0, None).to_json())
        started = [self._start(beat=number == 0) for number in range(count)]
        for worker in started:
            worker.wait_ready()
        self.redis.delete(KEYS.paused)
        return started

    def _start(self, *, beat: bool) -> WorkerProcess:
        self._workers += 1
        worker = WorkerProcess(
            redis_url=self.server.url,
            config=self._config,
            directory=self.directory,
            name=f"worker{self._workers}",
            beat=beat,
        )
        self._exit.callback(worker.kill)
        return worker

    def naive_worker(self, *, processes: int) -> None:
        """Start a naive worker; it ends with the stage."""
        command = [sys.executable, "-m", "celery", "-A", "benchmarks.naive_worker", "worker", "--loglevel", "WARNING"]
        variables = {"NAIVE_REDIS_URL": self.server.url, "NAIVE_LOOPS_URL": self.sandbox.base_url}
        with (self.directory / "naive.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "--concurrency", str(processes)],
                env={**os.environ, **variables},
                cwd=_ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._exit.callback(_end_group, process)

    def enqueue(self, events: Iterable[Event]) -> None:
        """Put events into the outbox, as a service does."""
        self.producer.enqueue(events)

    def delivered(self) -> int:
        """Events delivered so far."""
        return int(self.redis.hget(KEYS.totals, "delivered") or 0)

    def received(self) -> int:
        """Requests the sandbox has received so far."""
        return self.sandbox.summary()["received"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._check_books()
        finally:
            self._exit.close()

    def _check_books(self) -> None:
        """Raise RuntimeError where a duplicate was counted: every messageId was enqueued once, so one was lost."""
        duplicates = int(self.redis.hget(KEYS.totals, "duplicates") or 0)
        if duplicates:
            raise RuntimeError(f"{duplicates} events were dropped as duplicates, though each was enqueued once")


def wait_until(condition: Callable[[], bool], *, within_s: float = 120, poll_s: float = _POLL_S) -> None:
    """Wait for a condition. Raises TimeoutError where it does not come true in time."""
    until = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"a benchmark waited more than {within_s:.0f} s")
        time.sleep(poll_s)


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
