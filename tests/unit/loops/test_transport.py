"""The transport: which bytes of a connection belong to which request, and when a connection carries another one."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import aiohappyeyeballs
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.loops.connection import HEAD_MOST, Connection
from segue_worker.loops.transport import CONNECTIONS, KEPT_S, PooledTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nTrailer: t\r\n\r\n"
UNTIL_THE_END = b"HTTP/1.1 200 OK\r\n\r\nok"
EARLY = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"


class Server:
    """Answers request after request with given bytes.

    Attributes:
        answers: what is left to answer with, b"" for nothing yet; None closes the connection instead.
        requests: the connection's number and the bytes of each request, in order.
        writers: of each connection.
    """

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[int, bytes]] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.url = httpx.URL("http://127.0.0.1:1")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.writers)
        self.writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append((number, head + await reader.readexactly(length)))
                answer = self.answers.pop(0)
                if answer is None:
                    break
                writer.write(answer)
                if answer == UNTIL_THE_END:
                    break
        writer.close()

    @property
    def connections(self) -> list[int]:
        """Which connection each request came over."""
        return [number for number, _ in self.requests]


@asynccontextmanager
async def serving(*answers: bytes | None) -> AsyncIterator[tuple[Server, PooledTransport]]:
    scripted = Server(*answers)
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    scripted.url = httpx.URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    transport = PooledTransport(scripted.url)
    try:
        yield scripted, transport
    finally:
        await transport.aclose()
        server.close()
        for writer in scripted.writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what nothing tells of."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.001)


async def begin(
    transport: PooledTransport, server: Server, body: bytes = b"{}", headers: dict[str, str] | None = None
) -> httpx.Response:
    request = httpx.Request("PUT", server.url.join("/api/v1/x?y=1"), headers=headers, stream=httpx.ByteStream(body))
    request.read()
    async with asyncio.timeout(20):
        return await transport.handle_async_request(request)


async def read(answer: httpx.Response) -> bytes:
    stream = answer.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    async with asyncio.timeout(20):
        parts = [part async for part in stream]
    await stream.aclose()
    return b"".join(parts)


async def ask(transport: PooledTransport, server: Server) -> tuple[int, bytes]:
    answer = await begin(transport, server)
    return answer.status_code, await read(answer)


async def test_a_request_is_written_once_and_whole() -> None:
    async with serving(OK) as (server, transport):
        await read(await begin(transport, server, b'{"a":1}', {"Idempotency-Key": "k", "Content-Length": "99"}))
    assert server.requests == [
        (
            0,
            b"PUT /api/v1/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nIdempotency-Key: k\r\nContent-Length: 7\r\n\r\n"
            b'{"a":1}' % (server.url.port or 0),
        )
    ]


async def test_a_server_is_named_as_its_address_names_it() -> None:
    for address, host, line in (
        ("https://app.loops.so/api/v1", "app.loops.so", b"Host: app.loops.so"),
        ("http://[::1]:8700/api/v1", "::1", b"Host: [::1]:8700"),
    ):
        transport = PooledTransport(httpx.URL(address))
        assert (transport._host, transport._host_line) == (host, line)


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nX: y", "a\r"])
async def test_a_header_cannot_begin_another(value: str) -> None:
    async with serving(OK) as (server, transport):
        with pytest.raises(httpx.LocalProtocolError):
            await begin(transport, server, headers={"Idempotency-Key": value})
        assert await ask(transport, server) == (200, b"ok")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        (OK, True),
        (CHUNKED, True),
        (EARLY + OK, True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", False),
        (UNTIL_THE_END, False),
        (OK + b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nnone", False),
        (OK + b"x", False),
        (OK + b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", False),
    ],
    ids=[
        "length",
        "chunks",
        "hints before",
        "no body",
        "said so",
        "1.0",
        "no length",
        "an answer behind",
        "bytes behind",
        "a hint behind",
    ],
)
async def test_a_connection_is_used_again_only_where_it_is_clear_what_comes_next(answer: bytes, *, again: bool) -> None:
    async with serving(answer, OK) as (server, transport):
        status, body = await ask(transport, server)
        assert (status, body) == ((204, b"") if b"204" in answer else (200, b"ok"))
        assert await ask(transport, server) == (200, b"ok")
    assert server.connections == [0, 0 if again else 1]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 \xff\r\nX: a\x01b\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n0\r\n\r\n",
    ],
    ids=["no carriage returns", "odd bytes", "a space behind a length"],
)
async def test_an_answer_that_is_written_badly_is_an_answer(answer: bytes) -> None:
    async with serving(answer) as (server, transport):
        assert await ask(transport, server) == (200, b"ok")


async def test_what_comes_unasked_is_no_answer_to_the_next_request() -> None:
    async with serving(OK, OK) as (server, transport):
        await ask(transport, server)
        server.writers[0].write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await server.writers[0].drain()
        await until(transport._spare[0]._transport.is_closing)
        assert await ask(transport, server) == (200, b"ok")
    assert server.connections == [0, 1]


async def test_a_body_that_was_not_read_to_its_end_ends_its_connection() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok", OK) as (server, transport):
        answer = await begin(transport, server)
        stream = answer.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        await stream.aclose()
        await stream.aclose()
        assert await ask(transport, server) == (200, b"ok")
    assert server.connections == [0, 1]


async def test_a_connection_that_was_not_used_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(OK, OK, OK) as (server, transport):
        await ask(transport, server)
        await ask(transport, server)
        later = asyncio.get_running_loop().time() + KEPT_S + 1
        monkeypatch.setattr(transport, "_time", lambda: later)
        await ask(transport, server)
    assert server.connections == [0, 0, 1]


async def test_the_answer_to_a_request_that_was_given_up_is_not_that_to_the_next() -> None:
    async with serving(b"", OK) as (server, transport):
        given_up = asyncio.create_task(begin(transport, server))
        await until(lambda: bool(server.requests))
        given_up.cancel()
        with suppress(asyncio.CancelledError):
            await given_up
        server.writers[0].write(b"HTTP/1.1 500 Late\r\nContent-Length: 0\r\n\r\n")
        assert await ask(transport, server) == (200, b"ok")
        assert transport._places._value == CONNECTIONS
    assert server.connections == [0, 1]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD_MOST + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * HEAD_MOST,
    ],
    ids=["closed", "another protocol", "upgrade", "two lengths", "long header", "endless head"],
)
async def test_what_is_no_answer_is_an_error_and_its_connection_gone(answer: bytes | None) -> None:
    async with serving(answer, OK) as (server, transport):
        with pytest.raises(httpx.RemoteProtocolError):
            await begin(transport, server)
        assert await ask(transport, server) == (200, b"ok")
        assert transport._places._value == CONNECTIONS
    assert server.connections == [0, 1]


async def test_no_more_connections_than_that_are_open_and_who_comes_then_waits() -> None:
    async with serving(*[OK] * (CONNECTIONS + 1)) as (server, transport):
        answers = [await begin(transport, server) for _ in range(CONNECTIONS)]
        waiting = asyncio.create_task(ask(transport, server))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not waiting.done()
        for answer in answers:
            await read(answer)
        assert await waiting == (200, b"ok")
    assert len(server.writers) == CONNECTIONS


async def test_an_address_where_nobody_is_keeps_nobody_from_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = aiohappyeyeballs.start_connection
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        first = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", deaf.getsockname())

        async def with_another(addresses: list[Any], **options: Any) -> socket.socket:
            return await connect([first, *addresses], **options)

        monkeypatch.setattr(aiohappyeyeballs, "start_connection", with_another)
        async with serving(OK) as (server, transport):
            assert await ask(transport, server) == (200, b"ok")


class Wire(asyncio.Transport):
    """Takes what is sent, and knows whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def write(self, data: object) -> None:
        pass

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


