"""Some seeds at each change; `make simulate` lives through as many as one likes."""

import hashlib
import subprocess
import sys

import pytest

from tests.simulation.old_faults import OLD_FAULTS
from tests.simulation.plan import Choice
from tests.simulation.runner import live

FOUND: dict[str, tuple[int, Choice]] = {
    "the limit with a slow Redis": (103, Choice()),
    "an event that lost its effect because its merge was refused": (9, Choice()),
    "a heartbeat that outlives its run": (76, Choice()),
    "a claim that was ended by the one before it": (21, Choice()),
}
"""Seeds that found a fault, once."""
PUT_BACK = {"surviving-heartbeat": 76, "apart-forgotten": 9, "claims-by-contact": 21}
"""Old fault → the first seed that finds it."""


@pytest.mark.parametrize("first", range(1000, 1040, 10))
def test_every_promise_is_kept(first: int) -> None:
    for seed in range(first, first + 10):
        world = live(seed, Choice())
        assert world.violations == [], f"make simulate SEED={seed} tells how it came to that"


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_once_stays_mended(what: str) -> None:
    assert live(*FOUND[what]).violations == []


@pytest.mark.parametrize("fault", OLD_FAULTS)
def test_an_old_fault_is_found(fault: str) -> None:
    assert live(PUT_BACK[fault], Choice(fault=fault)).violations


def test_a_seed_replays_exactly_in_another_process() -> None:
    program = "from tests.simulation.test_simulation import story_of; print(story_of(22), story_of(83))"
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": hash_seed},
            timeout=120,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert answers == {f"{story_of(22)} {story_of(83)}\n"}


def story_of(seed: int) -> str:
    """A digest of a seed's story."""
    text = "\n".join(live(seed, Choice()).story.tell())
    return hashlib.sha256(text.encode()).hexdigest()
