"""The Tracking API as people run it: a process of its own."""

import os
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import IO, Any, Final, Self

import httpx
from ruamel.yaml import YAML

from segue_worker.cli.tracking_api import READY_LINE

WRITE_KEY: Final = "test-write-key"
PUBLIC_KEY: Final = "test-public-key"
_STOPPED_WITHIN_S: Final = 30


def write_config(directory: Path, *names: str, base_url: str | None = None, api_key: str = "sandbox-key") -> Path:
    """A configuration with these destinations (default: loops), all of which get what `WRITE_KEY` sends."""
    listed = names or ("loops",)
    destination: dict[str, Any] = {"api_key": api_key, **({"base_url": base_url} if base_url else {})}
    path = directory / "tracking.yaml"
    sources = [
        {"write_key": WRITE_KEY, "destinations": list(listed)},
        {"write_key": PUBLIC_KEY, "destinations": list(listed), "public": True},
    ]
    destinations = [{"name": name, **destination} for name in listed]
    YAML(typ="safe").dump({"destinations": destinations, "sources": sources}, path)
    return path


class TrackingApiProcess:
    """`segue tracking-api`, ready when constructed.

    Args:
        config: path of the configuration.
        redis_url: Redis of the outbox.
        options: further ones of the command.
        port: 0 takes a free one.
    """

    def __init__(self, config: Path, redis_url: str, *options: str, port: int = 0) -> None:
        command = [sys.executable, "-m", "segue_worker.cli", "tracking-api", "--config", str(config)]
        self.process = subprocess.Popen(
            [*command, "--redis-url", redis_url, "--port", str(port), *options],
            env={**os.environ, "SEGUE_BROKER_URL": redis_url},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stderr is not None
        self.url = self._wait_ready(self.process.stderr)
        self.said: deque[str] = deque(maxlen=1000)
        self._reader = threading.Thread(target=self._read_on, args=(self.process.stderr,), daemon=True)
        self._reader.start()

    @property
    def peak_memory_mb(self) -> float:
        """The largest resident size the process has had."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("the kernel does not say")

    def client(self, **options: Any) -> httpx.Client:
        """A client with the write key."""
        return httpx.Client(base_url=self.url, auth=(WRITE_KEY, ""), trust_env=False, timeout=30, **options)

    def stop(self) -> int:
        """SIGTERM. Returns the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(_STOPPED_WITHIN_S)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_ready(self, stderr: IO[str]) -> str:
        said = ""
        for line in stderr:
            if line.startswith(READY_LINE):
                return line.removeprefix(READY_LINE).strip()
            said += line
        raise AssertionError(f"the Tracking API did not start: {said}")

    def _read_on(self, stderr: IO[str]) -> None:
        with stderr:
            self.said.extend(stderr)
