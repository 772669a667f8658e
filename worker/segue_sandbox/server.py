"""The sandbox over HTTP: in the calling thread for the command, in a thread of this process for tests."""

import gc
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import uvicorn

from segue_producer.serving import ReadyServer, bind
from segue_sandbox.address import API_PREFIX
from segue_sandbox.app import SandboxApp
from segue_sandbox.core import Sandbox
from segue_sandbox.ledger import Ledger
from segue_sandbox.protocol import WitnessProtocol
from segue_sandbox.switches import Switches

_START_TIMEOUT_S = 30.0
_BACKLOG = 2048


class _Server(ReadyServer):
    """Does not wait for late answers when told to stop."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for task in tuple(self.server_state.tasks):
            task.cancel()
        await super().shutdown(sockets)


def base_url(listener: socket.socket) -> str:
    """The API's base URL on a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{API_PREFIX}"


def make_server(sandbox: Sandbox, on_ready: Callable[[], None]) -> ReadyServer:
    """A server for `run(sockets=[...])`; `on_ready` is called once requests are answered."""
    config = uvicorn.Config(
        SandboxApp(sandbox),
        http=WitnessProtocol,
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
    )
    return _Server(config, on_ready)


def serve(sandbox: Sandbox, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Answer requests until the process is told to stop; `on_ready` is called with the base URL.

    Raises:
        OSError: the address is in use, or is not this machine's.
    """
    listener = bind(host, port)
    url = base_url(listener)
    # A full collection walks the whole ledger (278 ms at 300,000 requests), and nobody is answered meanwhile.
    gc.disable()
    make_server(sandbox, lambda: on_ready(url)).run_until_stopped(listener)


class SandboxServer:
    """A sandbox served by a thread of this process, as a context manager.

    Attributes:
        sandbox: the state itself, to look at and to change directly.
    """

    def __init__(
        self,
        switches: Switches | None = None,
        *,
        api_keys: tuple[str, ...] = (),
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.sandbox = Sandbox(switches, api_keys=api_keys, seed=seed)
        self._listener = bind(host, port)
        self.base_url = base_url(self._listener)
        self._ready = threading.Event()
        self._server = make_server(self.sandbox, self._ready.set)
        self._thread = threading.Thread(target=self._run, name="segue-sandbox", daemon=True)

    @property
    def ledger(self) -> Ledger:
        """Every request so far."""
        return self.sandbox.ledger

    def start(self) -> Self:
        """Begin to answer; returns when that is so."""
        self._thread.start()
        if not self._ready.wait(_START_TIMEOUT_S):
            raise TimeoutError("the sandbox did not start in time")
        return self

    def stop(self) -> None:
        """Stop answering and close every connection; returns when that is done."""
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        self._server.run(sockets=[self._listener])
