"""Chaos: events keep coming while workers are killed, Redis restarts or hangs, and Loops fails; then the ledger is read.

The witness is the sandbox's ledger: what Loops received and what took effect. `Verdict` compares it with what was
enqueued. Everything random comes from one seed.
"""

import os
import random
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from segue_producer import Producer
from segue_sandbox.worker_process import WorkerProcess
from tests.chaos.books import judge_books
from tests.chaos.engines import Target
from tests.integration.stack import Stack, until_taken


@dataclass(frozen=True, slots=True)
class Scale:
    """How much happens."""

    events: int
    contacts: int
    kills: int
    redis_restarts: int
    redis_hangs_s: float
    rate_limit: int
    fail: float
    workers: int = 3
    seconds_between_kills: float = 4.0
    ends_within_s: float = 600.0


SMALL = Scale(
    events=1500,
    contacts=150,
    kills=4,
    redis_restarts=1,
    redis_hangs_s=2.0,
    rate_limit=100,
    fail=0.2,
    ends_within_s=180.0,
)
FULL = Scale(events=20_000, contacts=2000, kills=30, redis_restarts=3, redis_hangs_s=10.0, rate_limit=100, fail=0.2)


@dataclass(slots=True)
class Verdict:
    """What the ledger says."""

    lost: list[str] = field(default_factory=list)
    applied_twice: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    miscounted: list[str] = field(default_factory=list)
    repeated_updates: int = 0
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, applied twice, out of order, left unexplained or miscounted."""
        return not (self.lost or self.applied_twice or self.out_of_order or self.unexplained or self.miscounted)


def make_events(scale: Scale, rng: random.Random) -> list[dict[str, Any]]:
    """Events whose place in their contact's history can be read from what Loops received."""
    history: Counter[str] = Counter()
    events = []
    for number in range(scale.events):
        user = f"u{rng.randrange(scale.contacts)}"
        history[user] += 1
        place = history[user]
        common = {"userId": user, "messageId": f"m{number}"}
        email = f"{user}@example.com"
        if place == 1 or rng.random() < 0.5:
            events.append(
                {**common, "type": "identify", "traits": {"email": email, "place": place, f"p{place}": place}}
            )
        else:
            properties = {"place": place, "email": email}
            events.append({**common, "type": "track", "event": f"E{place}", "properties": properties})
    return events


def run_chaos(scale: Scale, seed: int, target: Target, directory: Path) -> Verdict:
    """Run the scenario to its end and judge it.

    Raises:
        tenacity.RetryError: not everything was delivered in time.
    """
    rng = random.Random(seed)
    began = time.monotonic()
    events = make_events(scale, rng)
    with Stack(
        target,
        directory,
        broker_url=target.broker_url,
        rate_limit=scale.rate_limit,
        sandbox={"fail": scale.fail, "seed": seed},
        coalesce="updates",
        **target.settings,
    ) as stack:
        feeding = threading.Thread(target=_feed, args=(target, events))
        feeding.start()
        _disturb(stack, target, scale, rng)
        feeding.join()
        stack.wait_delivered(within_s=max(30.0, scale.ends_within_s - (time.monotonic() - began)))
        verdict = judge(events, stack)
        verdict.figures.update(seed=seed, seconds=round(time.monotonic() - began, 1))
        return verdict


def _feed(target: Target, events: list[Any]) -> None:
    """Enqueue everything, again and again where Redis was away; a messageId takes effect once."""
    with Producer(target.url, broker_url=target.broker_url, timeout=2.0) as producer:
        for start in range(0, len(events), 50):
            batch = events[start : start + 50]
            until_taken(partial(producer.enqueue, batch))


def _disturb(stack: Stack, target: Target, scale: Scale, rng: random.Random) -> None:
    workers = [stack.worker(wait=False) for _ in range(scale.workers)]
    for worker in workers:
        worker.wait_ready()
    for blow in _blows(scale, rng):
        time.sleep(rng.uniform(0.2, scale.seconds_between_kills))
        if blow == "restart":
            target.restart(rng)
        elif blow == "hang":
            target.hang(scale.redis_hangs_s)
        else:
            _kill_one(stack, workers, rng)


def _blows(scale: Scale, rng: random.Random) -> Iterator[str]:
    blows = ["kill"] * scale.kills + ["restart"] * scale.redis_restarts + ["hang"]
    rng.shuffle(blows)
    return iter(blows)


def _kill_one(stack: Stack, workers: list[WorkerProcess], rng: random.Random) -> None:
    """A whole worker, which somebody starts again, or one of its children, which its parent replaces."""
    place = rng.randrange(len(workers))
    children = workers[place].children
    if children and rng.random() < 0.5:
        os.kill(rng.choice(children), signal.SIGKILL)
    else:
        workers[place].kill()
        workers[place] = stack.worker(wait=False)


def judge(events: list[dict[str, Any]], stack: Stack) -> Verdict:
    """Compare what was enqueued with what took effect."""
    verdict = Verdict()
    applied: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in stack.sandbox.requests():
        if record["applied"]:
            applied[record["body"]["userId"]].append(record["body"])
    contacts = {contact["userId"]: contact for contact in stack.sandbox.contacts()}
    sent = Counter((event["userId"], event["eventName"]) for event in stack.sandbox.events())
    for event in events:
        user, message_id = event["userId"], event["messageId"]
        if event["type"] == "track":
            times = sent[user, event["event"]]
            if times == 0:
                verdict.lost.append(message_id)
            elif times > 1:
                verdict.applied_twice.append(message_id)
        else:
            place = event["traits"]["place"]
            if contacts.get(user, {}).get(f"p{place}") != place:
                verdict.lost.append(message_id)
    for user, bodies in applied.items():
        _judge_order(user, bodies, verdict)
    _judge_books([event["messageId"] for event in events], stack, verdict)
    return verdict


def _judge_order(user: str, bodies: list[dict[str, Any]], verdict: Verdict) -> None:
    latest, previous = 0, None
    for body in bodies:
        place = body.get("place") or body["eventProperties"]["place"]
        if body == previous:
            # The worst case of a crash or a lost answer: the last request once more, with no effect.
            verdict.repeated_updates += 1
        elif place < latest or (place == latest and "eventName" in body):
            verdict.out_of_order.append(f"{user}: {place} after {latest}")
        latest, previous = max(latest, place), body


def _judge_books(enqueued: list[str], stack: Stack, verdict: Verdict) -> None:
    """Every event is accounted for: delivered, dead, or a second copy of one that was; and every request is."""
    counters = stack.counters
    if counters["delivered"] + counters.get("filtered", 0) + counters.get("dead", 0) != len(enqueued):
        verdict.unexplained.append(f"{len(enqueued)} enqueued, but {counters}")
    verdict.miscounted, figures = judge_books(stack, set(enqueued) - set(verdict.lost))
    verdict.figures.update(figures)
    summary = stack.sandbox.summary()
    verdict.figures.update(counters)
    verdict.figures.update(
        received=summary["received"],
        by_fault=summary["by_fault"],
        most_in_a_second=summary["max_received_per_second"],
        repeated_updates=verdict.repeated_updates,
    )
