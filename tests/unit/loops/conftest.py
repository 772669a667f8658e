"""The event loops on which the client is tested."""

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """That of tests, and that of workers."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
