"""Enqueueing: Segue's producer against Celery's `delay()`, both on the same Redis."""

import time
from collections.abc import Callable, Sequence
from itertools import islice
from statistics import median

from benchmarks.naive_worker import DELIVER, make_app
from benchmarks.results import Row, ratios
from benchmarks.stage import Stage
from benchmarks.traces import Event, updates


def _timed(call: Callable[[Event], object], events: Sequence[Event]) -> tuple[float, float]:
    """Median seconds of a call, and events a second."""
    taken = []
    for event in events:
        began = time.perf_counter()
        call(event)
        taken.append(time.perf_counter() - began)
    return median(taken), len(taken) / sum(taken)


def rows(*, rounds: int = 5, events: int = 2_000) -> list[Row]:
    """One at a time, and in batches of 100."""
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    batched: list[float] = []
    with Stage() as stage, make_app(stage.server.url) as app:
        delay = app.tasks[DELIVER].delay
        source = updates(3 * events * (rounds + 1))
        for turn in range(rounds + 1):
            one = _timed(lambda event: stage.producer.enqueue([event]), list(islice(source, events)))
            delayed = _timed(delay, list(islice(source, events)))
            groups = [list(islice(source, 100)) for _ in range(events // 100)]
            began = time.perf_counter()
            for group in groups:
                stage.enqueue(group)
            rate = events / (time.perf_counter() - began)
            if turn:  # the first round warms up
                ours.append(one)
                theirs.append(delayed)
                batched.append(rate)
    delay_rates = [rate for _, rate in theirs]
    delay_p50 = [p50 for p50, _ in theirs]
    one_rates = [rate for _, rate in ours]
    one_p50 = [p50 for p50, _ in ours]
    return [
        Row(
            *("enqueue one, p50", "Celery delay()", ratios(delay_p50, one_p50), "x", 5),
            detail={"µs": round(median(one_p50) * 1e6), "delay": round(median(delay_p50) * 1e6)},
        ),
        Row(
            *("enqueue one, throughput", "Celery delay()", ratios(one_rates, delay_rates), "x", 5),
            detail={"events/s": round(median(one_rates)), "delay": round(median(delay_rates))},
        ),
        Row(
            *("enqueue in batches of 100", "Celery delay()", ratios(batched, delay_rates), "x", 60),
            detail={"events/s": round(median(batched)), "delay": round(median(delay_rates))},
        ),
    ]
