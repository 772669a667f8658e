"""What the demo runs on: Redis, the sandbox and a worker, started one after the other and stopped in reverse order."""

import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
import redis
from ruamel.yaml import YAML

from segue_producer import Producer, SegueError
from segue_producer.keys import Keys
from segue_sandbox.demo.scenario import LISTS, RATE_LIMIT, Chapter
from segue_sandbox.demo.verdicts import DESTINATION, PlayedChapter, judge
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_sandbox.spawn import SandboxProcess
from segue_sandbox.views import Summary
from segue_sandbox.worker_process import WorkerProcess
from segue_worker.outbox.dead_letter import DeadLetter

API_KEY: Final = "sandbox-demo"
_PATIENCE_S: Final = 45.0
_POLL_S: Final = 0.02
_LOG_LINES: Final = 15
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
GONE: Final[tuple[type[Exception], ...]] = (redis.RedisError, httpx.HTTPError, OSError, RuntimeError)
"""What the parts raise when one of them fails or goes away."""


class StageError(SegueError):
    """A part of the demo did not start, or went away."""


class _Worker(WorkerProcess):
    @property
    def running(self) -> bool:
        return self._process.poll() is None


class Stage:
    """What the demo runs on, in a temporary directory that is removed at the end.

    Args:
        say: called with a line about each part that has been started or stopped.
    """

    server: EmbeddedRedis
    sandbox: SandboxProcess
    config: Path
    _worker: _Worker
    _redis: "redis.Redis"
    _producer: Producer

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        try:
            directory = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="segue-demo-")))
            self._start_redis()
            self._start_sandbox(directory)
            self._start_worker(directory)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop everything that runs, in order: worker, sandbox, Redis."""
        with _undisturbed():
            self._exit.close()

    def play(self, chapter: Chapter) -> PlayedChapter:
        """Enqueue a chapter's events and wait until all are settled.

        Raises:
            StageError: a part went away, or it takes too long.
        """
        before = self.sandbox.summary()["received"]
        self.sandbox.faults(chapter.faults)
        self._producer.enqueue([planned.event for planned in chapter.planned])
        self._wait_settled()
        return judge(chapter, self.sandbox.requests(since=before), self._dead_letters(), self.sandbox.contacts())

    def summary(self) -> Summary:
        """Counts of what Loops received."""
        return self.sandbox.summary()

    def environment(self) -> Mapping[str, str]:
        """What another shell needs to use what runs here."""
        return {"SEGUE_REDIS_URL": self.server.url, "SEGUE_CONFIG": str(self.config)}

    def _start_redis(self) -> None:
        self.server = EmbeddedRedis()
        self._exit.callback(self._end, "Redis", self.server.close)
        with _undisturbed():
            self.server.start()
        self._redis = self._exit.enter_context(redis.Redis.from_url(self.server.url))
        self._producer = self._exit.enter_context(Producer(self.server.url, broker_url=self.server.url))
        self._say(f"Redis   process {self.server.pid}: {self.server.kind}, {self.server.url}")

    def _start_sandbox(self, directory: Path) -> None:
        with _undisturbed():
            self.sandbox = SandboxProcess(rate_limit=RATE_LIMIT)
            self._exit.callback(self._end, "Loops", self.sandbox.stop)
        self.sandbox.lists(LISTS)
        self.config = directory / "segue.yaml"
        destination = {"name": DESTINATION, "api_key": API_KEY, "base_url": self.sandbox.base_url}
        with self.config.open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump({"destinations": [{**destination, "rate_limit": RATE_LIMIT}]}, file)
        self._say(f"Loops   process {self.sandbox.pid}: a stand-in, {self.sandbox.base_url}")

    def _start_worker(self, directory: Path) -> None:
        with _undisturbed():
            self._worker = _Worker(redis_url=self.server.url, config=self.config, directory=directory, name="demo")
            self._exit.callback(self._end, "worker", self._worker.stop)
        self._worker.wait_ready()
        self._say(f"worker  process {self._worker.pid}: celery -A segue_worker worker -B")

    def _end(self, name: str, stop: Callable[[], object]) -> None:
        stop()
        self._say(f"{name} stopped")

    def _wait_settled(self) -> None:
        pending = Keys(DESTINATION).pending
        until = time.monotonic() + _PATIENCE_S
        while int(self._redis.get(pending) or 0):
            if not self._worker.running:
                raise StageError(f"the worker ended. The end of its log:\n{self._log_end()}")
            if time.monotonic() > until:
                raise StageError(
                    f"events still wait after {_PATIENCE_S:.0f} seconds. The end of the worker's log:\n{self._log_end()}"
                )
            time.sleep(_POLL_S)

    def _dead_letters(self) -> Sequence[DeadLetter]:
        return [DeadLetter.from_json(raw) for raw in self._redis.hvals(Keys(DESTINATION).dead)]

    def _log_end(self) -> str:
        return "\n".join(self._worker.log.read_text(errors="replace").splitlines()[-_LOG_LINES:])


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold Ctrl-C (and SIGTERM) back until what is inside is done, so that no process is forgotten half started."""
    caught: list[int] = []
    before = {each: signal.signal(each, lambda number, _: caught.append(number)) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if caught:
        raise KeyboardInterrupt
