"""Requests to Loops over TLS: only to a server that proves its name, and many over one connection."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from segue_worker.loops import LoopsClient, LoopsConnectionError, LoopsTimeoutError, transport
from tests import needs

pytestmark = needs.openssl
BODY = b'{"userId":"u1"}'


class Served:
    """A server over TLS, with how many connections it has had, and the requests."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while not reader.at_eof():
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            self.requests.append(head + await reader.readexactly(len(BODY)))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()


@asynccontextmanager
async def serving(certificates: Path) -> AsyncIterator[Served]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    served = Served()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=context)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        await asyncio.sleep(0)


@pytest.fixture
def trusting(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The certificates, whose authority clients trust."""
    context = ssl.create_default_context(cafile=certificates / "ca.pem")
    monkeypatch.setattr(transport, "tls_context", lambda: context)
    return certificates


def test_many_requests_go_over_one_connection(trusting: Path) -> None:
    async def go() -> None:
        async with serving(trusting) as served:
            async with LoopsClient(f"https://localhost:{served.port}/api/v1", "key") as client:
                for _ in range(3):
                    assert (await client.send("PUT", "/contacts/update", BODY)).delivered
            assert (served.connections, len(served.requests)) == (1, 3)
            assert f"Host: localhost:{served.port}\r\n".encode() in served.requests[0]

    uvloop.run(go())


@pytest.mark.parametrize(
    ("host", "trusted"), [("127.0.0.1", True), ("localhost", False)], ids=["another name", "nobody vouches"]
)
def test_a_server_that_does_not_prove_who_it_is_gets_nothing(
    host: str, *, trusted: bool, certificates: Path, request: pytest.FixtureRequest
) -> None:
    if trusted:
        request.getfixturevalue("trusting")

    async def go() -> None:
        async with serving(certificates) as served:
            async with LoopsClient(f"https://{host}:{served.port}/api/v1", "key") as client:
                with pytest.raises(LoopsConnectionError):
                    await client.send("PUT", "/contacts/update", BODY)
            assert not served.requests

    uvloop.run(go())


def test_a_handshake_that_nobody_answers_is_no_answer_in_time() -> None:
    async def go() -> None:
        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with LoopsClient(f"https://localhost:{port}/api/v1", "key", timeout=0.3) as client:
            with pytest.raises(LoopsTimeoutError):
                await client.send("PUT", "/contacts/update", BODY)
        server.close()
        await asyncio.sleep(0)

    uvloop.run(go())