@given(
    st.sampled_from([OK, CHUNKED, EARLY + OK, EARLY + CHUNKED, UNTIL_THE_END]),
    st.lists(st.integers(0, 150), max_size=8),
)
def test_an_answer_is_the_same_in_whatever_pieces_it_comes(answer: bytes, cuts: list[int]) -> None:
    async def exchange() -> tuple[int, bytes]:
        connection = Connection()
        connection.connection_made(Wire())
        waiting = asyncio.create_task(connection.exchange(b"..."))
        edges = [0, *sorted({min(cut, len(answer)) for cut in cuts}), len(answer)]
        for start, end in pairwise(edges):
            await asyncio.sleep(0)
            if start < end:
                connection.data_received(answer[start:end])
        connection.connection_lost(None)
        status, headers = await waiting
        assert [name for name, _ in headers] in ([b"Content-Length"], [b"Transfer-Encoding"], [])
        body = b""
        while part := await connection.part():
            body += part
        return status, body

    assert asyncio.run(exchange()) == (200, b"ok")


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_whatever_comes_ends_in_an_answer_or_an_error(pieces: list[bytes]) -> None:
    async def exchange() -> None:
        connection = Connection()
        connection.connection_made(Wire())
        waiting = asyncio.create_task(connection.exchange(b"..."))
        await asyncio.sleep(0)
        for piece in (b"HTTP/1.1 200 OK\r\n", *pieces):
            if not connection._transport.is_closing():
                connection.data_received(piece)
        connection.connection_lost(None)
        async with asyncio.timeout(20):
            with suppress(httpx.RemoteProtocolError):
                await waiting
                while await connection.part():
                    pass
        assert connection._ended or connection._error

    asyncio.run(exchange())
