"""Starts the sandbox as a process of its own, for tests, the demo and benchmarks."""

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import IO, Any, Self

from segue_producer.errors import SegueError
from segue_sandbox.address import READY_LINE
from segue_sandbox.client import SandboxClient

_STOP_TIMEOUT_S = 5.0
_LAST_LINES = 20


class SandboxStartError(SegueError):
    """The process ended before it was ready; the message holds its output."""


class SandboxProcess(SandboxClient):
    """`segue sandbox` in a process of its own, ready when constructed, with the control client's methods.

    Args:
        port: 0 takes a free one.
        rate_limit, window, latency_ms, fail, seed: as the command's options.
        api_keys: `KEY` or `KEY=TEAM`; if none are given, every key `sandbox-TEAM` is accepted.
        switches: further switches by name.

    Raises:
        SandboxStartError: it did not start.
    """

    def __init__(  # noqa: PLR0913  the command's options, by name
        self,
        *,
        port: int = 0,
        rate_limit: int = 10,
        window: str = "sliding",
        latency_ms: float = 0,
        fail: float = 0,
        seed: int = 0,
        api_keys: Sequence[str] = (),
        switches: Mapping[str, Any] | None = None,
    ) -> None:
        options = {
            "--port": port,
            "--rate-limit": rate_limit,
            "--window": window,
            "--latency-ms": latency_ms,
            "--fail": fail,
            "--seed": seed,
        }
        command = [sys.executable, "-m", "segue_worker.cli", "sandbox"]
        command += [str(part) for option in options.items() for part in option]
        command += [part for key in api_keys for part in ("--api-key", key)]
        command += [part for name, value in (switches or {}).items() for part in ("--switch", f"{name}={value}")]
        # A session of its own, so that Ctrl-C in a terminal leaves its end to whoever started it.
        self._process = subprocess.Popen(  # noqa: S603  our own command
            command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, start_new_session=True
        )
        stderr = self._process.stderr
        assert stderr is not None  # noqa: S101  it was asked for in the line above
        super().__init__(self._wait_until_ready(stderr))
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._reader = threading.Thread(target=self._read_on, args=(stderr,), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def stop(self) -> None:
        """End the process, and close the client."""
        self.close()
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_ready(self, stderr: IO[str]) -> str:
        said = ""
        for line in stderr:
            if line.startswith(READY_LINE):
                return line.removeprefix(READY_LINE).strip()
            said += line
        self._process.wait()
        stderr.close()
        raise SandboxStartError(f"the sandbox did not start: {said.strip() or 'it said nothing'}")

    def _read_on(self, stderr: IO[str]) -> None:
        """Keep the pipe from filling up."""
        with stderr:
            self._last_lines.extend(stderr)
