"""The trickle at a size that a test run can bear."""

from dataclasses import replace
from pathlib import Path

import pytest

from segue_sandbox.embedded_redis import EmbeddedRedis

from .trickle import KINDS, Trickle, run_trickle


@pytest.mark.parametrize(
    "trickle", [replace(KINDS["busy"], batches=100), replace(KINDS["slow"], batches=20)], ids=["busy", "slow"]
)
def test_a_trickle_loses_nothing_and_makes_no_duplicates(
    redis_server: EmbeddedRedis, tmp_path: Path, trickle: Trickle
) -> None:
    found = run_trickle(trickle, redis_server, tmp_path)
    assert found.clean, found
    assert found.deliveries == 3 * trickle.events
