"""The HTTP client: answers, and what stands for none."""

import gzip
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import httpx
import pytest

from segue_sandbox.faults import FaultKind, InjectedFault
from segue_sandbox.server import SandboxServer
from segue_worker.loops import LoopsClient, LoopsConnectionError, LoopsTimeoutError
from segue_worker.loops.answer import read_answer

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
    ],
)
def test_retry_after_in_seconds_or_as_a_date(header: str, seconds: float | None) -> None:
    assert read_answer(429, httpx.Headers({"Retry-After": header}), b"", now=NOW).retry_after == seconds


def test_an_answer_is_described_on_one_short_line_and_never_by_a_page() -> None:
    assert read_answer(500, httpx.Headers(), b"a\n" * 9000).describe() == f"500 {'a ' * 100}".strip()
    page = read_answer(502, httpx.Headers({"Content-Type": "text/html; charset=utf-8"}), b"<html>")
    assert page.describe() == "502 (an HTML page)"


def test_the_rate_headers_are_read_and_nonsense_in_them_is_not() -> None:
    assert read_answer(200, httpx.Headers({"x-ratelimit-remaining": "7"}), b"").remaining == 7
    assert read_answer(200, httpx.Headers({"x-ratelimit-remaining": "many"}), b"").remaining is None


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
