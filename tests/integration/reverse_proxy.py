"""A reverse proxy in a thread: ends TLS, asks the server behind it under another host, and says for whom."""

import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segue_producer.serving import ReadyServer, bind
from tests import needs

_START_TIMEOUT_S: Final = 30.0
_OF_A_CONNECTION: Final = {"connection", "transfer-encoding", "content-length", "content-encoding", "host"}


class ReverseProxy:
    """As a context manager.

    Args:
        target: URL of the server behind it.
        directory: for a certificate of its own.
        host: the `Host` that the server is asked under.
        says: whether it says with `X-Forwarded-For` and `X-Forwarded-Proto` for whom it asks.
    """

    def __init__(self, target: str, directory: Path, *, host: str = "inner.test", says: bool = True) -> None:
        self._target, self._host, self._says = target, host, says
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
        names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
        command = [needs.OPENSSL, "req", "-x509", *key, "-keyout", "proxy.key", "-out", "proxy.pem", *names]
        subprocess.run(command, cwd=directory, check=True, capture_output=True)
        self._listener = bind("127.0.0.1", 0)
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        config = uvicorn.Config(
            Starlette(routes=[Route("/{path:path}", self._forward, methods=["GET", "POST"])]),
            log_level="error",
            ssl_certfile=directory / "proxy.pem",
            ssl_keyfile=directory / "proxy.key",
            proxy_headers=False,
        )
        ready = threading.Event()
        self._ready = ready
        self._server = ReadyServer(config, ready.set)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), daemon=True)

    async def _forward(self, request: Request) -> Response:
        headers = [(name, value) for name, value in request.headers.items() if name not in _OF_A_CONNECTION]
        if self._says:
            # As nginx does with $proxy_add_x_forwarded_for: what the client claims stays in front.
            said = [value for name, value in headers if name == "x-forwarded-for"]
            headers = [each for each in headers if each[0] != "x-forwarded-for"]
            client = request.headers.get("x-test-client", "127.0.0.1")
            headers += [("x-forwarded-for", ", ".join([*said, client])), ("x-forwarded-proto", "https")]
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        async with httpx.AsyncClient(base_url=self._target) as client_of_it:
            answer = await client_of_it.request(
                request.method, path, headers=[*headers, ("host", self._host)], content=await request.body()
            )
        response = Response(answer.content, answer.status_code)
        for name, value in answer.headers.multi_items():
            if name not in _OF_A_CONNECTION:
                response.headers.append(name, value)
        return response

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(_START_TIMEOUT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(_START_TIMEOUT_S)
        self._listener.close()
