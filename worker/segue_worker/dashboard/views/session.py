"""Signing in and out."""

import math
from dataclasses import replace

from starlette.responses import Response

from segue_worker.dashboard.context import PageRequest
from segue_worker.dashboard.pages import go_to, keep_session, render
from segue_worker.dashboard.sessions import COOKIE


def ask(call: PageRequest) -> Response:
    """The form that asks for the token."""
    if call.session.signed_in:
        return go_to("/")
    return _form(call, next_page=call.query("next"))


def sign_in(call: PageRequest) -> Response:
    """Check the token. Whoever fails often has to wait."""
    dashboard = call.dashboard
    address = call.request.client.host if call.request.client else ""
    wait_s = dashboard.throttle.wait_s(address)
    if wait_s:
        seconds = math.ceil(wait_s)
        response = _form(call, status=429, wrong=f"Too many attempts. Try again in {seconds} s.")
        response.headers["retry-after"] = str(seconds)
        return response
    if not dashboard.sessions.is_token(call.field("token")):
        dashboard.throttle.failed(address)
        return _form(call, status=403, wrong="That is not the token.")
    dashboard.sessions.end(call.session)
    response = go_to(_own_path(call.field("next")))
    # A new session, so that a cookie that somebody else planted before is of no use to them.
    keep_session(replace(call, session=dashboard.sessions.begin(signed_in=True)), response)
    return response


def sign_out(call: PageRequest) -> Response:
    """End the session."""
    call.dashboard.sessions.end(call.session)
    response = go_to("/sign-in")
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=call.encrypted)
    return response


def _form(call: PageRequest, *, status: int = 200, wrong: str = "", next_page: str = "") -> Response:
    next_page = next_page or call.field("next")
    return render(call, "sign_in.html", status=status, title="Sign in", wrong=wrong, next_page=next_page)


def _own_path(path: str) -> str:
    """The path if it is one of this server, else its first page."""
    own = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if own else "/"
