"""Reads small files that people name, whatever they name."""

import os
import stat
from pathlib import Path


def read_bounded(path: Path | str, limit: int) -> bytes:
    """The content of a file, or its first `limit + 1` bytes.

    Raises:
        OSError: it cannot be read, or is a pipe, which might never end; `strerror` says so.
        ValueError: no file can have such a name.
    """
    # Opening a pipe would wait until somebody writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is a pipe; save what it brings to a file")
        return file.read(limit + 1) or b""
