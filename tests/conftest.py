"""Fixtures that several kinds of tests share."""

from collections.abc import Iterator

import pytest

from segue_worker.embedded_redis import EmbeddedRedis


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """A Redis server for this test process."""
    with EmbeddedRedis() as server:
        yield server
