"""The pytest fixture `segue_events`, which comes with installing Segue."""

from typing import Any

import pytest


@pytest.fixture
def segue_events(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The events that any `Producer` or `AsyncProducer` enqueues during the test, in order; none reaches a Redis.

    They are checked as always, and stand here as they would wait in the outbox.
    """
    # Imported for the tests that ask for it, not for every run of pytest.
    from segue_producer.async_producer import AsyncProducer  # noqa: PLC0415 - see above
    from segue_producer.producer import Producer  # noqa: PLC0415
    from segue_producer.testing import remember  # noqa: PLC0415

    events: list[dict[str, Any]] = []

    def enqueue_prepared(_: Producer, prepared: Any, *, lane: Any = None) -> list[str]:
        return remember(events, prepared, lane)

    async def enqueue_prepared_async(_: AsyncProducer, prepared: Any, *, lane: Any = None) -> list[str]:
        return remember(events, prepared, lane)

    monkeypatch.setattr(Producer, "enqueue_prepared", enqueue_prepared)
    monkeypatch.setattr(AsyncProducer, "enqueue_prepared", enqueue_prepared_async)
    return events
