"""The HTTP client: answers, and what stands for none."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue_sandbox.faults import FaultKind, InjectedFault
from segue_worker.loops import LoopsClient, LoopsConnectionError, LoopsTimeoutError, NoAnswerError
from segue_worker.loops.answer import RETRY_AFTER_LONGEST_S, read_answer
from segue_worker.loops.client import READ_MOST
from segue_worker.loops.transport import tls_context
from tests.sandbox_server import SandboxServer

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = "sandbox-key"
BODY = b'{"email":"a@example.com","userId":"u1"}'


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
async def client(sandbox: SandboxServer) -> AsyncIterator[LoopsClient]:
    async with LoopsClient(sandbox.base_url, KEY, timeout=0.5) as loops:
        yield loops


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("1", 1.0),
        ("0", 0.0),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30.0),
        ("Fri, 02 Jan 2026 03:04:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("NaN", None),
        ("inf", None),
        ("1e9", None),
        ("999999999", 3600.0),
        ("9" * 5000, 3600.0),
        ("Thu, 01 Jan 2099 00:00:00 GMT", 3600.0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 3600.0),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        (f"Fri, 02 Jan {'9' * 5000} 03:04:35 GMT", None),
        ("Fri, 02 Jan 2026 03:04:35 +99999999999", None),
        ("," * 100, None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(header: str, seconds: float | None) -> None:
    assert read_answer(429, httpx.Headers({"Retry-After": header}), b"", now=NOW).retry_after == seconds


def test_an_answer_is_described_on_one_short_line_and_never_by_a_page() -> None:
    assert read_answer(500, httpx.Headers(), b"a\n" * 9000).describe() == f"500 {'a ' * 100}…"
    assert read_answer(500, httpx.Headers(), b"a\n" * 100).describe() == f"500 {'a ' * 100}".strip()
    page = read_answer(502, httpx.Headers({"Content-Type": "text/html; charset=utf-8"}), b"<html>")
    assert page.describe() == "502 (an HTML page)"


@pytest.mark.parametrize(
    ("header", "remaining"),
    [("7", 7), ("many", None), ("9" * 5000, None), ("-1", None), ("NaN", None), ("7, 7", None)],
)
def test_the_rate_header_is_read_and_nonsense_in_it_is_not(header: str, remaining: int | None) -> None:
    assert read_answer(200, httpx.Headers({"x-ratelimit-remaining": header}), b"").remaining == remaining


# What dates and numbers are made of comes up often, so that such headers get deep into their readers.
HEADER = st.text() | st.from_regex(
    r"(Fri, )?\d{1,30} (Jan|Feb|x) -?\d{1,30}( \d{1,12}:\d{1,12}(:\d{1,12})?)?( [+-]\d{1,12})?"
)


@settings(deadline=None)
@given(HEADER, HEADER, HEADER, st.binary())
def test_no_header_or_body_raises(remaining: str, retry_after: str, content_type: str, body: bytes) -> None:
    headers = {"x-ratelimit-remaining": remaining, "retry-after": retry_after, "content-type": content_type}
    answer = read_answer(429, headers, body)
    assert answer.retry_after is None or 0 <= answer.retry_after <= RETRY_AFTER_LONGEST_S
    assert answer.remaining is None or 0 <= answer.remaining < 10**9


async def test_a_request_carries_key_and_idempotency_key(client: LoopsClient) -> None:
    assert (await client.send("PUT", "/contacts/update", BODY)).status == 200
    event = b'{"eventName":"E","userId":"u1","eventProperties":{}}'
    assert (await client.send("POST", "/events/send", event, idempotency_key="k")).status == 200
    assert (await client.send("POST", "/events/send", event, idempotency_key="k")).status == 409
    assert (await client.check_key()).delivered


async def test_an_answer_that_does_not_come_is_a_timeout(client: LoopsClient, sandbox: SandboxServer) -> None:
    sandbox.sandbox.faults.add(InjectedFault(kind="delay", delay_ms=3000))
    with pytest.raises(LoopsTimeoutError):
        await client.send("PUT", "/contacts/update", BODY)


@pytest.mark.parametrize("kind", ["drop_before_apply", "drop_after_apply"])
@pytest.mark.parametrize(("method", "path"), [("PUT", "/contacts/update"), ("POST", "/events/send")])
async def test_a_request_whose_pooled_connection_breaks_is_not_resent_behind_our_back(
    client: LoopsClient, sandbox: SandboxServer, kind: FaultKind, method: str, path: str
) -> None:
    await client.check_key()
    sandbox.sandbox.faults.add(InjectedFault(kind=kind, method=method))
    with pytest.raises(LoopsConnectionError):
        await client.send(method, path, BODY)
    assert len([record for record in sandbox.ledger.records() if record["method"] == method]) == 1


async def test_all_clients_share_one_tls_context(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[ssl.SSLContext]()

    def make(*args: Any, **options: Any) -> ssl.SSLContext:
        made.append(create(*args, **options))
        return made[-1]

    create = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", make)
    tls_context.cache_clear()
    for name in ("a", "b"):
        async with LoopsClient("https://127.0.0.1:1", f"sandbox-{name}"):
            pass
    assert len(made) == 1


async def test_nobody_there_is_a_connection_error() -> None:
    async with LoopsClient("http://127.0.0.1:9", KEY) as client:
        with pytest.raises(LoopsConnectionError):
            await client.check_key()


async def test_no_error_or_repr_holds_the_api_key() -> None:
    async with LoopsClient("http://127.0.0.1:9", "very secret") as client:
        with pytest.raises(LoopsConnectionError) as caught:
            await client.check_key()
        assert "secret" not in f"{caught.value!r}{caught.value}{client!r}{client._transport!r}"


async def test_a_compressed_answer_is_read_all_the_same() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        text = f'{{"message":"{request.method} {request.url.path} {request.content.decode()}"}}'
        return httpx.Response(400, headers={"Content-Encoding": "gzip"}, content=gzip.compress(text.encode()))

    async with LoopsClient("http://loops.example.com/api/v1", KEY, transport=httpx.MockTransport(answer)) as client:
        refused = await client.send("PUT", "/contacts/update", b"{}")
    assert (refused.status, refused.text) == (400, '{"message":"PUT /api/v1/contacts/update {}"}')


Serve = Callable[..., AbstractAsyncContextManager[tuple[str, list[int]]]]


@pytest.fixture
def serve() -> Serve:
    """A server that answers every request with given bytes, the last of them over and over where it is told to."""

    @asynccontextmanager
    async def serving(head: bytes, part: bytes = b"", *, times: int = 0) -> AsyncIterator[tuple[str, list[int]]]:
        sent: list[int] = []
        ended = asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            sent.append(0)
            try:
                while await reader.readuntil(b"\r\n\r\n"):
                    writer.write(head)
                    for _ in range(times):
                        writer.write(part)
                        await writer.drain()
                        sent[-1] += len(part)
            except (ConnectionError, asyncio.IncompleteReadError):
                ended.set()
            finally:
                writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", sent
            async with asyncio.timeout(30):
                await ended.wait()
        finally:
            server.close()

    return serving


MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"HTTP/1.1 400 no\r\nContent-Length: 419430400\r\n\r\n", b"x" * MEGABYTE),
        (b"HTTP/1.1 400 no\r\nTransfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + b"x" * MEGABYTE + b"\r\n"),
        (b"HTTP/1.1 400 no\r\nConnection: close\r\n\r\n", b"x" * MEGABYTE),
    ],
    ids=["with a length", "chunked", "until the end"],
)
async def test_a_large_answer_is_not_read_to_its_end(serve: Serve, head: bytes, part: bytes) -> None:
    async with serve(head, part, times=400) as (url, sent), LoopsClient(url, KEY, timeout=30.0) as client:
        answer = await client.send("PUT", "/contacts/update", b"")
        assert (answer.status, answer.text) == (400, "x" * 1000)
        with suppress(LoopsConnectionError):
            await client.send("PUT", "/contacts/update", b"")
    assert len(sent) == 2, "a connection with the rest of an answer on it is not used again"
    # What the sockets hold, at most.
    assert max(sent) < 40 * MEGABYTE


async def test_a_compressed_answer_is_not_unpacked_to_its_end() -> None:
    bomb = gzip.compress(b"x" * (50 * MEGABYTE))
    read: list[bytes] = []

    class Slowly(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for start in range(0, len(bomb), 1024):
                read.append(bomb[start : start + 1024])
                yield read[-1]

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(400, headers={"Content-Encoding": "gzip"}, stream=Slowly())

    async with LoopsClient("http://loops.example.com/api/v1", KEY, transport=httpx.MockTransport(answer)) as client:
        refused = await client.send("PUT", "/contacts/update", b"{}")
    assert (refused.status, refused.text) == (400, "x" * 1000)
    assert sum(map(len, read)) <= READ_MOST + 1024


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "gzip, gzip", "\x01"])
async def test_a_body_that_cannot_be_unpacked_is_empty(encoding: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        stream = httpx.ByteStream(b"no such thing")
        return httpx.Response(503, headers={"Content-Encoding": encoding}, stream=stream)

    async with LoopsClient("http://loops.example.com/api/v1", KEY, transport=httpx.MockTransport(answer)) as client:
        failed = await client.send("PUT", "/contacts/update", b"{}")
    assert (failed.status, failed.text) == (503, "")


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 100\r\n\r\n{",
        b"Content-Length: 9\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nno length\r\n",
    ],
    ids=["broken off", "never sent", "broken"],
)
async def test_the_status_counts_whatever_becomes_of_the_body(serve: Serve, rest: bytes) -> None:
    head = b"HTTP/1.1 200 \xff\xfe\x80 fine\r\nX-RateLimit-Remaining: " + b"9" * 5000 + b"\r\n" + rest
    async with serve(head) as (url, _), LoopsClient(url, KEY, timeout=0.5) as client:
        answer = await client.send("PUT", "/contacts/update", b"")
        assert answer.delivered
        assert answer.remaining is None


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 \xff OK\r\n\r\n",
        b"\x16\x03\x01",
    ],
)
async def test_what_is_no_answer_at_all_counts_as_none(serve: Serve, answer: bytes) -> None:
    async with serve(answer) as (url, _), LoopsClient(url, KEY, timeout=0.5) as client:
        with pytest.raises(NoAnswerError):
            await client.send("PUT", "/contacts/update", b"")


async def test_a_key_that_an_answer_quotes_is_not_in_it_even_where_the_text_is_cut() -> None:
    key = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            403, text="x" * int(request.headers["Idempotency-Key"]) + request.headers["Authorization"]
        )

    transport = httpx.MockTransport(answer)
    async with LoopsClient("http://loops.example.com/api/v1", key, transport=transport) as client:
        for before in (0, 960, 975, 985, 1960, 1980, 1990):
            refused = await client.send("POST", "/events/send", b"{}", idempotency_key=str(before))
            assert len(refused.text) <= 1000
            assert not any(key[start : start + 8] in refused.text for start in range(len(key) - 7)), before
