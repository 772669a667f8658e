"""The sandbox over HTTP."""

import gc
import socket
from collections.abc import Callable

import uvicorn

from segue_producer.serving import ReadyServer, bind
from segue_sandbox.address import API_PREFIX
from segue_sandbox.app import SandboxApp
from segue_sandbox.core import Sandbox
from segue_sandbox.protocol import WitnessProtocol

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
