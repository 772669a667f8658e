"""Enqueueing: Segue's producer against Celery's `delay()`, both on the same Redis."""

import time
from collections.abc import Callable, Sequence
from itertools import islice, pairwise
from statistics import median
from typing import Any

from tests.integration.stack import KEYS, Stack

from benchmarks.measuring import new_stack
from benchmarks.naive_worker import DELIVER, make_app
from benchmarks.results import Row, ratios
from benchmarks.traces import Event, updates
from segue_producer import append


def _timed(call: Callable[[Event], object], events: Sequence[Event]) -> tuple[float, float]:
    """Median seconds of a call, and events a second."""
    taken = []
    for event in events:
        began = time.perf_counter()
        call(event)
        taken.append(time.perf_counter() - began)
    return median(taken), len(taken) / sum(taken)


def bare_round_trip(stack: Stack, *, times: int = 2_000) -> float:
    """Median seconds of a PING on a connection of its own: what no client on this machine can be quicker than."""
    connection: Any = stack.redis.connection_pool.get_connection()
    ping = connection.pack_command("PING")

    def ask(_: object) -> None:
        connection.send_packed_command(ping)
        connection.read_response()

    return _timed(ask, [{}] * times)[0]


def shares(stack: Stack, groups: Sequence[Sequence[Event]]) -> dict[str, float]:
    """Where the time of a batch goes: µs for each event in checking it, in writing the command, and in Redis."""
    events = sum(map(len, groups))
    moments = [time.perf_counter()]
    prepared = [append.prepare_all(group) for group in groups]
    moments.append(time.perf_counter())
    connection: Any = stack.redis.connection_pool.get_connection()
    sha = stack.redis.script_load(append.APPEND_SCRIPT)
    calls = [append.arguments(KEYS, group) for group in prepared]
    commands = [connection.pack_command("EVALSHA", sha, len(keys), *keys, *args) for keys, args in calls]
    moments.append(time.perf_counter())
    for command in commands:
        connection.send_packed_command(command)
        connection.read_response()
    moments.append(time.perf_counter())
    spans = ((after - before) / events * 1e6 for before, after in pairwise(moments))
    return dict(zip(("µs checking", "writing", "Redis"), (round(span, 1) for span in spans), strict=True))


def rows(*, rounds: int = 5, events: int = 2_000) -> list[Row]:
    """One at a time, and in batches of 100."""
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    batched: list[float] = []
    with new_stack() as stack, make_app(stack.server.url) as app:
        delay = app.tasks[DELIVER].delay
        source = updates(3 * events * (rounds + 1))
        for turn in range(rounds + 1):
            one = _timed(lambda event: stack.producer.enqueue([event]), list(islice(source, events)))
            delayed = _timed(delay, list(islice(source, events)))
            groups = [list(islice(source, 100)) for _ in range(events // 100)]
            began = time.perf_counter()
            for group in groups:
                stack.producer.enqueue(group)
            rate = events / (time.perf_counter() - began)
            if turn:  # the first round warms up
                ours.append(one)
                theirs.append(delayed)
                batched.append(rate)
        bare = bare_round_trip(stack)
        where = shares(stack, [list(updates(100, prefix=f"share-{number}")) for number in range(events // 100)])
    delay_rates = [rate for _, rate in theirs]
    delay_p50 = [p50 for p50, _ in theirs]
    one_rates = [rate for _, rate in ours]
    one_p50 = [p50 for p50, _ in ours]
    return [
        Row(
            *("enqueue one, p50", "Celery delay()", ratios(delay_p50, one_p50), "x", 5),
            detail={
                "µs": round(median(one_p50) * 1e6),
                "delay": round(median(delay_p50) * 1e6),
                "a bare PING": round(bare * 1e6),
            },
        ),
        Row(
            *("enqueue one, throughput", "Celery delay()", ratios(one_rates, delay_rates), "x", 5),
            detail={"events/s": round(median(one_rates)), "delay": round(median(delay_rates))},
        ),
        Row(
            *("enqueue in batches of 100", "Celery delay()", ratios(batched, delay_rates), "x", 60),
            detail={"events/s": round(median(batched)), "delay": round(median(delay_rates)), **where},
        ),
    ]
