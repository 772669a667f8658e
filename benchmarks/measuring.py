"""What every measurement of deliveries stands on: the stack that the integration tests use, with a Redis of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.integration.stack import Stack

from segue_sandbox.embedded_redis import EmbeddedRedis

NO_LIMIT: Final = 10_000
"""Requests a second that nothing here comes near."""


@contextmanager
def new_stack(*, rate_limit: int = NO_LIMIT, redis_options: tuple[str, ...] = (), **options: Any) -> Iterator[Stack]:
    """A stack for one measurement. `options` are those of `Stack`; `redis_options` are for redis-server's command line.

    Raises RuntimeError at the end where a duplicate was counted: every messageId was enqueued once, so one was lost.
    """
    with (
        TemporaryDirectory(prefix="segue-bench-") as directory,
        EmbeddedRedis(options=redis_options) as server,
        Stack(server, Path(directory), rate_limit=rate_limit, **{"max_pending": 10_000_000, **options}) as stack,
    ):
        yield stack
        duplicates = stack.counters.get("duplicates", 0)
        if duplicates:
            raise RuntimeError(f"{duplicates} events were dropped as duplicates, though each was enqueued once")
