"""From enqueue to the request's arrival at Loops, while the system is idle."""

import random
import time
from statistics import median, quantiles

from tests.integration.stack import wait_until

from benchmarks.measuring import new_stack
from benchmarks.results import Row
from benchmarks.traces import updates


def rows(*, samples: int = 300) -> list[Row]:
    """Enqueue one event now and then, and ask the sandbox when its request arrived."""
    chance = random.Random(7)
    began: dict[str, float] = {}
    with new_stack() as stack:
        stack.worker()
        for event in updates(samples + 10):
            began[event["userId"]] = time.time()
            stack.producer.enqueue([event])
            time.sleep(chance.uniform(0.02, 0.06))
        wait_until(lambda: stack.delivered >= len(began), within_s=120)
        taken = [(record["at"] - began[record["body"]["userId"]]) * 1000 for record in stack.sandbox.requests()[10:]]
    p99 = quantiles(taken, n=100)[98]
    return [
        Row("enqueue to request, idle, p50", "", [median(taken)], "ms", 8, "lower", {"samples": samples}),
        Row("enqueue to request, idle, p99", "", [p99], "ms", 20, "lower", {"longest": round(max(taken), 1)}),
    ]
