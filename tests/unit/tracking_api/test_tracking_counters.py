"""What the Tracking API counts, as the metrics read it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from segue_producer.keys import TRACKING_TOTALS
from segue_tracking_api.counters import Counters
from segue_tracking_api.intake import MessageSorter
from segue_tracking_api.limits import Limits


@pytest.fixture
async def redis() -> AsyncIterator[FakeAsyncRedis]:
    async with FakeAsyncRedis(version=(6, 2)) as client:
        yield client


async def test_requests_are_counted_by_what_became_of_them_and_why(redis: FakeAsyncRedis) -> None:
    counters = Counters(redis)
    sorter = MessageSorter(datetime.now(UTC), Limits())
    for index, message in enumerate(
        ({"type": "track", "userId": "u1", "event": "E"}, {"type": "page"}, {"type": "track"}, "no object")
    ):
        sorter.sort(index, message)
    sorter.intake.discarded = 1
    counters.took(sorter.intake)
    for code in ("invalid_json", "outbox_full", "outbox_full"):
        counters.refused(code)
    await counters.flush()
    await counters.flush()
    counted: Any = await redis.hgetall(TRACKING_TOTALS)
    assert {name.decode(): int(count) for name, count in counted.items()} == {
        "requests": 1,
        "accepted": 1,
        "rejected": 2,
        "discarded": 1,
        "dropped_page": 1,
        "refused:invalid_json": 1,
        "refused:outbox_full": 2,
    }
