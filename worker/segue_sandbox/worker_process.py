"""A real Celery worker as a child process, for the demo, tests and benchmarks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_READY: Final = " ready."
_READY_WITHIN_S: Final = 60.0
_STOPPED_WITHIN_S: Final = 40.0


class WorkerProcess:
    """`celery -A segue_worker worker`, in a process group of its own.

    Args:
        redis_url: Redis of outbox and broker.
        config: path of the configuration.
        directory: where its log is written.
        name: unique among the workers of a broker.
        beat: whether it sweeps too (`-B`).
        concurrency: threads for tasks; as many as the application says when left out.
        environ: further environment variables.
    """

    def __init__(  # noqa: PLR0913 - the worker's options, by name
        self,
        *,
        redis_url: str,
        config: Path,
        directory: Path,
        name: str = "worker",
        beat: bool = True,
        concurrency: int | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.log = directory / f"{name}.log"
        command = [sys.executable, "-m", "celery", "-A", "segue_worker", "worker", "--loglevel", "INFO"]
        command += ["--hostname", f"{name}@%h", *(["--beat"] if beat else [])]
        command += [] if concurrency is None else ["--concurrency", str(concurrency)]
        variables = {"SEGUE_REDIS_URL": redis_url, "SEGUE_BROKER_URL": redis_url, "SEGUE_CONFIG": str(config)}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                command,
                env={**os.environ, **variables, **(environ or {})},
                cwd=directory,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id of the worker's main process, and of its group."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether its main process has ended."""
        return self._process.poll() is not None

    @property
    def children(self) -> list[int]:
        """Process ids of its children: beat, where it sweeps."""
        listed = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in listed.read_text().split()] if listed.exists() else []

    def wait_ready(self) -> None:
        """Wait until it takes messages. Raises RuntimeError with its log if it ends before."""
        until = time.monotonic() + _READY_WITHIN_S
        while _READY not in self.log.read_text(errors="replace"):
            if self.ended or time.monotonic() > until:
                raise RuntimeError(f"the worker did not become ready:\n{self.log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill -9 of the whole group, as when a machine is lost."""
        # Also where the main process has ended: beat may have outlived it.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """Stop it by SIGTERM (a warm shutdown). Returns the exit code."""
        if not self.ended:
            self._process.terminate()
            try:
                self._process.wait(timeout=_STOPPED_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._process.returncode

    def __enter__(self) -> Self:
        self.wait_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
