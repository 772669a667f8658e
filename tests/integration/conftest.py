from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from segue_sandbox.embedded_redis import EmbeddedRedis

from .stack import Stack


@pytest.fixture
def make_stack(redis_server: EmbeddedRedis, tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Make the one stack of a test."""
    with ExitStack() as exits:

        def make(**options: Any) -> Stack:
            return exits.enter_context(Stack(redis_server, tmp_path, **options))

        yield make
