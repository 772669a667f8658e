"""Turns the bytes of a body into the JSON object that it holds, within limits."""

import json
import re
import zlib
from http import HTTPStatus
from typing import Any, Final

from pydantic_core import from_json

from segue_producer.values import read_integer
from segue_tracking_api.answers import RequestRefused

_GZIP: Final = 16 + zlib.MAX_WBITS
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_READ_DEEPEST: Final = 500
"""No event may be nested so deep, and Python's reader gives up soon behind it."""
_BRACKETS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z)|[][{}]', re.DOTALL)
"""Finds brackets, and the texts in which they do not count; a text without an end goes to the end, so that all is read once."""
_OPENING, _CLOSING = (b"[", b"{"), (b"]", b"}")


def too_large(limit: int) -> RequestRefused:
    """Return the refusal of a body that is larger than the limit."""
    message = f"the body is larger than {limit} bytes; send fewer events at once"
    return RequestRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "payload_too_large", message)


def decode(body: bytes | bytearray, encoding: str, *, limit: int) -> bytes | bytearray:
    """Return the body with its Content-Encoding removed.

    Args:
        body: the bytes that were sent.
        encoding: value of the header Content-Encoding; gzip, or empty.
        limit: how many bytes may come out; decompression stops there.

    Raises:
        RequestRefused: the body is too large, broken, or has another encoding.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return body
    if name not in {"gzip", "x-gzip"}:
        message = "Content-Encoding must be gzip, or left out"
        raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", message)
    inflater = zlib.decompressobj(_GZIP)
    try:
        inflated = inflater.decompress(body, limit + 1)
    except zlib.error:
        inflated = b""
    if len(inflated) > limit:
        raise too_large(limit)
    if not inflater.eof:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "invalid_gzip", "the body is not valid gzip")
    return inflated


def parse(body: bytes | bytearray) -> dict[str, Any]:
    """Return the object that a body holds, whatever its Content-Type says.

    Integers keep all their digits, since they may be ids. NaN and infinities are accepted, because old Python clients write
    them; in the outbox they become null.

    Raises:
        RequestRefused: the body is not a JSON object in UTF-8.
    """
    text = bytes(body).removeprefix(_BYTE_ORDER_MARK)
    try:
        value = from_json(text)
    except ValueError:
        value = _parse_leniently(text)
    if not isinstance(value, dict):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "invalid_json", "the body must be a JSON object")
    return value


def _parse_leniently(text: bytes) -> Any:
    """Read JSON that one bad event would spoil for the whole batch: half a surrogate pair, deep nesting, endless digits."""
    try:
        try:
            return _read(text)
        except RecursionError:
            return _read(_cut_off(text))
    except ValueError:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "invalid_json", "the body is not valid JSON in UTF-8") from None


def _read(text: bytes) -> Any:
    return json.loads(text.decode(), parse_int=read_integer)


def _cut_off(text: bytes) -> bytes:
    """The text with null in the place of what is nested deeper than can be read; its event is refused all the same.

    Raises:
        ValueError: it is no JSON.
    """
    depth = start = 0
    kept = []
    for token in _BRACKETS.finditer(text):
        if token[0] in _OPENING:
            depth += 1
            if depth == _READ_DEEPEST + 1:
                kept.append(text[start : token.start()])
        elif token[0] in _CLOSING:
            if depth == _READ_DEEPEST + 1:
                kept.append(b"null")
                start = token.end()
            depth -= 1
    if depth:
        raise ValueError("a bracket is missing")
    return b"".join((*kept, text[start:]))
