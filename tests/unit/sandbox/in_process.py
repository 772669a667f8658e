"""The sandbox in the process of a test: behind an httpx client without sockets, and with a clock that stands still."""

import httpx

from segue_sandbox.address import API_PREFIX
from segue_sandbox.clock import SandboxClock
from segue_sandbox.core import Sandbox
from segue_sandbox.request import ApiRequest


class SandboxTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers an httpx client, sync or async, from a `Sandbox`, whatever the host.

    A dropped connection is `httpx.RemoteProtocolError`. A late answer comes at once, unless it is later than the
    client's read timeout: then `httpx.ReadTimeout` does.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Serve a sync client."""
        return self._serve(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Serve an async client."""
        return self._serve(request, await request.aread())

    def _serve(self, request: httpx.Request, body: bytes) -> httpx.Response:
        clock = self.sandbox.clock
        outcome = self.sandbox.handle(
            ApiRequest(
                method=request.method,
                path=request.url.path.removeprefix(API_PREFIX),
                query=request.url.query.decode(),
                headers=dict(request.headers),
                body=body,
                arrival=clock.unix(),
            )
        )
        outcome.entry.ended_at = clock.unix() + outcome.delay
        patience = request.extensions.get("timeout", {}).get("read")
        if patience is not None and outcome.delay > patience:
            raise httpx.ReadTimeout("timed out", request=request)
        if outcome.drop:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
        answer = outcome.answer
        headers = [*outcome.headers, *([("content-type", answer.content_type)] if answer.content_type else [])]
        return httpx.Response(answer.status, headers=headers, content=answer.body, request=request)


class ManualClock(SandboxClock):
    """A clock that stands still but for `tick`. Starts at an arbitrary whole second."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        super().__init__()
        self.time = start

    def unix(self, counter: float | None = None) -> float:
        """The time it was set to, whatever the counter says."""
        del counter
        return self.time

    def tick(self, seconds: float) -> None:
        """Let real time pass: for the rate limit as for data."""
        self.time += seconds
