"""A kept connection to an HTTP/1.1 server: one request at a time, and the answer that belongs to it.

httptools reads the answers. What it does not know is kept here: what ends an answer, what is too much of one, and whether
another may follow on the same connection.
"""

import asyncio
from typing import Final, cast

import httpx
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

HEAD_MOST: Final = 64 * 1024
"""Bytes of an answer's head, about; a longer one is no answer."""
_LONG_HEAD: Final = f"the head of the answer has more than {HEAD_MOST} bytes"


class Connection(asyncio.Protocol):
    """A connection, and the answer that is read from it.

    Attributes:
        used_at: time of the event loop at which its last answer ended.
    """

    def __init__(self) -> None:
        self.used_at = 0.0
        self._parser = HttpResponseParser(self)
        # As other clients are: what an odd proxy writes is an answer all the same, and its status counts.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._transport: asyncio.Transport
        self._news: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._keeps = True
        self._begin()
        self._ended = True

    def _begin(self) -> None:
        self._status = 0
        self._read = 0
        self._ended = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []

    @property
    def reusable(self) -> bool:
        """Whether it can carry a request: the last answer has ended, and nothing came behind it."""
        return self._ended and self._keeps and self._error is None and not self._transport.is_closing()

    async def exchange(self, request: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Send a request and receive the head of its answer: status and headers.

        Raises:
            httpx.RemoteProtocolError: what came is no answer, or it ended before its head did.
        """
        self._begin()
        self._transport.write(request)
        while not self._status:
            if self._error is not None:
                raise self._error
            await self._more()
        return self._status, self._headers

    async def part(self) -> bytes:
        """The next part of the body; empty at its end, also where the connection broke before that."""
        while not (self._parts or self._ended or self._error):
            await self._more()
        part = b"".join(self._parts)
        self._parts.clear()
        return part

    async def _more(self) -> None:
        """Wait until something more of the answer has come, or nothing more will."""
        self._news = asyncio.get_running_loop().create_future()
        await self._news

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _fail(self, problem: str) -> None:
        self._error = self._error or httpx.RemoteProtocolError(problem)
        self._transport.abort()
        self._tell()

    def close(self) -> None:
        """Close it, saying so to the server."""
        self._transport.close()

    def abort(self) -> None:
        """Close it at once."""
        self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        if self._ended:
            self._fail("the server sent what nobody asked for")
            return
        self._read += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._fail(f"no HTTP answer ({type(error).__name__})")
        else:
            if not self._status and self._read > HEAD_MOST:
                self._fail(_LONG_HEAD)

    def connection_lost(self, error: Exception | None) -> None:
        """End an answer that has not ended: without a length, that is how a body ends."""
        if not self._ended:
            self._fail("the connection broke" if error else "the server closed the connection")

    # What httptools calls.

    def on_message_begin(self) -> None:
        """Note where behind the answer another begins, to no request."""
        if self._ended:
            self._keeps = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those behind the body say nothing that is needed."""
        if not self._status:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Hand over the head of the answer."""
        status = self._parser.get_status_code()
        if self._ended:
            return
        if status < 200:  # noqa: PLR2004 - informational: the answer is still to come
            self._headers.clear()
        elif self._read > HEAD_MOST and sum(len(name) + len(value) for name, value in self._headers) > HEAD_MOST:
            self._fail(_LONG_HEAD)
        else:
            self._status = status
            self._keeps = self._parser.should_keep_alive()
            self._tell()

    def on_body(self, body: bytes) -> None:
        """Hand over a part of the body. Whoever reads takes it at once, or gives up the connection."""
        if not self._ended:
            self._parts.append(body)
            self._tell()

    def on_message_complete(self) -> None:
        """End the answer, if it was one and no hint before it."""
        if self._status:
            self._ended = True
            self._tell()
