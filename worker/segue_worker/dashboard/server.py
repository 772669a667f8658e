"""The dashboard over HTTP, until the process is told to stop."""

import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

_STOP_S = 5


class _Server(uvicorn.Server):
    """uvicorn's server: says when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


def serve(app: ASGIApp, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Answer requests until the process is told to stop; `on_ready` is called with the address.

    Raises:
        OSError: the address is in use, or is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        taken = listener.getsockname()[1]
        address = f"http://{f'[{host}]' if ':' in host else host}:{taken}/"
        config = uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            log_level="warning",
            # Addresses hold no personal data, but a log of who looked at what is nobody's need either.
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_STOP_S,
        )
        _Server(config, lambda: on_ready(address)).run(sockets=[listener])
