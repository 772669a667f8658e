"""The sandbox as an ASGI application: `/api/v1` is served here, with little overhead, and `/_sandbox` by `control`."""

import asyncio
from functools import lru_cache
from typing import Any

from starlette.types import Receive, Scope, Send

from segue_sandbox.address import API_PREFIX
from segue_sandbox.control import control_app
from segue_sandbox.core import Handled, Sandbox
from segue_sandbox.protocol import CONNECTION, WitnessProtocol
from segue_sandbox.request import ApiRequest


class SandboxApp:
    """Serves one `Sandbox`. Needs `WitnessProtocol`, without which no connection can be dropped."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._control = control_app(sandbox)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI has it."""
        if scope["type"] != "http":
            return
        connection: WitnessProtocol = scope["state"][CONNECTION]
        try:
            if scope["path"].startswith(API_PREFIX):
                await self._serve_api(scope, receive, send, connection)
            else:
                await self._control(scope, receive, send)
        except asyncio.CancelledError:
            # The server stops: whoever still waits for a late answer sees the connection close.
            await _hang_up(connection, receive)

    async def _serve_api(self, scope: Scope, receive: Receive, send: Send, connection: WitnessProtocol) -> None:
        clock = self.sandbox.clock
        arrival = clock.unix(connection.arrived_at)
        body = await _read_body(receive, self.sandbox.switches.max_body_bytes + 1)
        if body is None:
            return
        outcome = self.sandbox.handle(_request(scope, body, arrival))
        gave_up = bool(outcome.delay) and await _leaves_within(arrival + outcome.delay - clock.unix(), receive)
        outcome.entry.ended_at = clock.unix()
        if outcome.drop:
            await _hang_up(connection, receive)
        elif not gave_up:
            await _answer(outcome, send)


@lru_cache(maxsize=4096)
def _text(raw: bytes) -> str:
    """A header's name or value. Most are the same in every request; cached, the ledger holds them once."""
    return raw.decode("latin-1")


def _request(scope: Scope, body: bytes, arrival: float) -> ApiRequest:
    return ApiRequest(
        method=scope["method"],
        path=scope["path"].removeprefix(API_PREFIX),
        query=scope["query_string"].decode("latin-1"),
        headers={_text(name): _text(value) for name, value in scope["headers"]},
        body=body,
        arrival=arrival,
    )


async def _read_body(receive: Receive, keep: int) -> bytes | None:
    """The first `keep` bytes of the body; the rest is read and thrown away. None if the client left meanwhile."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part: bytes = message["body"]
        body += part[: max(keep - len(body), 0)]
        if not message.get("more_body", False):
            return body


async def _answer(outcome: Handled, send: Send) -> None:
    answer = outcome.answer
    headers: list[tuple[bytes, bytes]] = [(b"content-length", b"%d" % len(answer.body))]
    if answer.content_type is not None:
        headers.append((b"content-type", answer.content_type.encode()))
    headers += [(name.encode(), value.encode()) for name, value in outcome.headers]
    start: dict[str, Any] = {"type": "http.response.start", "status": answer.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": answer.body})


async def _leaves_within(seconds: float, receive: Receive) -> bool:
    """Wait for `seconds`, or until the client closes the connection. Returns whether it did."""
    try:
        async with asyncio.timeout(seconds):
            await _disconnected(receive)
    except TimeoutError:
        return False
    return True


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _hang_up(connection: WitnessProtocol, receive: Receive) -> None:
    connection.hang_up()
    # uvicorn answers 500 if the application returns without an answer, so wait until the connection is closed.
    await _disconnected(receive)
