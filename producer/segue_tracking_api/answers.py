"""The answers of the Tracking API.

Success is always 200, because older Python clients send again after 202 or 204. Every error has `code` and `message`,
because the same clients send again if one of them is missing, even after a 400
(docs/segment.md#sdks-and-the-tracking-api).
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic_core import to_json
from starlette.responses import Response

from segue_producer.errors import SegueError

JSON: Final = "application/json"
SUCCESS: Final = b'{"success":true}'


class RequestRefused(SegueError):
    """A request is refused as a whole.

    Attributes:
        status: HTTP status of the answer.
        code: one word that tells programs what is wrong.
        retry_after: seconds after which to try again; None where that would not help.
    """

    def __init__(self, status: HTTPStatus, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after


def error_body(code: str, message: str) -> bytes:
    """Return the JSON of an error."""
    return to_json({"success": False, "code": code, "message": message})


def error_response(
    status: int, code: str, message: str, *, retry_after: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error as a response; `headers` are added to its own ones."""
    own = {"Retry-After": str(retry_after)} if retry_after else {}
    return Response(error_body(code, message), status, {**(headers or {}), **own}, JSON)


def refusal_response(refused: RequestRefused) -> Response:
    """Return the response to a refused request."""
    return error_response(refused.status, refused.code, str(refused), retry_after=refused.retry_after)


def success_response(details: Mapping[str, Any] | None = None) -> Response:
    """Return 200 with `{"success": true}`, and with details if there are any."""
    return Response(to_json({"success": True, **details}) if details else SUCCESS, media_type=JSON)
