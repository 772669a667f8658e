"""Limits that uvicorn does not have, for clients that send too slowly, too much, or something that is not HTTP."""

import asyncio
from http import HTTPStatus
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from segue_tracking_api.answers import error_body
from segue_tracking_api.arrivals import Arrivals
from segue_tracking_api.limits import DISCARDED_BYTES, Limits


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with limits on how long a request may take to arrive and on how large it may be.

    The time begins with the connection or the first byte of a request, and ends with the last byte of the request.
    """

    limits: Limits = Limits()
    arrivals: Arrivals = Arrivals(limits)
    """Of the server whose connections these are."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(config, server_state, app_state, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._received = 0
        self._in_head = True
        self._is_offer = False
        self.address = ""
        self.held_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time for the first request."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadline."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass data to the parser, and refuse the request once it is too large."""
        if self._deadline is None:
            self._start_clock()
        self._received += len(data)
        self._parse(data)
        if self.transport.is_closing():
            return
        if self._deadline is not None and self._received <= self.limits.batch_bytes:
            self.arrivals.hold(self, len(data))
        if self._received > DISCARDED_BYTES + self.limits.head_bytes:
            self.transport.abort()
        elif self._in_head and self._received > self.limits.head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", "the headers are too large")

    def _parse(self, data: bytes) -> None:
        """Do what uvicorn does with data, but leave offers of another protocol, as Java's HTTP client makes them, unanswered.

        httptools takes the body of a request with an offer for the other protocol, so the request begins again without it.
        """
        self._unset_keepalive_if_required()
        while True:
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as begins:
                if self._is_offer:
                    data = self._head_without_offer() + data[begins.args[0] :]
                    self.parser = HttpRequestParser(self)
                    self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                    continue
                self.send_400_response("this is no proxy")
            except HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
            return

    def _head_without_offer(self) -> bytes:
        self._is_offer = False
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        self._in_head = True
        if self._deadline is None:
            self._start_clock()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that the headers of a request are complete."""
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._is_offer = True
            return
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that a request is complete."""
        if self._is_offer:
            return
        self._stop_clock()
        self._received = 0
        self._in_head = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP. `msg` quotes nothing that was sent."""
        self._refuse(HTTPStatus.BAD_REQUEST, "invalid_http", msg)

    def _start_clock(self) -> None:
        self._deadline = self.loop.call_later(self.limits.receive_s, self.cut)
        self.arrivals.begin(self)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
            self.arrivals.end(self)

    def cut(self) -> None:
        """Answer that the request took too long, and close the connection."""
        self._stop_clock()
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", "the request did not arrive in time")

    def _refuse(self, status: HTTPStatus, code: str, message: str) -> None:
        """Send an error, unless an answer is already on its way, and close the connection."""
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            body = error_body(code, message)
            head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.close()
