"""How much of Loops' limit is used, alone and beside another sender of the same team."""

import random
import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple

import httpx
from tests.integration.stack import Stack, wait_until

from benchmarks.measuring import new_stack
from benchmarks.naive_worker import API_KEY
from benchmarks.results import Row
from benchmarks.traces import updates

WORKERS = 3
_STEP_S = 10.0
_MOST = 0.6


class Step(NamedTuple):
    """From `at` (unix seconds) on, the other sender sends `rate` requests a second."""

    at: float
    rate: float


class OtherSender:
    """Sends requests of the same team, at a rate that changes by chance; it asks nobody and retries nothing.

    Args:
        base_url: of the API.
        limit: the team's.
        seconds: for how long.
        seed: of chance.
    """

    def __init__(self, base_url: str, limit: int, seconds: float, *, seed: int = 3) -> None:
        self.steps: list[Step] = []
        self._base_url, self._limit, self._seconds = base_url, limit, seconds
        self._chance = random.Random(seed)
        self._thread = threading.Thread(target=self._send, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait until it is through."""
        self._thread.join()

    def _send(self) -> None:
        end = time.time() + self._seconds
        headers = {"Authorization": f"Bearer {API_KEY}"}
        with httpx.Client(base_url=self._base_url, headers=headers, trust_env=False) as client:
            following = time.time()
            while following < end:
                if not self.steps or following >= self.steps[-1].at + _STEP_S:
                    self.steps.append(Step(following, self._chance.uniform(0, _MOST) * self._limit))
                rate = self.steps[-1].rate
                time.sleep(max(0.0, following - time.time()))
                if rate > self._limit / 50:
                    client.get("/api-key")
                following += min(1 / max(rate, 0.01), 0.5)


def left_between(steps: Sequence[Step], limit: float, began: float, ended: float) -> float:
    """How many requests are left over where `rate` is taken away, between two moments."""
    left = 0.0
    for place, step in enumerate(steps):
        until = steps[place + 1].at if place + 1 < len(steps) else ended
        left += max(0.0, min(until, ended) - max(step.at, began)) * (limit - step.rate)
    return left


def recoveries(steps: Sequence[Step], limit: float, sent: Sequence[float], *, share: float = 0.9) -> list[float]:
    """After each step down: seconds until a second began in which what is left was used."""
    taken = []
    for before, after in pairwise(steps):
        # A rate is seen in whole requests.
        wanted = int(share * (limit - after.rate))
        if after.rate < before.rate and after.at + _STEP_S < sent[-1]:
            starts = (at for at in sent[bisect_right(sent, after.at) :])
            taken.append(next((at - after.at for at in starts if _within(sent, at) >= wanted), _STEP_S))
    return taken


def _within(moments: Sequence[float], start: float) -> int:
    return bisect_right(moments, start + 1) - bisect_right(moments, start) + 1


def _accepted(stack: Stack) -> list[float]:
    return [record["at"] for record in stack.sandbox.requests() if record["applied"]]


def _start(stack: Stack, seconds: float, limit: int) -> None:
    stack.producer.enqueue(updates(int((seconds + 30) * limit)))
    for number in range(WORKERS):
        stack.worker(beat=number == 0)
    wait_until(lambda: stack.delivered > 2 * limit, within_s=120)
    # What the workers' start cost is no part of the measurement; a window's requests still count.
    time.sleep(2)


def alone(seconds: float, limit: int, window: str) -> dict[str, Any]:
    """Use the whole limit for a while; gives the share used, the refusals, and the most in any second."""
    with new_stack(rate_limit=limit, sandbox={"window": window}, parallel_runs=WORKERS) as stack:
        _start(stack, seconds, limit)
        began = time.time()
        time.sleep(seconds)
        summary, sent = stack.sandbox.summary(), [at for at in _accepted(stack) if at >= began]
    span = sent[-1] - sent[0]
    return {
        "share": (len(sent) - 1) / span / limit,
        "429s": summary["rate_limited"],
        "most in a second": summary["max_received_per_second"],
    }


def beside_another(seconds: float, limit: int) -> dict[str, Any]:
    """Share the limit with another sender; gives the share used of what it left over, refusals, and recovery."""
    with new_stack(rate_limit=limit, parallel_runs=WORKERS) as stack:
        _start(stack, seconds, limit)
        other = OtherSender(stack.sandbox.base_url, limit, seconds)
        began = time.time()
        other.start()
        other.join()
        ended = time.time()
        records = [record for record in stack.sandbox.requests() if began <= record["at"] < ended]
    theirs = [record for record in records if record["path"] == "/api-key"]
    ours = [record for record in records if record["path"] != "/api-key"]
    sent = [record["at"] for record in ours if not record["rate_limited"]]
    left = limit * (ended - began) - sum(1 for record in theirs if not record["rate_limited"])
    return {
        "share": len(sent) / left,
        "recovery": max(recoveries(other.steps, limit, sent), default=0.0),
        "429s": len(ours) - len(sent),
        "other refused": f"{sum(1 for record in theirs if record['rate_limited'])} of {len(theirs)}",
    }


def drained(seconds: float, limit: int) -> dict[str, Any]:
    """The same with the limit itself lowered by chance, as the sandbox's `drain` does."""
    chance, steps = random.Random(5), list[Step]()
    with new_stack(rate_limit=limit, parallel_runs=WORKERS) as stack:
        _start(stack, seconds, limit)
        began = time.time()
        while time.time() < began + seconds:
            steps.append(Step(time.time(), round(chance.uniform(0, _MOST) * limit)))
            stack.sandbox.switches(drain=steps[-1].rate)
            time.sleep(min(_STEP_S, began + seconds - time.time()))
        ended = time.time()
        records = [record for record in stack.sandbox.requests() if began <= record["at"] < ended]
    sent = [record["at"] for record in records if not record["rate_limited"]]
    return {
        "share": len(sent) / left_between(steps, limit, began, ended),
        "recovery": max(recoveries(steps, limit, sent), default=0.0),
        "429s": len(records) - len(sent),
    }


def rows(*, seconds: float = 120, limit: int = 10) -> list[Row]:
    """All at the same time, each with a Redis, a sandbox and workers of its own."""
    with ThreadPoolExecutor() as threads:
        windows = [threads.submit(alone, seconds, limit, window) for window in ("sliding", "fixed")]
        beside, lowered = (threads.submit(measure, seconds, limit) for measure in (beside_another, drained))
        quiet = [window.result() for window in windows]
        shared = [beside.result(), lowered.result()]
    detail = {"seconds": seconds, "workers": WORKERS, "windows": "sliding, fixed"}
    kinds = "its requests, drain"
    return [
        Row("share of the limit, alone", f"{limit}/s", [one["share"] for one in quiet], "", 0.98, detail=detail),
        Row("429s meanwhile", f"{limit}/s", [float(one["429s"]) for one in quiet], "", 0, "lower"),
        Row(
            *("share beside another sender", "what it leaves over", [one["share"] for one in shared], "", 0.9),
            detail={
                "by": kinds,
                "429s": [one["429s"] for one in shared],
                "other refused": shared[0]["other refused"],
            },
        ),
        Row("recovery when it leaves more", "", [one["recovery"] for one in shared], "s", 5, "lower", {"by": kinds}),
    ]
