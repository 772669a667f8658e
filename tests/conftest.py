"""Fixtures that several kinds of tests share."""

from collections.abc import Iterator

import pytest
import redis

from segue_worker.embedded_redis import EmbeddedRedis


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """A Redis server for this test process."""
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture(autouse=True)
def _empty_redis(request: pytest.FixtureRequest) -> None:
    """No test finds in the shared server what another one left."""
    if "redis_server" in request.fixturenames:
        with redis.Redis.from_url(request.getfixturevalue("redis_server").url) as client:
            client.flushall()
