"""The scenario at a size that a test run can bear, and a kill at each named point."""

import os
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest

from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.delivery.fault_points import Point
from tests.integration.stack import Stack, wait_until

from .engines import Single
from .scenario import SMALL, judge, make_events, run_chaos

SEED = int(os.environ.get("SEGUE_CHAOS_SEED", "20261123"))


def test_nothing_is_lost_doubled_or_out_of_order_whatever_is_killed(tmp_path: Path) -> None:
    with EmbeddedRedis() as server:
        verdict = run_chaos(SMALL, SEED, Single(server), tmp_path)
    assert verdict.clean, f"seed {SEED}: {verdict}"


# Few contacts are claimed at once, and a run hands over only after its five seconds.
TIMES = {"after_claim": 1, "hand_over": 1}


@pytest.mark.parametrize("point", get_args(Point))
def test_a_kill_at_a_named_point_loses_and_doubles_nothing(
    redis_server: EmbeddedRedis, tmp_path: Path, point: str
) -> None:
    """The worker's process dies there; another worker takes over."""
    scale = replace(SMALL, events=200, contacts=40)
    events: list[Any] = make_events(scale, Random(SEED))
    with Stack(redis_server, tmp_path, rate_limit=20 if point == "hand_over" else 100) as stack:
        stack.producer.enqueue(events)
        armed = stack.worker(SEGUE_FAULT_POINT=f"{point}:{TIMES.get(point, 3)}", wait=False)
        wait_until(lambda: armed.ended)
        armed.kill()
        before = len(stack.sandbox.requests())
        stack.worker()
        wait_until(lambda: len(stack.sandbox.requests()) > before or stack.pending == 0, within_s=15)
        stack.wait_delivered()
        verdict = judge(events, stack)
    assert verdict.clean, f"seed {SEED}: {verdict}"
