"""A few of the seeds that `make simulate` lives through; and faults of earlier versions, put back, are found."""

import hashlib
import os
import subprocess
import sys

import pytest

from tests.simulation.old_faults import OLD_FAULTS
from tests.simulation.plan import Choice
from tests.simulation.runner import live
from tests.simulation.world import World

SEEDS = 40
PUT_BACK = {
    "surviving-heartbeat": {"swallow"},
    "apart-key": {"poison", "kill"},
    "claims-by-contact": {"redis slow", "redis lossy"},
    "forget-race": {"forget", "loops slow"},
    "clock-forward": {"redis clock", "loops slow", "sick"},
}
"""Old fault → the kinds of faults that bring it to light."""


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_every_promise_is_kept(seed: int) -> None:
    assert live(seed, Choice()).violations == [], f"make simulate SEED={seed} tells how it came to that"


@pytest.mark.parametrize("fault", OLD_FAULTS)
def test_an_old_fault_is_found(fault: str) -> None:
    choice = Choice(only=frozenset(PUT_BACK[fault]), fault=fault)
    assert any(_is_broken(live(seed, choice)) for seed in range(1, 100))


def _is_broken(world: World) -> bool:
    """Whether a promise was not kept; that the fault put back does not fit the code any more is none."""
    return any(violation.rule != "crash" for violation in world.violations) and not any(
        violation.rule == "crash" for violation in world.violations
    )


def test_a_seed_replays_exactly_in_another_process() -> None:
    program = "from tests.simulation.test_simulation import story_of; print(story_of(22), story_of(30))"
    told = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        timeout=120,
    )
    assert told.stdout == f"{story_of(22)} {story_of(30)}\n"


def story_of(seed: int) -> str:
    """A digest of a seed's story."""
    text = "\n".join(live(seed, Choice()).story.tell())
    return hashlib.sha256(text.encode()).hexdigest()
