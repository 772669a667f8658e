"""httpx's transport interface over aiohttp's connection pool, which carries eight times what httpx's own does.

Whoever calls it limits the time of the whole exchange. aiohttp's own timers would cost more for each request, and only limit
its steps: against each read alone, a server that dribbles would never run into one.
"""

import ssl
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Final

import aiohttp
import httpx

CONNECTIONS: Final = 128
"""Of one client, and so the contacts to which a run delivers at once, at most."""
KEPT_S: Final = 30.0
"""How long an unused connection is kept."""


class PooledTransport(httpx.AsyncBaseTransport):
    """Sends requests over pooled connections: no cookies, no redirects, no decompression, and above all no resending.

    Made inside the one event loop it belongs to. Raises what aiohttp raises.
    """

    def __init__(self) -> None:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEPT_S, ssl=tls_context())
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),
            auto_decompress=False,
        )
        # aiohttp by itself repeats a PUT whose pooled connection broke. That request would be unpaced and unrecorded;
        # there is no public switch for it.
        self._session._retry_connection = False  # noqa: SLF001 - see above

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request whose body was read, and receive the answer's head."""
        answer = await self._session.request(
            request.method,
            str(request.url),
            headers=request.headers.multi_items(),
            data=request.content or None,
            allow_redirects=False,
        )
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()


class _Body(httpx.AsyncByteStream):
    """The body of an answer, part by part as it comes."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        content = self._answer.content
        if not content.at_eof() and (part := await content.readany()):
            return part
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give the connection back to the pool where the body was read to its end, and close it otherwise."""
        self._answer.release()


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """The one of this process: making it costs 30 ms and 1.5 MB, since it holds all authorities that are trusted."""
    return ssl.create_default_context()
