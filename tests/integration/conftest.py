from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from segue_sandbox.embedded_redis import EmbeddedRedis

from .browser import DashboardProcess, open_browser
from .stack import Stack


@pytest.fixture
def make_stack(redis_server: EmbeddedRedis, tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Make the one stack of a test."""
    with ExitStack() as exits:

        def make(**options: Any) -> Stack:
            return exits.enter_context(Stack(redis_server, tmp_path, **options))

        yield make


@pytest.fixture
def dashboard(stack: Stack) -> Iterator[DashboardProcess]:
    """The dashboard of a module's own stack."""
    with DashboardProcess(stack) as process:
        yield process


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser
