"""Reads a configuration anew only where one of its files has changed: for who looks at it again and again."""

from collections.abc import Sequence
from pathlib import Path

from segue_worker.config.load import Inspection, inspect_config

_Stat = tuple[int, int, int, int] | None


class ConfigCache:
    """What `inspect_config` said last of each path.

    It costs a millisecond for each destination, and a page of the dashboard is asked for every second. What the variables
    of the process hold does not change under it.
    """

    def __init__(self) -> None:
        self._found: dict[Path, tuple[list[_Stat], Inspection]] = {}

    def __call__(self, path: Path) -> Inspection:
        """The same as `inspect_config(path)`."""
        stats, known = self._found.get(path, ([], None))
        # Before they are read: what is written meanwhile makes the next call read again.
        now = _stats(known.files if known else [path])
        if known is not None and now == stats:
            return known
        found = inspect_config(path)
        self._found[path] = now, found
        return found if known else self(path)


def _stats(files: Sequence[Path]) -> list[_Stat]:
    """What changes of each file when it is written or replaced; None for one that is not there."""
    return [_stat(file) for file in files]


def _stat(file: Path) -> _Stat:
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
