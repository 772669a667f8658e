"""A broker that is away: what is enqueued meanwhile, how long that takes, and whether it is delivered meanwhile."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

from celery import Celery
from tests.integration.engines import RabbitMQ
from tests.integration.stack import Stack, wait_until
from tests.needs import RABBITMQ_SERVER

from benchmarks.measuring import new_stack
from benchmarks.results import Row
from benchmarks.traces import identify
from segue_sandbox.embedded_redis import EmbeddedRedis

EVENTS = 1000


@contextmanager
def _redis() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as server:
        yield server


@contextmanager
def _rabbitmq() -> Iterator[RabbitMQ]:
    with TemporaryDirectory(prefix="segue-bench-") as directory, RabbitMQ(Path(directory)) as server:
        yield server


def _enqueue(stack: Stack, prefix: str, seconds: float) -> list[float]:
    """Enqueue events one by one, evenly. Gives how many ms each call took."""
    took, began = [], time.perf_counter()
    for number in range(EVENTS):
        time.sleep(max(0.0, began + number * seconds / EVENTS - time.perf_counter()))
        called = time.perf_counter()
        stack.producer.enqueue([identify(f"{prefix}-{number}", f"{prefix}-{number}")])
        took.append((time.perf_counter() - called) * 1000)
    return took


def _p99(values: list[float]) -> float:
    return quantiles(values, n=100)[98]


def outage(broker: EmbeddedRedis | RabbitMQ, seconds: float) -> dict[str, Any]:
    """Enqueue with the broker and without it, and have a task run once it is back."""
    with new_stack(rate_limit=100, broker_url=broker.url) as stack:
        stack.worker()
        normal = _enqueue(stack, "before", seconds / 3)
        stack.wait_delivered()
        broker.stop()
        try:
            meanwhile = _enqueue(stack, "meanwhile", seconds)
            ended = time.time()
            stack.wait_delivered(within_s=10)
        finally:
            broker.start()
        back = time.perf_counter()
        with Celery("service", broker=broker.url) as service:
            event = identify("afterwards", "afterwards")
            service.send_task("segue.enqueue", args=[[event], ["loops"]], queue="segue", ignore_result=True)
        wait_until(lambda: stack.delivered == 2 * EVENTS + 1, within_s=60)
        waited = time.perf_counter() - back
        records = stack.sandbox.requests()
    late = [each["at"] - ended for each in records if str(each["body"]["userId"]).startswith("meanwhile")]
    return {"normal": _p99(normal), "more": _p99(meanwhile) - _p99(normal), "late": max(late), "back": waited}


def _measured(name: str, make: Callable[[], AbstractContextManager[Any]], seconds: float) -> list[Row]:
    with make() as broker:
        seen = outage(broker, seconds)
    away, detail = f"{name} away {seconds:.0f} s", {"events": EVENTS, "with it ms": round(seen["normal"], 2)}
    return [
        Row("enqueue p99, more than with it", away, [seen["more"]], "ms", 5, "lower", detail),
        Row("last event delivered after the last call", away, [seen["late"]], "s", 3, "lower"),
        Row("segue.enqueue delivered after it is back", away, [seen["back"]], "s", 10, "lower"),
    ]


def rows(*, seconds: float = 60) -> list[Row]:
    """A Redis of the broker's own; and RabbitMQ, where it is installed. Both at the same time."""
    makers: dict[str, Callable[[], AbstractContextManager[Any]]] = {"Redis": _redis}
    if RABBITMQ_SERVER:
        makers["RabbitMQ"] = _rabbitmq
    with ThreadPoolExecutor() as threads:
        measured = [threads.submit(_measured, name, make, seconds) for name, make in makers.items()]
        return [row for each in measured for row in each.result()]


if __name__ == "__main__":
    for row in rows():
        print(row)
