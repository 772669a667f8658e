"""Security headers for every answer, and the check that a form came from one of our own pages."""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Final = {
    # Nothing from elsewhere and nothing inline; styles that scripts set on elements are not "inline".
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: browsers would then say `Origin: null` with each form.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class SecurityHeaders:
    """ASGI middleware that adds the headers, and forbids caches to store anything but the static files."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                static = scope["path"].startswith("/static/")
                headers["cache-control"] = "max-age=3600" if static else "no-store"
            await send(message)

        await self._app(scope, receive, send_with_headers)


def from_own_page(request: Request, public_origin: str) -> bool:
    """Whether a form comes from a page of this server.

    Browsers say so themselves, unless a page came unencrypted from another machine. Otherwise `Origin` names this server, or
    where there is none, `Referer` does: as the public origin, or as the host that was asked for, which a proxy may rewrite.
    """
    if request.headers.get("sec-fetch-site") == "same-origin":
        return True
    try:
        said = urlsplit(request.headers.get("origin") or request.headers.get("referer") or "")
    except ValueError:
        return False
    host = said.netloc
    return bool(host) and (host == request.headers.get("host") or f"{said.scheme}://{host}" == public_origin)
