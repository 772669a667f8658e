"""Delivery without a rate limit: two worker processes of Segue against two of the naive worker."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tests.integration.stack import Stack, wait_until

from benchmarks.measuring import new_stack
from benchmarks.naive_worker import DELIVER, make_app
from benchmarks.results import Row, ratios
from benchmarks.traces import Event, updates

PROCESSES = 2


def middle_rate(moments: Sequence[float]) -> float:
    """How many a second, from the first quarter to the last tenth: all workers have begun, and none has run dry."""
    ordered = sorted(moments)
    first, last = len(ordered) // 4, len(ordered) * 9 // 10
    return (last - first) / (ordered[last] - ordered[first])


def segue_rate(events: Sequence[Event]) -> float:
    """Events a second through Segue."""
    with new_stack(parallel_runs=PROCESSES) as stack:
        stack.producer.enqueue(events)
        stack.workers(PROCESSES)
        wait_until(lambda: stack.delivered >= len(events), within_s=120)
        moments = [record["at"] for record in stack.sandbox.requests()]
        return middle_rate(moments) * len(events) / len(moments)


def naive_rate(events: Sequence[Event]) -> float:
    """Events a second through the naive worker."""
    with new_stack() as stack:
        with make_app(stack.server.url) as app:
            for event in events:
                app.send_task(DELIVER, (event,))
        with naive_worker(stack, processes=PROCESSES):
            wait_until(lambda: stack.sandbox.summary()["received"] >= len(events), within_s=120)
        return middle_rate([record["at"] for record in stack.sandbox.requests()])


@contextmanager
def naive_worker(stack: Stack, *, processes: int) -> Iterator[None]:
    """A naive worker at the same Redis and the same sandbox, in a process group of its own."""
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.naive_worker", "worker", "--loglevel", "WARNING"]
    variables = {"NAIVE_REDIS_URL": stack.server.url, "NAIVE_LOOPS_URL": stack.sandbox.base_url}
    process = subprocess.Popen(
        [*command, "--concurrency", str(processes)],
        env={**os.environ, **variables},
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _compare(ours: Sequence[Event], theirs: Sequence[Event], *, rounds: int) -> tuple[list[float], dict[str, int]]:
    pairs = [(segue_rate(ours), naive_rate(theirs)) for _ in range(rounds)]
    own, others = ([pair[side] for pair in pairs] for side in (0, 1))
    return ratios(own, others), {"events/s": round(median(own)), "naive": round(median(others))}


def rows(*, rounds: int = 3, contacts: int = 30_000, naive: int = 3_000) -> list[Row]:
    """Distinct contacts, and ten updates of each contact waiting."""
    single, single_detail = _compare(list(updates(contacts)), list(updates(naive)), rounds=rounds)
    ten, ten_detail = _compare(list(updates(contacts // 3, 10)), list(updates(naive // 10, 10)), rounds=rounds)
    return [
        Row("delivery, distinct contacts", "naive worker", single, "x", 6, detail=single_detail),
        Row("delivery, 10 updates per contact", "naive worker", ten, "x", 40, detail=ten_detail),
    ]
