"""Runs seeds, and sums up what came of them."""

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from tests.simulation.judge import judge
from tests.simulation.old_faults import put_back
from tests.simulation.plan import Choice, draw
from tests.simulation.world import World

_AT_ONCE = 10
"""Seeds that go to a process together."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a seed."""

    seed: int
    kinds: tuple[str, ...]
    violations: tuple[str, ...]
    rules: frozenset[str]
    points: frozenset[str]
    simulated_s: float


@dataclass(slots=True)
class Summary:
    """What came of many."""

    seeds: int = 0
    failed: list[int] = field(default_factory=list)
    rules: Counter[str] = field(default_factory=Counter)
    points: set[str] = field(default_factory=set)
    simulated_s: float = 0.0

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        self.seeds += 1
        self.points |= outcome.points
        self.rules.update(outcome.rules)
        self.simulated_s += outcome.simulated_s
        if outcome.violations:
            self.failed.append(outcome.seed)


def live(seed: int, choice: Choice) -> World:
    """Live through a seed, with an old fault put back where the choice says so."""
    with put_back(choice.fault):
        world = World(draw(seed, choice))
        world.run(judge)
    return world


def outcome(seed: int, choice: Choice) -> Outcome:
    """Live through a seed, and keep what is worth keeping."""
    world = live(seed, choice)
    return Outcome(
        seed,
        tuple(sorted(world.plan.kinds)),
        tuple(map(str, world.violations)),
        frozenset(violation.rule for violation in world.violations),
        frozenset(world.points),
        world.since_start(),
    )


def outcomes(seeds: Iterable[int], choice: Choice, *, jobs: int = 1) -> Iterator[Outcome]:
    """Live through seeds, in order, in so many processes."""
    if jobs == 1:
        for place, seed in enumerate(seeds):
            yield outcome(seed, choice)
            if place % _AT_ONCE == 0:
                # Worlds are full of cycles, and nothing is collected while a seed is lived through.
                gc.collect()
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        every = list(seeds)
        parts = [every[start : start + _AT_ONCE] for start in range(0, len(every), _AT_ONCE)]
        for some in pool.map(_several, ((part, choice) for part in parts)):
            yield from some


def _several(work: tuple[Sequence[int], Choice]) -> list[Outcome]:
    seeds, choice = work
    return list(outcomes(seeds, choice))
