"""HTTP answers of the sandbox: the class, and the answers that several endpoints give."""

import json
from email.utils import formatdate
from typing import NamedTuple

from segue_producer.errors import SegueError
from segue_sandbox.switches import Switches

JSON_TYPE = "application/json"
HTML_TYPE = "text/html; charset=utf-8"
TEXT_TYPE = "text/plain; charset=utf-8"

# One encoder for all: json.dumps would build a new one per call for the separators.
_encode = json.JSONEncoder(separators=(",", ":")).encode

Headers = tuple[tuple[str, str], ...]


class HttpAnswer(NamedTuple):
    """One HTTP answer.

    Attributes:
        applied: the request changed what the team stores.
        contact_id: the contact the request was about, where one was found or made.
    """

    status: int
    body: bytes = b""
    content_type: str | None = JSON_TYPE
    headers: Headers = ()
    applied: bool = False
    contact_id: str | None = None


class ApiRefusal(SegueError):
    """A rule refuses the request; the message is the one Loops answers with."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def json_answer(
    value: object, *, status: int = 200, applied: bool = False, contact_id: str | None = None
) -> HttpAnswer:
    """`value` as a JSON answer, in ASCII, so that any text that a client sent can be returned."""
    return HttpAnswer(status, _encode(value).encode(), applied=applied, contact_id=contact_id)


def error_answer(status: int, message: str, switches: Switches) -> HttpAnswer:
    """An error in the common envelope."""
    body = {"success": False, "message": message}
    if switches.legacy_error_keys:
        body["error"] = message
    return json_answer(body, status=status)


def unauthorized() -> HttpAnswer:
    """401 for a missing, malformed, unknown or revoked key. The old `error` key is part of what was observed."""
    text = "Invalid API key"
    return json_answer({"success": False, "message": text, "error": text}, status=401)


def html_answer(status: int, title: str) -> HttpAnswer:
    """A page as a proxy or web framework in front of the API writes it."""
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return HttpAnswer(status, page.encode(), HTML_TYPE)


def too_many_requests(switches: Switches, now: float) -> HttpAnswer:
    """429 with the body and the Retry-After of the switches. `now` in unix seconds."""
    headers = retry_after_header(switches, now)
    if switches.body_429 == "json":
        limited = error_answer(429, "Rate limit exceeded", switches)
        return HttpAnswer(429, limited.body, limited.content_type, headers)
    if switches.body_429 == "text":
        return HttpAnswer(429, b"Too Many Requests", TEXT_TYPE, headers)
    return HttpAnswer(429, b"", None, headers)


def retry_after_header(switches: Switches, now: float) -> Headers:
    """The Retry-After header of a 429: none, whole seconds, or an HTTP date one second ahead."""
    if switches.retry_after_429 == "seconds":
        return (("retry-after", "1"),)
    if switches.retry_after_429 == "date":
        # An HTTP date has whole seconds: two ahead of the truncated present is at least one real second.
        return (("retry-after", formatdate(int(now) + 2, usegmt=True)),)
    return ()
