"""A few of the seeds that `make simulate` lives through, and those that found a fault."""

import hashlib
import os
import subprocess
import sys

import pytest

from tests.simulation.old_faults import OLD_FAULTS
from tests.simulation.plan import Choice
from tests.simulation.runner import live

SEEDS = 40
FOUND = {
    9: "a merge was refused, and its event counted as delivered when it was sent again under the merge's key",
    87: "a look with a time read earlier took it for a clock that was set back, and claims lapsed early",
    103: "with a slow Redis slots were used late, and a second held one request too many",
    187: "as 87, and a second request of a contact was sent beside the first",
    258: "what the last slot of a run was used late by was never reported, and a second held one request too many",
}
PUT_BACK = {
    "surviving-heartbeat": {"swallow"},
    "apart-key": {"poison"},
    "claims-by-contact": {"redis slow", "redis lossy"},
    "forget-race": {"forget", "loops slow"},
}
"""Old fault → the kinds of faults that bring it to light."""


@pytest.mark.parametrize("seed", [*range(1, SEEDS + 1), *(seed for seed in FOUND if seed > SEEDS)])
def test_every_promise_is_kept(seed: int) -> None:
    assert live(seed, Choice()).violations == [], f"make simulate SEED={seed} tells how it came to that"


@pytest.mark.parametrize("fault", OLD_FAULTS)
def test_an_old_fault_is_found(fault: str) -> None:
    choice = Choice(only=frozenset(PUT_BACK[fault]), fault=fault)
    assert any(live(seed, choice).violations for seed in range(1, 100))


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
