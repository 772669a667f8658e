"""The server on a socket, with clients that mean no good. No Redis is needed to refuse them."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from segue_tracking_api import Limits, bind, create_app
from segue_tracking_api.server import make_server

LIMITS = Limits(receive_s=0.3, head_bytes=4096, batch_bytes=20_000)
NO_REDIS = "redis://127.0.0.1:9/0"
HEAD = b"POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer key\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    yield from served(LIMITS)


def served(limits: Limits) -> Iterator[int]:
    """The port of a server with these limits."""
    listener = bind("127.0.0.1", 0)
    ready = threading.Event()
    server = make_server(create_app({"key": ("loops",)}, redis_url=NO_REDIS, limits=limits), limits, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert ready.wait(10)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        yield connection


def answer(client: socket.socket) -> tuple[int, str]:
    """The status and code of the answer, once the server has closed the connection; (0, "") where there was none."""
    received = b""
    while True:
        try:
            data = client.recv(65536)
        except ConnectionError:
            break
        if not data:
            break
        received += data
    if not received:
        return 0, ""
    head, _, body = received.partition(b"\r\n\r\n")
    error = json.loads(body)
    assert error["message"]
    return int(head.split()[1]), error["code"]


def send_forever(client: socket.socket) -> None:
    while True:
        client.sendall(b"x" * 1_000_000)


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"\r\n\r\n",
        b"PO",
        HEAD + b"X-Slow: ",
        HEAD + b"Content-Length: 100\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
)
def test_a_request_that_does_not_arrive_is_not_waited_for(client: socket.socket, beginning: bytes) -> None:
    client.sendall(beginning)
    assert answer(client) == (408, "request_timeout")


def test_a_second_request_on_a_connection_has_its_own_time(client: socket.socket) -> None:
    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b'"ok"' in client.recv(65536)
    client.sendall(b"GET /hea")
    assert answer(client) == (408, "request_timeout")


def test_endless_headers_are_refused(client: socket.socket) -> None:
    client.sendall(HEAD + b"X: " + b"a" * 5000)
    assert answer(client) == (431, "head_too_large")


def test_what_is_no_http_is_answered_in_the_form_of_every_error(client: socket.socket) -> None:
    client.sendall(b"HELLO\r\n\r\n")
    assert answer(client) == (400, "invalid_http")


OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
"""Java's HTTP client sends this with its first request to a server."""


@pytest.mark.parametrize("pieces", [1, 2, 500])
def test_a_request_that_offers_another_protocol_is_answered_in_this_one(client: socket.socket, pieces: int) -> None:
    body = b'{"batch": [], "writeKey": "key"}'
    request = HEAD + OFFER + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    in_chunks = HEAD + OFFER + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    last = HEAD + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    sent = request + in_chunks + last
    size = len(sent) // pieces
    for start in range(0, len(sent), size):
        client.sendall(sent[start : start + size])
    received = b""
    while data := client.recv(65536):
        received += data
    assert received.count(b"HTTP/1.1 200 OK") == received.count(b'{"success":true}') == 3


@pytest.mark.parametrize(
    "request_line", [b"CONNECT www.example.com:443 HTTP/1.1", b"CONNECT http://www.example.com/ HTTP/1.1"]
)
def test_it_is_no_proxy(client: socket.socket, request_line: bytes) -> None:
    client.sendall(request_line + b"\r\nHost: www.example.com\r\n" + OFFER + b"\r\n")
    assert answer(client) == (400, "invalid_http")


def test_an_endless_body_is_refused_and_then_cut_off(client: socket.socket) -> None:
    client.sendall(HEAD + b"Content-Length: 99999999999\r\n\r\n")
    head, _, body = client.recv(65536).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413")
    assert json.loads(body)["code"] == "payload_too_large"
    with pytest.raises(ConnectionError):
        send_forever(client)


@pytest.mark.parametrize("size", [10_000_000, 20_001])
def test_a_client_comes_to_read_that_its_body_is_too_large(client: socket.socket, size: int) -> None:
    client.sendall(HEAD + f"Connection: close\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size)
    assert answer(client) == (413, "payload_too_large")


def test_a_body_in_chunks_is_bounded_as_well(client: socket.socket) -> None:
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    client.sendall(HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 50 + b"0\r\n\r\n")
    assert answer(client) == (413, "payload_too_large")


def test_redis_away_is_said_with_when_to_come_again(client: socket.socket) -> None:
    body = b'{"batch": [{"type": "track", "userId": "u1", "event": "E"}]}'
    client.sendall(HEAD + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    received = b""
    while data := client.recv(65536):
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 5\r\n" in head.lower() + b"\r\n"
    assert json.loads(body)["code"] == "outbox_unavailable"
    assert b"127.0.0.1:9" not in body


def test_answers_are_not_held_back_by_nagle_s_algorithm() -> None:
    with bind("127.0.0.1", 0) as listener:
        # What asyncio looks at before it turns the algorithm off.
        assert listener.proto == socket.IPPROTO_TCP


@pytest.fixture
def roomy() -> Iterator[int]:
    """A server that waits long for a request."""
    limits = Limits(receive_s=60, arriving_per_address=20, arriving_bytes=100_000)
    yield from served(limits)


@pytest.mark.parametrize("beginning", [b"", HEAD, HEAD + b"Content-Length: 9000\r\n\r\n{"])
def test_requests_that_do_not_arrive_keep_nobody_out(roomy: int, beginning: bytes) -> None:
    with ExitStack() as silent:
        connections = [silent.enter_context(socket.create_connection(("127.0.0.1", roomy), 10)) for _ in range(300)]
        for connection in connections:
            # The first ones may have been cut by now.
            with suppress(ConnectionError):
                connection.sendall(beginning)
        with socket.create_connection(("127.0.0.1", roomy), timeout=10) as client:
            body = b'{"batch": [], "writeKey": "key"}'
            client.sendall(HEAD + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
        # The oldest were cut, and the newest are still waited for.
        assert answer(connections[0])[1] in {"", "request_timeout"}
        connections[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            connections[-1].recv(1)


def test_what_arrives_in_all_is_bounded(roomy: int) -> None:
    with ExitStack() as slow:
        connections = [slow.enter_context(socket.create_connection(("127.0.0.1", roomy), 10)) for _ in range(10)]
        for connection in connections:
            with suppress(ConnectionError):
                connection.sendall(HEAD + b"Content-Length: 30000\r\n\r\n" + b"x" * 20_000)
        assert answer(connections[0])[1] in {"", "request_timeout"}
