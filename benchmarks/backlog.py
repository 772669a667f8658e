"""A million contacts waiting: does delivery slow down, does a worker grow?"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tests.integration.stack import KEYS, Stack, wait_until

from benchmarks.measuring import new_stack
from benchmarks.results import Row, ratios
from benchmarks.traces import updates
from segue_producer import append
from segue_producer.events import prepare

PROCESSES = 2


def fill(stack: Stack, contacts: int) -> None:
    """Let contacts wait, each with one event."""
    pipe = stack.redis.pipeline(transaction=False)
    script = stack.redis.script_load(append.APPEND_SCRIPT)
    prepared = [prepare(event) for event in updates(1000)]
    for start in range(0, contacts, append.BATCH):
        part = [
            item._replace(
                contact=f"waiting-{start + place}",
                text=item.text.replace(item.message_id.encode(), f"waiting-{start + place}-0".encode()),
            )
            for place, item in enumerate(prepared[: append.BATCH])
        ]
        keys, args = append.arguments(KEYS, part)
        pipe.evalsha(script, len(keys), *keys, *args)
        if start % (40 * append.BATCH) == 0:
            pipe.execute()
    pipe.execute()


def resident_mb(pids: list[int]) -> float:
    """Memory of the largest of some processes, in MB."""
    sizes = [0]
    for pid in pids:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        sizes += [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")]
    return max(sizes) / 1024


def _deliver(stack: Stack, deliveries: int, warm: int) -> tuple[float, float]:
    """Start workers, let them warm up, measure, stop them.

    Returns:
        events a second over some deliveries, and by how many MB a worker grew meanwhile.
    """
    before = stack.delivered
    workers = stack.workers(PROCESSES)
    pids = [worker.pid for worker in workers]
    wait_until(lambda: stack.delivered >= before + warm, within_s=120)
    done, began, size = stack.delivered, time.perf_counter(), resident_mb(pids)
    wait_until(lambda: stack.delivered >= done + deliveries, within_s=300)
    rate = (stack.delivered - done) / (time.perf_counter() - began)
    grown = resident_mb(pids) - size
    for worker in workers:
        worker.stop()
    return rate, grown


@contextmanager
def _filled(waiting: int) -> Iterator[Stack]:
    with new_stack(parallel_runs=PROCESSES) as stack:
        fill(stack, waiting)
        # Filling makes Redis rewrite its append-only file, which is none of the worker's doing.
        wait_until(lambda: not stack.redis.info("persistence")["aof_rewrite_in_progress"], within_s=120)
        yield stack


def rows(*, many: int = 1_000_000, few: int = 10_000, rounds: int = 5, deliveries: int = 100_000) -> list[Row]:
    """Throughput with many contacts waiting against few, and a worker's growth over many deliveries."""
    warm = few // 10
    short = few - 2 * warm
    crowded, sparse = [], []
    with _filled(many) as crowd:
        for _ in range(rounds):
            with _filled(few) as stack:
                sparse.append(_deliver(stack, short, warm)[0])
            crowded.append(_deliver(crowd, short, warm)[0])
        long_rate, grown = _deliver(crowd, deliveries, warm)
    detail = {"events/s": round(median(crowded)), f"{few:,} waiting": round(median(sparse))}
    return [
        Row(f"delivery with {many:,} waiting", f"{few:,} waiting", ratios(crowded, sparse), "x", 0.9, detail=detail),
        Row(
            *(f"worker's growth over {deliveries:,} deliveries", "at the start", [grown], "MB", 50, "lower"),
            detail={"waiting": f"{many:,}", "events/s": round(long_rate)},
        ),
    ]
