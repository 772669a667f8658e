"""The dashboard's routes, with the checks of session, form and size that come before every page."""

from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs, quote

from redis import RedisError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from segue_producer.clients import why_refused
from segue_worker.dashboard.context import Dashboard, PageRequest
from segue_worker.dashboard.pages import SEE_OTHER, STATIC, problem
from segue_worker.dashboard.security import SecurityHeaders, from_own_page
from segue_worker.dashboard.sessions import COOKIE, Session, Sessions
from segue_worker.dashboard.views import (
    dead,
    events,
    health,
    lookup,
    mappings,
    overview,
    pauses,
    retries,
    schema,
    session,
)

View = Callable[[PageRequest], Response]
LONGEST_FORM: Final = 1024 * 1024
"""Bytes: room for an event of the largest size, encoded for a form."""
_MOST_FIELDS: Final = 2000


def create_app(dashboard: Dashboard) -> Starlette:
    """The dashboard as an ASGI application."""
    routes = [
        _page("/", overview.overview),
        _page("/numbers/{destination}", overview.numbers),
        _page("/series/{destination}", overview.series),
        _page("/events", events.events),
        _page("/retries", retries.retries),
        _page("/retries/now", retries.now, method="POST"),
        _page("/retries/{destination}/{handle}", retries.show),
        _page("/retries/{destination}/{handle}", retries.show, method="POST"),
        _page("/dead", dead.letters),
        _page("/dead/confirm", dead.confirm, method="POST"),
        _page("/dead/start", dead.start, method="POST"),
        _page("/jobs/{job}", dead.job),
        _page("/dead/{destination}/{letter}", dead.show),
        _page("/dead/{destination}/{letter}", dead.show, method="POST"),
        _page("/mappings", mappings.mappings),
        _page("/mappings/preview", mappings.preview_event, method="POST"),
        _page("/mappings/{destination}", mappings.show),
        _page("/schema", schema.schema),
        _page("/lookup", lookup.ask),
        _page("/lookup", lookup.answer, method="POST"),
        _page("/pause/{destination}", pauses.ask),
        _page("/pause/{destination}", pauses.pause, method="POST"),
        _page("/resume/{destination}", pauses.resume, method="POST"),
        _page("/sign-in", session.ask, public=True),
        _page("/sign-in", session.sign_in, public=True, method="POST"),
        _page("/sign-out", session.sign_out, method="POST"),
        _page("/healthz", health.healthz, public=True),
        _page("/metrics", health.metrics, public=True),
        Mount("/static", StaticFiles(directory=str(STATIC))),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={RedisError: _no_redis, HTTPException: _http_problem},
    )
    app.state.dashboard = dashboard
    return app


def _page(path: str, view: View, *, public: bool = False, method: str = "GET") -> Route:
    async def endpoint(request: Request) -> Response:
        call = await _call(request)
        if request.method == "POST" and (refused := _why_refused(call)):
            return problem(call, 403, "Not accepted", refused)
        if not public and not call.session.signed_in:
            return RedirectResponse(f"/sign-in?next={quote(_return_to(request), safe='')}", SEE_OTHER)
        # Views talk to Redis through its blocking client.
        return await run_in_threadpool(view, call)

    return Route(path, endpoint, methods=[method])


async def _call(request: Request) -> PageRequest:
    dashboard: Dashboard = request.app.state.dashboard
    form: dict[str, list[str]] = {}
    if request.method == "POST":
        body = await _body(request)
        try:
            form = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise HTTPException(400, "The form cannot be read; send it again.") from None
    return PageRequest(dashboard, request, _session(request), form)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            raise HTTPException(413, "The form is larger than 1 MiB; send less at once.")
    return bytes(body)


def _why_refused(call: PageRequest) -> str:
    """Why a form is not accepted; "" where it is."""
    if not from_own_page(call.request, call.dashboard.public_origin):
        return (
            "The form does not come from this dashboard. If a proxy stands before it that changes the header Host, "
            "start the dashboard with --public-url and the address that people see."
        )
    if not call.dashboard.sessions.is_csrf_token(call.session, call.field("csrf")):
        return "The form is too old, or does not come from this dashboard. Go back, load the page again, and retry."
    return ""


def _return_to(request: Request) -> str:
    """Where to go after signing in: the page that was asked for, if it can be asked for again by GET."""
    if request.method != "GET" or request.url.path.startswith("/series/"):
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


async def _no_redis(request: Request, error: Exception) -> Response:
    call = PageRequest(request.app.state.dashboard, request, _session(request))
    if why := why_refused(error):
        return problem(call, 503, "Redis refuses", f"Redis refuses ({type(error).__name__}): {why}.")
    text = f"Redis did not answer ({type(error).__name__}). Check that it runs, then load this page again."
    return problem(call, 503, "Redis does not answer", text)


async def _http_problem(request: Request, error: Exception) -> Response:
    call = PageRequest(request.app.state.dashboard, request, _session(request))
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else ""
    if status == 404:  # noqa: PLR2004 - HTTP's own number
        detail = "There is no such page, or what it showed no longer exists."
    return problem(call, status, "Not found" if status == 404 else "Not possible", detail)  # noqa: PLR2004 - same


def _session(request: Request) -> Session:
    sessions: Sessions = request.app.state.dashboard.sessions
    return sessions.read(request.cookies.get(COOKIE)) or sessions.begin(signed_in=False)
