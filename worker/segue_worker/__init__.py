"""Segue's worker side: configuration, mappings, runs, and the `segue` command."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery import Celery

    __version__: str
    app: Celery

__all__ = ["__version__", "app"]


def __getattr__(name: str) -> Any:
    """`__version__`, and `app`, where `celery -A segue_worker` looks first; both are loaded only for who asks."""
    if name == "__version__":
        return import_module("segue_producer").__version__
    if name == "app":
        return _app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _app() -> Any:
    """The Celery application. Without the extra `worker` the process ends with one line that says how to get it."""
    try:
        return import_module("segue_worker.celery").app
    except ModuleNotFoundError as missing:
        said = import_module("segue_worker.extras").not_installed(missing, "worker")
        sys.stderr.write(f"{said}\n")
        raise SystemExit(2) from None
