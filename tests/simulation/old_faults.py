"""Faults that Segue once had, put back one at a time to show that the simulation finds them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

from segue_worker.delivery.backlog import Backlog
from segue_worker.delivery.lease import Lease


def _surviving_heartbeat() -> Any:
    """A heartbeat trusted its cancellation, which a library may swallow, and renewed the run's key for ever."""
    return patch.object(Lease, "end", lambda _self: None)


def _apart_key() -> Any:
    """That a merge was refused was known to the delivery alone: whoever planned it again used the merge's key."""
    return patch.object(Backlog, "take_apart", lambda _self, request: list(request.parts))


OLD_FAULTS: Final[dict[str, Callable[[], Any]]] = {
    "surviving-heartbeat": _surviving_heartbeat,
    "apart-key": _apart_key,
}


@contextmanager
def put_back(name: str | None) -> Iterator[None]:
    """Put a fault back for a while; none where there is no name."""
    if name is None:
        yield
        return
    with OLD_FAULTS[name]():
        yield
