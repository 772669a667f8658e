"""What Segue's HTTP servers share: the socket they listen on, and a server that says when it is ready.

Needs the extra `http`.
"""

import signal
import socket
from collections.abc import Callable

import uvicorn


def bind(host: str, port: int) -> socket.socket:
    """A listening socket's address taken; port 0 takes any free one.

    Raises:
        OSError: the address is in use, or is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, since asyncio turns Nagle's algorithm off only where the protocol is: measured, 44 ms a request otherwise.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


class ReadyServer(uvicorn.Server):
    """uvicorn's server, which calls `on_ready` once requests are answered."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    def run_until_stopped(self, listener: socket.socket) -> None:
        """Answer requests until the process is told to stop (SIGTERM, SIGINT); those under way are answered first.

        For the main thread of a process that does nothing else; SIGTERM is ignored once this returns.

        Args:
            listener: of `bind`.

        Raises:
            KeyboardInterrupt: SIGINT ended it.
        """
        # uvicorn raises the signal once more when all is done; a service that stops in order ends with exit code 0.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.run(sockets=[listener])
