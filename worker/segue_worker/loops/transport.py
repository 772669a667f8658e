"""httpx's transport interface over kept connections.

Carrying requests is the largest part of what a busy worker does: with 64 at once, httpx's own pool takes 1.8 ms of processor
for each, aiohttp's 87 µs, this 48 µs. And aiohttp's has no public switch against resending a request whose connection broke.

Whoever calls it limits the time of the whole exchange: against each read alone, a server that dribbles would never run into
a limit.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from typing import Final

import aiohappyeyeballs
import httpx

from segue_worker.loops.connection import Connection

CONNECTIONS: Final = 128
"""Of one client, and so the contacts to which a run delivers at once, at most."""
KEPT_S: Final = 30.0
"""How long an unused connection is kept."""
_NEXT_ADDRESS_S: Final = 0.25
"""How long one address of a name is tried alone (RFC 8305)."""


class PooledTransport(httpx.AsyncBaseTransport):
    """Sends requests to one server: no cookies, no redirects, no decompression, no proxies, and above all no resending.

    Made inside the one event loop it belongs to. Raises OSError where there is no connection, and
    httpx.RemoteProtocolError where what comes is no answer, or ends before its head does.

    Args:
        server: any URL of it.
    """

    def __init__(self, server: httpx.URL) -> None:
        self._host = server.host
        self._tls = tls_context() if server.scheme == "https" else None
        self._port = server.port or (443 if self._tls else 80)
        self._host_line = b"Host: %b" % server.netloc
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._spare: list[Connection] = []
        self._time = asyncio.get_running_loop().time

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request whose body was read, and receive the answer's head."""
        await self._places.acquire()
        connection = None
        try:
            connection = self._kept() or await self._connect()
            status, headers = await connection.exchange(self._written(request))
        except BaseException:
            self._end(connection)
            raise
        return httpx.Response(status, headers=headers, stream=_Body(connection, self._end))

    def _written(self, request: httpx.Request) -> bytes:
        """The bytes of a request. Raises httpx.LocalProtocolError where a header holds a line break."""
        body = request.content
        lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path), self._host_line]
        lines += [b"%b: %b" % field for field in request.headers.raw if field[0].lower() not in _OWN_FIELDS]
        if body or request.method != "GET":
            lines.append(b"Content-Length: %d" % len(body))
        head = b"\r\n".join((*lines, b"", b""))
        if not len(lines) + 1 == head.count(b"\n") == head.count(b"\r"):
            raise httpx.LocalProtocolError("a header has a line break")
        return head + body

    def _kept(self) -> Connection | None:
        while self._spare:
            connection = self._spare.pop()
            if connection.reusable and connection.used_at >= self._time() - KEPT_S:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        addresses = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        # uvloop by itself would wait for an address that does not answer before it tries the next.
        connected = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=_NEXT_ADDRESS_S, loop=loop)
        name = self._host if self._tls else None
        _, connection = await loop.create_connection(Connection, sock=connected, ssl=self._tls, server_hostname=name)
        return connection

    def _end(self, connection: Connection | None) -> None:
        """Give back the place of a request, and its connection where its answer has ended, whether it was wanted or not."""
        self._places.release()
        if connection is None:
            return
        if not connection.reusable:
            # Else a late answer to this request would be taken for that to the next.
            connection.abort()
            return
        connection.used_at = self._time()
        self._spare.append(connection)
        while self._spare[0].used_at < connection.used_at - KEPT_S:
            self._spare.pop(0).close()

    async def aclose(self) -> None:
        """Close the connections that nobody uses."""
        while self._spare:
            self._spare.pop().close()


_OWN_FIELDS: Final = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""Headers that the transport writes itself, or does without."""


class _Body(httpx.AsyncByteStream):
    """The body of an answer, part by part as it comes."""

    def __init__(self, connection: Connection, end: Callable[[Connection], None]) -> None:
        self._connection = connection
        self._end: Callable[[Connection], None] | None = end

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if part := await self._connection.part():
            return part
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give the connection back where the body was read to its end, and close it otherwise."""
        end, self._end = self._end, None
        if end is not None:
            end(self._connection)


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """The one of this process: making it costs 30 ms and 1.5 MB, since it holds all authorities that are trusted."""
    return ssl.create_default_context()
