"""Serves the Tracking API on a port."""

import resource
import socket
from collections.abc import Callable
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from segue_producer.serving import ReadyServer
from segue_tracking_api.arrivals import Arrivals
from segue_tracking_api.bounded_protocol import BoundedProtocol
from segue_tracking_api.limits import Limits

_BACKLOG: Final = 2048
_KEEP_ALIVE_S: Final = 75


def make_server(app: ASGIApp, limits: Limits, on_ready: Callable[[], None]) -> ReadyServer:
    """Make a server to be run on a socket. `on_ready` is called as soon as it answers requests."""
    config = uvicorn.Config(
        app,
        http=type("Protocol", (BoundedProtocol,), {"limits": limits, "arrivals": Arrivals(limits)}),
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
    return ReadyServer(config, on_ready)


def serve(app: ASGIApp, listener: socket.socket, limits: Limits, on_ready: Callable[[], None]) -> None:
    """Answer requests until the process is told to stop by SIGTERM or SIGINT. Current requests are answered first.

    Args:
        app: made by `create_app` with the same limits.
        listener: socket made by `bind`.
        limits: limits of a request and of the process.
        on_ready: called as soon as requests are answered.

    Raises:
        KeyboardInterrupt: SIGINT stopped it.
    """
    _allow_many_connections()
    make_server(app, limits, on_ready).run_until_stopped(listener)


def _allow_many_connections() -> None:
    """Let the process have as many open connections as the system lets it; the usual 1,024 are soon full of idle ones."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
