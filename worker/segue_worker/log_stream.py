"""Nothing but JSON leaves the process, whoever writes: Celery's banner, warnings, tracebacks, libraries that print.

stdout and stderr become pipes. What comes out of them is written as a record of the log to what was stderr before. The log's
own handlers write there at once, so a process that is killed loses nothing of them.
"""

import atexit
import os
import select
import sys
import threading
from collections.abc import Callable
from typing import Final, TextIO

_TOGETHER_S: Final = 0.05
"""What is written within this time of each other is one text: a traceback comes in lines."""
_AT_ONCE: Final = 64 * 1024
_JOIN_S: Final = 2.0

AsLine = Callable[[str, str], str]
"""Makes a line of the log of a text, and of where it was written to: `stdout` or `stderr`."""
_taken: list[TextIO] = []
_pipes: list["_Pipe"] = []


def take_over(as_line: AsLine) -> TextIO:
    """Have everything leave as JSON from now on, until the process ends; a second call changes nothing.

    Returns:
        what was stderr: where the log is to be written.
    """
    if not _taken:
        log = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
        _taken.append(log)
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            _pipes.append(_Pipe(descriptor, name, as_line, log))
        atexit.register(give_back)
    return _taken[0]


def give_back() -> None:
    """Tell what was written until now, and let stdout and stderr be what they were: the process ends, or gets a new program."""
    while _pipes:
        _pipes.pop().end()


def log_stream() -> TextIO | None:
    """What was stderr before it was taken over; None where it was not."""
    return _taken[0] if _taken else None


class _Pipe:
    """Stands in the place of a file descriptor."""

    def __init__(self, descriptor: int, name: str, as_line: AsLine, log: TextIO) -> None:
        self._descriptor, self._name, self._as_line, self._log = descriptor, name, as_line, log
        self._pid = os.getpid()
        self._was = os.dup(descriptor)
        self._reads, self._writes = os.pipe()
        os.dup2(self._writes, descriptor)
        self._ending = False
        self._thread = threading.Thread(target=self._work, name=f"segue-{name}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Tell what was written until now, and give the descriptor back. Does nothing in a forked child."""
        if os.getpid() != self._pid:
            return
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
        os.dup2(self._was, self._descriptor)
        self._ending = True
        os.write(self._writes, b"\n")
        self._thread.join(_JOIN_S)

    def _work(self) -> None:
        held = b""
        while True:
            ready, _, _ = select.select([self._reads], [], [], _TOGETHER_S if held or self._ending else None)
            if ready:
                held += os.read(self._reads, _AT_ONCE)
            if not ready or len(held) >= _AT_ONCE:
                self._tell(held.decode("utf-8", "backslashreplace"))
                held = b""
            if not ready and self._ending:
                return

    def _tell(self, text: str) -> None:
        if told := text.strip():
            self._log.write(f"{self._as_line(told, self._name)}\n")
