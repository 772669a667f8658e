"""The Tracking API under load: events a second, and how long a request takes, in batches of 1 and of 100.

Server, Redis (append-only file, fsync each second) and load share the machine, the load in processes of its own. Held
against the figure RudderStack publishes for its server: 1,700 events a second at 4.2 ms on two cores.

    python -m benchmarks.tracking_api_bench
"""

import base64
import multiprocessing
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import orjson
import redis
from rich.console import Console
from ruamel.yaml import YAML

from benchmarks.report import table
from benchmarks.results import Row, ratios
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.cli.tracking_api import READY_LINE

PUBLISHED_RATE: Final = 1700.0
"""RudderStack's, in events a second; it reaches them at 4.2 ms."""
_AGAINST: Final = "RudderStack's published 1,700 events/s"
_WRITE_KEY: Final = "bench-write-key"
_BODIES: Final = 40
_CONTACTS: Final = 5000


class Load(NamedTuple):
    """What one process is to do: connections that each send a batch, wait for the answer, and send the next."""

    port: int
    connections: int
    batch: int
    seconds: float


class LoadResult(NamedTuple):
    """Events accepted a second, and the seconds each request took."""

    rate: float
    latencies: list[float]


def rows(*, rounds: int = 3, seconds: float = 5.0) -> list[Row]:
    """Batches of 1 and of 100."""
    made = []
    with EmbeddedRedis() as server, _api(server.url) as port, redis.Redis.from_url(server.url) as store:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            for batch, connections, reach in ((1, 16, 1), (100, 8, 10)):
                load = Load(port, connections, batch, seconds)
                pool.submit(apply, load._replace(seconds=1)).result()
                outcomes = []
                for _ in range(rounds):
                    store.flushall()
                    outcomes.append(pool.submit(apply, load).result())
                made.append(_row(batch, reach, outcomes))
            store.flushall()
            made.append(_unhurried(pool.submit(apply, Load(port, 1, 1, seconds)).result()))
    return made


def _row(batch: int, reach: float, outcomes: list[LoadResult]) -> Row:
    rates = [outcome.rate for outcome in outcomes]
    p99 = median(_p99_ms(outcome) for outcome in outcomes)
    return Row(
        *(f"HTTP, batches of {batch}", _AGAINST, ratios(rates, [PUBLISHED_RATE] * len(rates)), "x", reach),
        detail={"events/s": round(median(rates)), "p99 ms": round(p99, 1)},
    )


def _unhurried(outcome: LoadResult) -> Row:
    p50 = median(outcome.latencies) * 1000
    return Row(
        *("HTTP, one event at a time, p99", "RudderStack's published 4.2 ms", [_p99_ms(outcome)], "ms", 4.2, "lower"),
        detail={"p50 ms": round(p50, 2), "events/s": round(outcome.rate)},
    )


def _p99_ms(outcome: LoadResult) -> float:
    return quantiles(outcome.latencies, n=100)[98] * 1000


@contextmanager
def _api(redis_url: str) -> Iterator[int]:
    """`segue tracking-api` on a free port, which is handed over."""
    with tempfile.TemporaryDirectory(prefix="segue-bench-") as directory:
        config = Path(directory) / "segue.yaml"
        source = {"write_key": _WRITE_KEY, "destinations": ["loops"]}
        YAML(typ="safe").dump({"destinations": [{"name": "loops", "api_key": "key"}], "sources": [source]}, config)
        command = [sys.executable, "-m", "segue_worker.cli", "tracking-api", "--port", "0", "--config", str(config)]
        command += ["--redis-url", redis_url]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
            try:
                assert process.stderr is not None  # noqa: S101 - it was asked for in the line above
                port = urlsplit(process.stderr.readline().removeprefix(READY_LINE).strip()).port
                if port is None:
                    raise RuntimeError("the Tracking API did not start")
                yield port
            finally:
                process.terminate()


def apply(load: Load) -> LoadResult:
    """Put load on the server; run in a process of its own."""
    requests = cycle(_requests(load.batch))
    began = time.perf_counter()
    latencies: list[float] = []
    with ExitStack() as exits:
        senders = exits.enter_context(selectors.DefaultSelector())
        for _ in range(load.connections):
            connection = exits.enter_context(socket.create_connection(("127.0.0.1", load.port)))
            senders.register(connection, selectors.EVENT_READ, _Waiting(connection, next(requests)))
        while time.perf_counter() - began < load.seconds:
            for ready, _ in senders.select(timeout=1):
                latency = ready.data.receive()
                if latency is not None:
                    latencies.append(latency)
                    ready.data.send(next(requests))
    return LoadResult(len(latencies) * load.batch / (time.perf_counter() - began), latencies)


class _Waiting:
    """A connection with a request under way."""

    def __init__(self, connection: socket.socket, request: bytes) -> None:
        self._connection = connection
        self.send(request)

    def send(self, request: bytes) -> None:
        self._began = time.perf_counter()
        self._answer = b""
        self._connection.sendall(request)

    def receive(self) -> float | None:
        """The seconds it took, once the answer is whole. Raises RuntimeError for any other than success."""
        self._answer += self._connection.recv(4096)
        if self._answer.startswith(b"HTTP/1.1 200") and self._answer.endswith(b'{"success":true}'):
            return time.perf_counter() - self._began
        if not self._answer or self._answer.endswith(b"}"):
            raise RuntimeError(f"not accepted: {self._answer!r}")
        return None


def _requests(batch: int) -> Iterator[bytes]:
    """Whole requests as SDKs send them."""
    key = base64.b64encode(f"{_WRITE_KEY}:".encode()).decode()
    events = _events()
    for _ in range(_BODIES):
        body = orjson.dumps({"batch": list(islice(events, batch)), "sentAt": "2026-03-01T12:00:00.500Z"})
        head = f"POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {key}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        yield head.encode() + body


def _events() -> Iterator[dict[str, object]]:
    number = 0
    while True:
        number += 1
        yield {
            "type": "track",
            "messageId": f"00000000-0000-4000-8000-{number:012d}",
            "timestamp": "2026-03-01T12:00:00.123Z",
            "userId": f"user-{number % _CONTACTS}",
            "anonymousId": None,
            "event": "Order Completed",
            "properties": {
                "orderId": f"order-{number}",
                "revenue": 99.5,
                "currency": "EUR",
                "items": ["shirt", "socks"],
            },
            "context": {"library": {"name": "analytics-python", "version": "2.4.0"}},
            "integrations": {},
        }


if __name__ == "__main__":
    Console(width=160).print(table(rows()))
