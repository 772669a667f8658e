"""The HTTP client of one Loops team."""

import asyncio
import zlib
from types import TracebackType
from typing import Any, Final, Self

import httpx
import orjson

from segue_worker.loops.answer import Answer, read_answer
from segue_worker.loops.errors import LoopsConnectionError, LoopsTimeoutError
from segue_worker.loops.redaction import Redaction
from segue_worker.loops.transport import PooledTransport

READ_WHOLE: Final = 4 * 1024 * 1024
"""Bytes of an answer that is data."""
READ_MOST: Final = 16 * 1024
"""Bytes read of an answer's body, about. What follows says nothing that is needed, and is not waited for."""
_ENCODING: Final = "latin-1"
"""Of headers (RFC 9110, 5.5)."""


class LoopsClient:
    """Sends requests to Loops over a pool of connections. Made inside the one event loop it belongs to.

    The transport is called by itself: httpx's client on top of it would cost as much again.

    Args:
        base_url: like `https://app.loops.so/api/v1`, without a slash at the end.
        api_key: sent as bearer token; kept out of every message and repr.
        timeout: seconds to wait for an answer.
        transport: in place of the network, for tests; any of httpx's.
    """

    def __init__(
        self, base_url: str, api_key: str, *, timeout: float = 10.0, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._base_url = base_url
        self._timeout = timeout
        self._headers = httpx.Headers(
            {
                "Authorization": f"Bearer {api_key}",
                "Content-Type": "application/json",
                "User-Agent": "segue",
                # Answers are short, and what is not compressed cannot grow.
                "Accept-Encoding": "identity",
            }
        )
        self._redact = Redaction(api_key)
        self._urls: dict[str, httpx.URL] = {}
        self._transport = PooledTransport(httpx.URL(base_url)) if transport is None else transport

    async def send(self, method: str, path: str, body: bytes, *, idempotency_key: str | None = None) -> Answer:
        """Send one request.

        Args:
            method: `PUT` or `POST`.
            path: what follows the base URL, like `/contacts/update`.
            body: JSON text.
            idempotency_key: at most 100 characters, or None.

        Returns:
            the answer, whatever its status.

        Raises:
            LoopsTimeoutError: no answer in time.
            LoopsConnectionError: no connection, or a broken one.
        """
        headers = self._headers
        if idempotency_key:
            headers = headers.copy()
            headers["Idempotency-Key"] = idempotency_key
        return (await self._request(method, path, body, headers))[0]

    async def read(self, method: str, path: str, body: bytes = b"") -> tuple[Answer, Any]:
        """Send a request whose answer is data: also returns its JSON, None where it is none. Raises as `send` does."""
        answer, received = await self._request(method, path, body, self._headers, READ_WHOLE)
        try:
            return answer, orjson.loads(received)
        except orjson.JSONDecodeError:
            return answer, None

    async def check_key(self) -> Answer:
        """Ask Loops whether the API key is valid (`GET /api-key`). Raises as `send` does."""
        return (await self._request("GET", "/api-key", b"", self._headers))[0]

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _request(
        self, method: str, path: str, body: bytes, headers: httpx.Headers, most: int = READ_MOST
    ) -> tuple[Answer, bytes]:
        url = self._urls.get(path)
        if url is None:
            url = httpx.URL(self._base_url + path)
            if most == READ_MOST:
                self._urls[path] = url
        # A body given as a stream: httpx then leaves to the transport the headers that both would work out.
        request = httpx.Request(method, url, headers=headers, stream=httpx.ByteStream(body))
        request.read()
        response: httpx.Response | None = None
        received = bytearray()
        try:
            # One limit for the whole of it: against each read alone, a server that dribbles would never run.
            async with asyncio.timeout(self._timeout):
                response = await self._transport.handle_async_request(request)
                await _read(response, received, most)
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout) as error:
            if response is None:
                raise LoopsTimeoutError(f"no answer in time ({type(error).__name__})") from None
        except Exception as error:  # noqa: BLE001 - the transport's, and whatever an odd answer does to it
            if response is None:
                raise LoopsConnectionError(f"connection failed ({type(error).__name__})") from None
        # The status says what became of the request, whatever the body does. Asking httpx for four headers takes four times
        # as long as this.
        named = {name.decode(_ENCODING).lower(): value.decode(_ENCODING) for name, value in response.headers.raw}
        body = _decoded(bytes(received), named.get("content-encoding", ""), most)
        return read_answer(response.status_code, named, body, redact=self._redact), body


async def _read(response: httpx.Response, received: bytearray, most: int) -> None:
    """Read the beginning of the body as it comes, compressed or not. The connection of a longer one is given up."""
    stream = response.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError("an answer's body comes as an asynchronous stream")
    try:
        async for part in stream:
            received += part
            if len(received) >= most:
                return
    finally:
        await stream.aclose()


def _decoded(received: bytes, encoding: str, most: int) -> bytes:
    """The beginning of a body, no longer than what is read of one; empty where it is compressed in an unknown way."""
    if encoding in {"", "identity"}:
        return received
    try:
        # Both of gzip and of deflate.
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(received, most)
    except zlib.error:
        return b""
