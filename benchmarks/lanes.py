"""Live events beside bulk: how long a sign-up waits behind a backfill, and what each lane gets of the limit."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import median, quantiles
from typing import Any

from tests.integration.stack import Stack, wait_until

from benchmarks.measuring import new_stack
from benchmarks.results import Row
from benchmarks.traces import identify, track, updates

LIMIT = 10


def p95(values: Sequence[float]) -> float:
    """The 95th percentile."""
    return quantiles(values, n=20)[18]


def _person(record: Mapping[str, Any]) -> str:
    return str(record["body"]["userId"])


def _moments(stack: Stack, is_meant: Callable[[str], bool], began: float, ended: float) -> list[float]:
    records = stack.sandbox.requests()
    return [each["at"] for each in records if is_meant(_person(each)) and began <= each["at"] < ended]


def beside_a_backfill(workers: int, *, bulk: int = 3000, people: int = 40, burst: int = 300) -> dict[str, Any]:
    """Let people sign up beside a backfill, singly and then all at once; and let some who wait in it do something."""
    chance = random.Random(workers)
    with new_stack(rate_limit=LIMIT, parallel_runs=workers) as stack:
        stack.producer.enqueue(updates(bulk, prefix="bulk"), lane="bulk")
        stack.workers(workers)
        wait_until(lambda: stack.delivered > 2 * LIMIT, within_s=60)
        began, signed_up, moved = time.time(), dict[str, float](), dict[str, float]()
        for number in range(people):
            person, waiting = f"live-{number}", f"bulk-{bulk - 1 - number:07}"
            signed_up[person] = time.time()
            stack.producer.enqueue([identify(person, f"{person}-0")])
            time.sleep(chance.uniform(0.2, 0.8))
            moved[waiting] = time.time()
            stack.producer.enqueue([track(waiting, f"{waiting}-live", "Logged In")])
            time.sleep(chance.uniform(0.2, 0.8))
        ended = time.time()
        stack.producer.enqueue(updates(burst, prefix="burst"))
        wait_until(
            lambda: len(_moments(stack, lambda name: name.startswith("burst"), 0, time.time())) == burst,
            within_s=3 * burst / LIMIT,
        )
        records = stack.sandbox.requests()
        summary = stack.sandbox.summary()
    first: dict[str, float] = {}
    for record in records:
        first.setdefault(_person(record), record["at"])
    bursts = [record["at"] for record in records if _person(record).startswith("burst")]
    during = [_person(record) for record in records if min(bursts) <= record["at"] <= max(bursts)]
    meanwhile = [record for record in records if began <= record["at"] < ended]
    backfilled = sum(_person(record) not in signed_up and _person(record) not in moved for record in meanwhile)
    left = LIMIT * (ended - began) - (len(meanwhile) - backfilled)
    return {
        "sign-ups": [first[person] - at for person, at in signed_up.items()],
        "promoted": [first[person] - at for person, at in moved.items()],
        "use of the rest": backfilled / left,
        "bulk beside a burst": sum(not name.startswith("burst") for name in during) / len(during),
        "most in a second": summary["max_received_per_second"],
        "429s": summary["rate_limited"],
    }


def one_person_after_the_other(contacts: int = 500) -> list[float]:
    """Seconds from a person's identify to their track, where many people wait."""
    with new_stack(rate_limit=LIMIT, coalesce="off") as stack:
        for number in range(contacts):
            person = f"person-{number:04}"
            stack.producer.enqueue([identify(person, f"{person}-0"), track(person, f"{person}-1", "Signed Up")])
        stack.worker()
        stack.wait_delivered(within_s=3 * 2 * contacts / LIMIT)
        moments: dict[str, list[float]] = {}
        for record in stack.sandbox.requests():
            moments.setdefault(_person(record), []).append(record["at"])
    return [later - earlier for times in moments.values() for earlier, later in pairwise(times)]


def rows(*, people: int = 40, contacts: int = 500) -> list[Row]:
    """With one worker and with three."""
    found = []
    for workers in (1, 3):
        seen = beside_a_backfill(workers, people=people)
        where = {"workers": workers, "behind": "3,000 bulk contacts"}
        found += [
            Row("sign-up beside a backfill, p50", "", [median(seen["sign-ups"])], "s", 0.3, "lower", where),
            Row("sign-up beside a backfill, p95", "", [p95(seen["sign-ups"])], "s", 1, "lower", where),
            Row("somebody who waits in it, p95", "", [p95(seen["promoted"])], "s", 3, "lower", where),
            Row("backfill's use of the rest", f"{LIMIT}/s", [seen["use of the rest"]], "", 0.9, detail=where),
            Row("backfill beside a burst", f"{LIMIT}/s", [seen["bulk beside a burst"]], "", 0.05, detail=where),
            Row("most in a second", f"{LIMIT}/s", [float(seen["most in a second"])], "", LIMIT, "lower"),
            Row("429s meanwhile", f"{LIMIT}/s", [float(seen["429s"])], "", 0, "lower"),
        ]
    gaps = one_person_after_the_other(contacts)
    detail = {"waiting": contacts, "longest": round(max(gaps), 1)}
    found.append(Row("identify to track of one person, p95", "", [p95(gaps)], "s", 3, "lower", detail))
    return found


if __name__ == "__main__":
    for row in rows():
        print(row)
