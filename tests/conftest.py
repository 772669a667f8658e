"""Fixtures that several kinds of tests share."""

import os
import signal
from collections import Counter
from collections.abc import Iterator

import pytest
import redis
from hypothesis import HealthCheck, settings

from segue_sandbox.embedded_redis import EmbeddedRedis, describe_server, find_server
from segue_worker.errors import RedisServerError

# The same examples each time on CI, where a change is judged; new ones at every run elsewhere, where they are found.
# Nowhere is it asked how long one takes.
settings.register_profile(
    "segue", derandomize=bool(os.environ.get("CI")), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("segue")

# What is started in the background of a script ignores Ctrl-C, and so would all that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Name the server that the tests use; without one, stop before the first of them."""
    try:
        return f"Redis: {describe_server(find_server())}"
    except RedisServerError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Sum up what was skipped, and why."""
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped"))
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"skipped {count}: {reason}")


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
