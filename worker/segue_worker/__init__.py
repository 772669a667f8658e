"""Segue's worker side: configuration, mappings, runs, and the `segue` command."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery import Celery


def __getattr__(name: str) -> "Celery":
    """`app`, where `celery -A segue_worker` looks first. Without the extra `worker` the process ends with one line."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from segue_worker.celery import app  # noqa: PLC0415 - Celery is to be loaded only where it is asked for
    except ModuleNotFoundError as missing:
        from segue_worker.extras import not_installed  # noqa: PLC0415 - same

        sys.stderr.write(f"{not_installed(missing, 'worker')}\n")
        raise SystemExit(2) from None
    return app
