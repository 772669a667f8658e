import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from segue_sandbox.embedded_redis import EmbeddedRedis

from .stack import Stack

CHROMIUM = shutil.which("chromium")
collect_ignore = [] if CHROMIUM else ["test_dashboard.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what could not be collected."""
    if not CHROMIUM:
        terminalreporter.write_line("not collected: the dashboard in a browser, which Debian's package chromium has")
    if not shutil.which("promtool"):
        terminalreporter.write_line("not collected: the check by promtool, which Debian's package prometheus has")


@pytest.fixture
def make_stack(redis_server: EmbeddedRedis, tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Make the one stack of a test."""
    with ExitStack() as exits:

        def make(**options: Any) -> Stack:
            return exits.enter_context(Stack(redis_server, tmp_path, **options))

        yield make
