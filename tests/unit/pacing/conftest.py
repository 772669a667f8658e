"""Time that passes only while nothing else is to be done, so that no test goes by how busy the machine is."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from fakeredis.commands_mixins import server_mixin

Virtually = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine to its end, in virtual time."""


class VirtualTime(selectors.DefaultSelector):
    """Instead of waiting for a timer it moves the time on."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        """Without a timer nothing would ever happen again."""
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits for somebody else"
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that goes by virtual time."""

    def __init__(self) -> None:
        self._virtual = VirtualTime()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


class Clock:
    """Seconds that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the pacers, and Redis's."""
    clock = Clock()
    monkeypatch.setattr(server_mixin, "time", SimpleNamespace(time=clock))
    return clock


@pytest.fixture
def virtually(monkeypatch: pytest.MonkeyPatch) -> Virtually:
    """The time of Redis is that of the loop."""

    def run(begun: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            monkeypatch.setattr(server_mixin, "time", SimpleNamespace(time=runner.get_loop().time))
            return runner.run(begun)

    return run
