"""Fixtures that several kinds of tests share."""

import os
from collections.abc import Iterator

import pytest
import redis
from hypothesis import settings

from segue_sandbox.embedded_redis import EmbeddedRedis, describe_server, find_server
from segue_worker.errors import RedisServerError

# The same examples each time on CI, where a change is judged; new ones at every run elsewhere, where they are found.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_report_header() -> str:
    """Name the server that the tests use; without one, stop before the first of them."""
    try:
        return f"Redis: {describe_server(find_server())}"
    except RedisServerError as error:
        raise pytest.UsageError(str(error)) from None


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
