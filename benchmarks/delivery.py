"""Delivery without a rate limit: two worker processes of Segue against two of the naive worker."""

from collections.abc import Sequence
from statistics import median

from benchmarks.naive_worker import DELIVER, make_app
from benchmarks.results import Row, ratios
from benchmarks.stage import Stage, wait_until
from benchmarks.traces import Event, updates

PROCESSES = 2


def middle_rate(moments: Sequence[float]) -> float:
    """How many a second, from the first quarter to the last tenth: all workers have begun, and none has run dry."""
    ordered = sorted(moments)
    first, last = len(ordered) // 4, len(ordered) * 9 // 10
    return (last - first) / (ordered[last] - ordered[first])


def segue_rate(events: Sequence[Event]) -> float:
    """Events a second through Segue."""
    with Stage(parallel_runs=PROCESSES) as stage:
        stage.enqueue(events)
        stage.workers(PROCESSES)
        wait_until(lambda: stage.delivered() >= len(events))
        moments = [record["at"] for record in stage.sandbox.requests()]
        return middle_rate(moments) * len(events) / len(moments)


def naive_rate(events: Sequence[Event]) -> float:
    """Events a second through the naive worker."""
    with Stage() as stage:
        with make_app(stage.server.url) as app:
            for event in events:
                app.send_task(DELIVER, (event,))
        stage.naive_worker(processes=PROCESSES)
        wait_until(lambda: stage.received() >= len(events), poll_s=0.1)
        return middle_rate([record["at"] for record in stage.sandbox.requests()])


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
