"""What clients of a Redis really ask for, as the server itself tells it."""

import re
import socket
import threading
from contextlib import suppress
from typing import Self

import redis

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Monitored:
    """Collects every command that a server gets, those of scripts included.

    Args:
        port: of the server, for whoever may do everything.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.commands: set[tuple[str, ...]] = set()

    def _read(self) -> None:
        with self._socket.makefile("rb") as lines:
            for line in lines:
                words = _WORD.findall(line.decode("latin-1"))
                # Values are of no interest, and no two of them are the same.
                self.commands.add(tuple(word[:200] for word in words[:24]))

    def __enter__(self) -> Self:
        self._socket.sendall(b"MONITOR\r\n")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=10)
        self._socket.close()


def denied(client: redis.Redis, user: str, commands: set[tuple[str, ...]]) -> set[str]:
    """Names of those commands that a user may not give."""
    found = set()
    for command in commands:
        # What is no command by itself, because its end was cut off, cannot be judged.
        with suppress(redis.ResponseError):
            if client.execute_command("ACL DRYRUN", user, *command) != b"OK":
                found.add(command[0])
    return found
