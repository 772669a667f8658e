"""What happened, as a readable timeline; kept as it comes, and told only where somebody asks."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from redis.exceptions import NoScriptError

import segue_producer
import segue_worker
from tests.simulation.loop import Process

_IDS: Final = re.compile(rb'messageId\\*":\\*"(m\d+)')
_OWNER: Final = re.compile(r"\b([0-9a-f]{6})[0-9a-f]{26}\b")
_BEFORE_CONTACT: Final = re.compile(r"^.*?:damaged: ")
_SHORT: Final = 48
_DULL: Final = frozenset({"pace", "renew", "seen", "queue_age", "trim", "status", "look", "recount", "alive"})
Command = tuple[bytes, ...]


class Story:
    """The timeline.

    Args:
        texts: of the scripts, by their SHA-1.
    """

    def __init__(self, texts: Mapping[bytes, bytes]) -> None:
        self._texts = texts
        self._lines: list[tuple[float, str, Any]] = []

    def add(self, at: float, who: Process | None, what: object) -> None:
        """Note something; `what` is told by its str, or for Redis by its commands and answers."""
        self._lines.append((at, who.name if who else "-", what))

    def tell(self) -> Iterator[str]:
        """The timeline, a line for each thing that says something."""
        for at, who, what in self._lines:
            for text in self._redis(*what) if isinstance(what, tuple) else [str(what)]:
                if text:
                    yield f"{at - 1000:9.3f} {who:6} {text}"

    def name_of(self, command: Command) -> str:
        """What a command is called: a script by the name of its file."""
        name = command[0].decode().lower()
        return _script_name(self._texts.get(command[1], b"")) if name == "evalsha" else name

    def _redis(self, commands: Sequence[Command], answers: Sequence[Any]) -> Iterator[str]:
        for command, answer in zip(commands, answers, strict=True):
            name = self.name_of(command)
            if isinstance(answer, NoScriptError):
                continue
            if command[0].lower() == b"evalsha" and name not in _DULL:
                yield _script(name, command, answer)
            elif name in {"set", "del"} and b"paused" in command[1]:
                yield f"{name} {b' '.join(command[1:]).decode()[:200]}"


def _script(name: str, command: Command, answer: Any) -> str:
    keys = int(command[2])
    destination = re.search(rb"\{(.+?)\}", command[3]) if keys else None
    args = command[3 + keys :]
    where = destination[1].decode() if destination else ""
    if name == "claim" and isinstance(answer, list):
        return _claim(where, answer)
    short = " ".join(arg.decode() for arg in args if len(arg) <= _SHORT and arg.isascii())
    told = _OWNER.sub(r"\1", " ".join(short.split()))
    if name == "settle":
        # What comes before is the same each time, and what comes after is measures.
        told = _BEFORE_CONTACT.sub("", told).partition(" took:")[0]
    ids = ",".join(_ids(args))
    return f"{name} {where}: {told[:200]}{f' [{ids}]' if ids else ''} -> {str(answer)[:60]}"


def _claim(where: str, answer: list[Any]) -> str:
    found = [
        f"{item[0].decode()}({','.join(_ids([part for part in item[1:] if isinstance(part, bytes)]))}"
        f"{', parked' if item[1] else ''})"
        for item in answer
        if isinstance(item, list)
    ]
    return f"claim {where}: {' '.join(found)}" if found else ""


def _ids(parts: Sequence[bytes]) -> list[str]:
    return list(dict.fromkeys(found.decode() for part in parts for found in _IDS.findall(part)))


@cache
def _script_name(text: bytes) -> str:
    """The name of one of the product's scripts: that of the file with which its text ends."""
    fitting = [file for file in _lua_files() if text.endswith(file.read_bytes())]
    return max(fitting, key=lambda file: file.stat().st_size).stem if fitting else "script"


@cache
def _lua_files() -> tuple[Path, ...]:
    return tuple(
        file for package in (segue_worker, segue_producer) for file in Path(package.__path__[0]).rglob("*.lua")
    )
