"""Segue's worker side: configuration, mappings, runs, and the `segue` command."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str

__all__ = ["__version__"]


def __getattr__(name: str) -> Any:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import segue_producer  # noqa: PLC0415 - only who asks

    return segue_producer.__version__
