"""An ordinary trickle: nothing is killed and nothing fails; small batches keep coming while workers deliver.

Every contact is claimed and released again and again, and new events arrive while a settlement's answer is on its way.
"""

import itertools
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from segue_producer import Producer
from segue_producer.keys import Keys
from segue_sandbox.embedded_redis import EmbeddedRedis
from tests.chaos.books import read_log
from tests.chaos.slow_link import SlowLink
from tests.integration.stack import Stack, wait_until

DESTINATIONS: Final = ("loops", "second", "third")
TEAMS: Final = {"loops": "key"}
"""The sandbox's team of a destination, where that does not have the destination's name."""


@dataclass(frozen=True, slots=True)
class Trickle:
    """How much comes, and how.

    Attributes:
        producers: processes that enqueue, each into all destinations.
        batches: of each producer.
        batch: events in a batch.
        every_s: between two batches.
        contacts: the events are spread over so many.
        workers: that deliver.
        slow_ms: by how much every answer of Redis is late for the workers, least and most; None for not at all.
        busy: whether another process keeps a processor busy.
    """

    producers: int = 4
    batches: int = 200
    batch: int = 3
    every_s: float = 0.004
    contacts: int = 60
    workers: int = 2
    slow_ms: tuple[float, float] | None = None
    busy: bool = False

    @property
    def events(self) -> int:
        """Events for each destination."""
        return self.producers * self.batches * self.batch


@dataclass(slots=True)
class Found:
    """What is wrong, for each kind the messageIds and their destination."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    false_duplicates: list[str] = field(default_factory=list)
    deliveries: int = 0
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether nothing is."""
        return not (self.lost or self.doubled or self.false_duplicates)

    def __str__(self) -> str:
        """The figures, with a few of what is wrong."""
        wrong = ", ".join(
            f"{len(ids)} {kind} {ids[:3] or ''}".rstrip()
            for kind, ids in (
                ("lost", self.lost),
                ("doubled", self.doubled),
                ("false duplicates", self.false_duplicates),
            )
        )
        return f"{self.deliveries} deliveries in {self.seconds:.0f} s: {wrong}"


def events_of(trickle: Trickle, producer: int) -> Iterator[list[Any]]:
    """One producer's batches; every event is told from all others by its name, and has its own messageId."""
    rng = random.Random(producer)
    for batch in range(trickle.batches):
        names = [f"p{producer}-{batch * trickle.batch + place}" for place in range(trickle.batch)]
        yield [
            {
                "type": "track",
                "messageId": name,
                "userId": f"u{rng.randrange(trickle.contacts)}",
                "event": name,
                "properties": {"email": "ada@example.com"},
            }
            for name in names
        ]


def _produce(url: str, trickle: Trickle, number: int) -> None:
    with Producer(url, DESTINATIONS) as producer:
        for batch in events_of(trickle, number):
            producer.enqueue(batch)
            time.sleep(trickle.every_s)


def _spin() -> None:
    while True:
        pass


def run_trickle(trickle: Trickle, server: EmbeddedRedis, directory: Path, *, within_s: float = 120) -> Found:
    """Let it come, wait until nothing waits any more, and hold what was enqueued against what the sandbox received."""
    began = time.monotonic()
    with ExitStack() as ends, Stack(server, directory, rate_limit=10_000) as stack:
        stack.add_destinations(DESTINATIONS[1:])
        link = None
        if trickle.slow_ms is not None:
            shortest, longest = trickle.slow_ms
            link = ends.enter_context(SlowLink(server.port, shortest_ms=shortest, longest_ms=longest))
        url = f"redis://127.0.0.1:{link.port}/0" if link else server.url
        workers = [stack.worker(wait=False, SEGUE_REDIS_URL=url) for _ in range(trickle.workers)]
        for worker in workers:
            worker.wait_ready()
        if trickle.busy:
            ends.enter_context(_processes((_spin, ())))
        with _processes(*((_produce, (server.url, trickle, n)) for n in range(trickle.producers))) as producers:
            for producer in producers:
                producer.join(timeout=within_s)
        keys = [Keys(name) for name in DESTINATIONS]
        wait_until(lambda: all(int(stack.redis.get(key.pending) or 0) == 0 for key in keys), within_s=within_s)
        # Answers to settlements may still be on their way to the workers; the counters are there with the settlements.
        found = judge_trickle(trickle, stack)
    found.seconds = time.monotonic() - began
    return found


@contextmanager
def _processes(*targets: Any) -> Iterator[list[Any]]:
    context = multiprocessing.get_context("spawn")
    started = [context.Process(target=target, args=args, daemon=True) for target, args in targets]
    for process in started:
        process.start()
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.join()


def judge_trickle(trickle: Trickle, stack: Stack) -> Found:
    """Every event took effect once at every destination, and none counts as a duplicate, since each was enqueued once."""
    found = Found()
    names = [event["event"] for n in range(trickle.producers) for batch in events_of(trickle, n) for event in batch]
    applied = Counter(
        (record["team"], record["body"]["eventName"]) for record in stack.sandbox.requests() if record["applied"]
    )
    for destination in DESTINATIONS:
        for name in names:
            times = applied[TEAMS.get(destination, destination), name]
            if times == 0:
                found.lost.append(f"{name} at {destination}")
            elif times > 1:
                found.doubled.append(f"{name} at {destination}")
        for record in read_log(stack.redis, destination):
            for part in record.events:
                if part.outcome == "duplicate":
                    found.false_duplicates.append(f"{part.message_id} at {destination}")
    found.deliveries = sum(applied.values())
    return found


KINDS: Final = {
    "quiet": Trickle(),
    "busy": Trickle(busy=True),
    "slow": Trickle(slow_ms=(10, 200), every_s=0.1),
}


def main(arguments: list[str]) -> int:
    """Play kinds of trickle (`all`, or some of `quiet,busy,slow`) so many times each. Returns the exit code."""
    chosen, rounds = arguments[0], int(arguments[1])
    kinds = list(KINDS) if chosen == "all" else chosen.split(",")
    clean = True
    for kind, number in itertools.product(kinds, range(1, rounds + 1)):
        with tempfile.TemporaryDirectory() as directory, EmbeddedRedis() as server:
            found = run_trickle(KINDS[kind], server, Path(directory))
        clean = clean and found.clean
        sys.stdout.write(f"{kind} {number}: {found}\n")
        sys.stdout.flush()
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
