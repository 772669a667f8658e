"""The ASGI application: its paths, and what each of them does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from redis import asyncio as redis
from redis import exceptions
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from segue_producer.clients import async_redis_client
from segue_producer.clients import redis_url as effective_redis_url
from segue_producer.lanes import Lane
from segue_tracking_api.answers import error_response
from segue_tracking_api.counters import Counters
from segue_tracking_api.limits import Limits
from segue_tracking_api.openapi import BATCH_PATHS, CALL_PATHS, docs_page, openapi_description
from segue_tracking_api.origins import Origins
from segue_tracking_api.request_handler import UNAVAILABLE_RETRY_S, RequestHandler
from segue_tracking_api.write_keys import WriteKeys

log = logging.getLogger(__name__)

_REDIS_TIMEOUT_S: Final = 2.0
_PREFLIGHT_KEPT_S: Final = 600


def create_app(  # noqa: PLR0913 - what a server of it is told, once
    sources: Mapping[str, Sequence[str]],
    *,
    public: Collection[str] = (),
    lanes: Mapping[str, Lane] = MappingProxyType({}),
    redis_url: str | None = None,
    broker_url: str | None = None,
    limits: Limits | None = None,
    cors_origins: Sequence[str] = (),
) -> ASGIApp:
    """Make the Tracking API as an ASGI application.

    Args:
        sources: for each write key, the names of the destinations that its events go to.
        public: the write keys that stand in web pages, where everybody can read them.
        lanes: write key → lane in which its events wait; `live` where left out.
        redis_url: URL of the Redis that holds the outbox; `SEGUE_REDIS_URL` when left out.
        broker_url: URL of the Celery broker for hints; when left out, `SEGUE_BROKER_URL` or the same Redis.
        limits: limits of a request and of the process.
        cors_origins: web origins whose pages may send events, or `*` for all. By default no other origin may.
    """
    limits = limits or Limits()
    client = async_redis_client(effective_redis_url(redis_url), timeout=_REDIS_TIMEOUT_S)
    counters = Counters(client)
    handler = RequestHandler(
        *(WriteKeys(sources, lanes, public), limits, counters, client),
        origins=Origins(cors_origins),
        redis_url=redis_url,
        broker_url=broker_url,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        flushing = asyncio.create_task(counters.run())
        yield
        flushing.cancel()
        with suppress(asyncio.CancelledError):
            await flushing
        await counters.flush()
        await handler.close()
        await client.aclose()

    app = Starlette(
        routes=[*_event_routes(handler), *_other_routes(client, limits)],
        middleware=[_cors(cors_origins)] if cors_origins else [],
        exception_handlers={HTTPException: _http_error},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return _Edge(app)


class _Edge:
    """Wraps the application: ignores a slash at the end of a path, and never answers a fault with a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path.endswith("/"):
            scope = {**scope, "path": path.rstrip("/")}
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - the last resort; its text could quote what a client sent
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
            log.error("a request failed with %s at %s", type(error).__name__, place)  # noqa: TRY400 - see above


def _event_routes(handler: RequestHandler) -> list[BaseRoute]:
    routes = [Route(path, handler.take_batch, methods=["POST"]) for path in BATCH_PATHS]
    calls = [
        Route(path, partial(handler.take_call, call=call), methods=["POST"], name=path)
        for path, call in CALL_PATHS.items()
    ]
    return [*routes, *calls]


def _other_routes(client: redis.Redis, limits: Limits) -> list[BaseRoute]:
    description = openapi_description(limits)
    html = docs_page(description)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        try:
            await client.ping()
        except (exceptions.RedisError, OSError):
            return error_response(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "outbox_unavailable",
                "Redis does not answer",
                retry_after=UNAVAILABLE_RETRY_S,
            )
        return JSONResponse({"status": "ok"})

    async def openapi(_: Request) -> Response:
        return JSONResponse(description)

    async def docs(_: Request) -> Response:
        return HTMLResponse(html)

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/openapi.json", openapi),
        Route("/docs", docs),
    ]


def _cors(origins: Sequence[str]) -> Middleware:
    # All headers are allowed: SDKs send Authorization, Content-Type, X-Retry-Count, AnonymousId, SentAt and Rsa-*.
    return Middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["POST"],
        allow_headers=["*"],
        expose_headers=["Retry-After"],
        max_age=_PREFLIGHT_KEPT_S,
    )


async def _http_error(_: Request, error: Exception) -> Response:
    """Give 404 and 405 the form of all other errors."""
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    code = status.phrase.lower().replace(" ", "_")
    return error_response(status, code, f"{status.phrase}: see /docs for the paths", headers=error.headers)
