"""The Tracking API on a port."""

import signal
import socket
from collections.abc import Callable
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from segue_producer.tracking_api.limits import Limits
from segue_producer.tracking_api.wire import BoundedProtocol

_BACKLOG: Final = 2048
_KEEP_ALIVE_S: Final = 75


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket's address taken; port 0 takes any free one.

    Raises:
        OSError: the address is in use, or is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, since asyncio turns Nagle's algorithm off only where the protocol is: 44 ms a request otherwise.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def make_server(app: ASGIApp, limits: Limits, on_ready: Callable[[], None]) -> uvicorn.Server:
    """A server for `run(sockets=[...])`; `on_ready` is called once requests are answered."""
    config = uvicorn.Config(
        app,
        http=type("Protocol", (BoundedProtocol,), {"limits": limits}),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=int(limits.shutdown_s),
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    return _Server(config, on_ready)


def serve(app: ASGIApp, listener: socket.socket, limits: Limits, on_ready: Callable[[], None]) -> None:
    """Answer requests until the process is told to stop (SIGTERM, SIGINT); those under way are answered first.

    Args:
        app: of `create_app`, with the same limits.
        listener: of `bind`.
        limits: of a request and of the process.
        on_ready: called once requests are answered.

    Raises:
        KeyboardInterrupt: SIGINT ended it.
    """
    # uvicorn raises the signal once more when all is done; a service that stops in order ends with exit code 0.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    make_server(app, limits, on_ready).run(sockets=[listener])
