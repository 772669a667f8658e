"""Nothing comes in from outside: clocks, randomness and ids are the world's, and what the product logs is heard."""

import gc
import logging
import os
import random
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

if TYPE_CHECKING:
    from tests.simulation.world import World


class _Ear(logging.Handler):
    """Hears what the product logs: the story tells it, and an unexpected exception is a broken promise."""

    def __init__(self, world: "World") -> None:
        super().__init__(logging.WARNING)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            told = "".join(traceback.format_exception(record.exc_info[1])[-3:])
            self._world.violate("crash", f"{text} {told}")
        else:
            self._world.tell(f"log: {text}")


@contextmanager
def hermetic(world: "World") -> Iterator[None]:
    """Shut the outside out for a while."""
    ear = _Ear(world)
    loggers = [logging.getLogger(name) for name in ("segue_worker", "segue_producer")]
    state, collects = random.getstate(), gc.isenabled()
    random.seed(f"{world.plan.seed}:global")
    # When it is collected is not the seed's to say, and abandoned tasks must not come to life by it.
    gc.disable()
    for logger in loggers:
        logger.addHandler(ear)
        logger.propagate = False
    try:
        with (
            patch.object(time, "time", world.wall_clock),
            patch.object(time, "monotonic", world.loop.time),
            patch.object(os, "urandom", world.random("urandom").randbytes),
        ):
            yield
    finally:
        for logger in loggers:
            logger.removeHandler(ear)
            logger.propagate = True
        random.setstate(state)
        if collects:
            gc.enable()
