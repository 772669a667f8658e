"""Redis, the sandbox and workers, put together for a test or a benchmark."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

from ruamel.yaml import YAML
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from segue_producer import EnqueueError, Producer
from segue_producer.clients import redis_client
from segue_producer.keys import Keys
from segue_sandbox.spawn import SandboxProcess
from segue_sandbox.worker_process import WorkerProcess
from segue_worker.outbox.pause import Pause

API_KEY = "sandbox-key"
KEYS = Keys("loops")


class HasUrl(Protocol):
    """A Redis that is running, of whatever kind."""

    @property
    def url(self) -> str:
        """Its URL."""


class Stack:
    """One destination, `loops`, at a sandbox of its own, with any number of workers.

    Args:
        server: Redis, or more than one; it is emptied first.
        directory: for configuration and logs.
        rate_limit: of the sandbox and, unless `settings` say otherwise, of the destination.
        broker_url: of the workers' broker; the Redis when left out.
        sandbox: options of the sandbox.
        settings: further keys of the destination.
    """

    def __init__(
        self,
        server: HasUrl,
        directory: Path,
        *,
        broker_url: str | None = None,
        rate_limit: int = 1000,
        sandbox: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.server = server
        self.directory = directory
        self.redis = redis_client(server.url, timeout=5)
        self.broker_url = broker_url or server.url
        self.redis.flushall()
        self._exit = ExitStack()
        self._workers = 0
        self.sandbox = self._exit.enter_context(SandboxProcess(rate_limit=rate_limit, **(sandbox or {})))
        destination = {
            "name": "loops",
            "api_key": API_KEY,
            "base_url": self.sandbox.base_url,
            "rate_limit": rate_limit,
            **settings,
        }
        self._destinations = [destination]
        self.config = directory / "segue.yaml"
        self.add_destinations(())
        self.producer = self._exit.enter_context(Producer(server.url, broker_url=self.broker_url))

    def add_destinations(self, names: Iterable[str]) -> None:
        """Configure more destinations, each a team of its own at the same sandbox; before workers start."""
        for name in names:
            self._destinations.append({**self._destinations[0], "name": name, "api_key": f"sandbox-{name}"})
        with self.config.open("w") as file:
            YAML(typ="safe").dump({"destinations": self._destinations}, file)

    def worker(self, *, beat: bool = True, wait: bool = True, **environ: str) -> WorkerProcess:
        """Start a worker, with further environment variables; it ends with the stack."""
        self._workers += 1
        worker = WorkerProcess(
            redis_url=self.server.url,
            config=self.config,
            directory=self.directory,
            name=f"worker{self._workers}",
            beat=beat,
            environ={"SEGUE_BROKER_URL": self.broker_url, **environ},
        )
        self._exit.callback(worker.kill)
        if wait:
            worker.wait_ready()
        return worker

    def workers(self, count: int) -> list[WorkerProcess]:
        """Start workers, of which none begins before all are ready."""
        self.redis.set(KEYS.paused, Pause("the workers start", 0, None).to_json())
        started = [self.worker(beat=number == 0, wait=False) for number in range(count)]
        for worker in started:
            worker.wait_ready()
        self.redis.delete(KEYS.paused)
        return started

    @property
    def broker_environ(self) -> dict[str, str]:
        """Names the broker to programs, where it is not the Redis."""
        return {} if self.broker_url == self.server.url else {"SEGUE_BROKER_URL": self.broker_url}

    @property
    def delivered(self) -> int:
        """Events delivered so far."""
        return self.counters.get("delivered", 0)

    @property
    def pending(self) -> int:
        """Events in outboxes."""
        return int(self.redis.get(KEYS.pending) or 0)

    @property
    def counters(self) -> dict[str, int]:
        """The destination's counters of all time."""
        return {_text(name): int(count) for name, count in self.redis.hgetall(KEYS.totals).items()}

    def wait_delivered(self, *, within_s: float = 60) -> None:
        """Wait until nothing is pending."""
        wait_until(lambda: self.pending == 0, within_s=within_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()
        self.redis.close()


MakeStack = Callable[..., Stack]
"""Makes the one stack of a test; takes the options of `Stack`."""


def wait_until(condition: Callable[[], bool], *, within_s: float = 60) -> None:
    """Wait for a condition; tenacity.RetryError where it does not come true in time."""
    Retrying(retry=retry_if_result(lambda value: not value), stop=stop_after_delay(within_s), wait=wait_fixed(0.05))(
        condition
    )


@contextmanager
def celery_worker(stack: Stack, log: IO[bytes], *options: str, **environ: str) -> "Iterator[subprocess.Popen[bytes]]":
    """A worker started by the command `celery`, which alone can start anew on SIGHUP; killed in the end."""
    command = [str(Path(sys.executable).with_name("celery")), "-A", "segue_worker", "worker", "--loglevel", "INFO"]
    command += options
    variables = {"SEGUE_REDIS_URL": stack.server.url, "SEGUE_BROKER_URL": stack.broker_url}
    with subprocess.Popen(
        command,
        env={**os.environ, **variables, "SEGUE_CONFIG": str(stack.config), **environ},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    ) as worker:
        try:
            yield worker
        finally:
            worker.kill()


def bodies(stack: Stack, path: str | None = None) -> Iterator[dict[str, Any]]:
    """Bodies of the requests that took effect, in order of arrival."""
    for record in stack.sandbox.requests():
        if record["applied"] and path in (None, record["path"]):
            yield record["body"]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def until_taken(enqueue: Callable[[], Any], *, within_s: float = 120) -> None:
    """Enqueue something, again and again where it is not taken; EnqueueError where that does not end in time."""
    Retrying(
        retry=retry_if_exception_type(EnqueueError),
        stop=stop_after_delay(within_s),
        wait=wait_fixed(0.1),
        reraise=True,
    )(enqueue)
