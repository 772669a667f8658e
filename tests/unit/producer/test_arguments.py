"""What producers refuse of their own arguments, before they connect."""

from typing import Any

import pytest

from segue_producer import AsyncProducer, EnqueueError, Producer


@pytest.mark.parametrize("timeout", [-1, 0, float("nan"), float("inf"), 1e10, "2", None])
@pytest.mark.parametrize("make", [Producer, AsyncProducer])
def test_a_timeout_that_nobody_can_wait_for_is_refused_at_once(make: Any, timeout: Any) -> None:
    with pytest.raises(EnqueueError, match=r"timeout .*: it must be a number of seconds"):
        make(timeout=timeout)


@pytest.mark.parametrize("lane", [0, [], "", False, "slow"])
async def test_a_wrong_lane_of_a_call_is_not_taken_for_none(lane: Any) -> None:
    with pytest.raises(EnqueueError, match=r"lane .*: it must be 'live', or 'bulk'"):
        Producer("redis://127.0.0.1:1").track("u1", "E", lane=lane)
    with pytest.raises(EnqueueError, match=r"lane .*: it must be 'live', or 'bulk'"):
        await AsyncProducer("redis://127.0.0.1:1").track("u1", "E", lane=lane)
