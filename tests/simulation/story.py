"""What happened, as a readable timeline; kept as it comes, and told only where somebody asks."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from redis.exceptions import NoScriptError

import segue_producer
import segue_worker
from tests.simulation.loop import Process
from tests.simulation.redis_data import script_text

_IDS: Final = re.compile(rb'messageId\\*":\\*"(m\d+)')
_DULL: Final = frozenset({"pace", "renew", "seen", "queue_age", "trim", "status", "look", "recount", "alive"})
Command = tuple[bytes, ...]


class Story:
    """The timeline."""

    def __init__(self) -> None:
        self._lines: list[tuple[float, str, Any]] = []

    def add(self, at: float, who: Process | None, what: object) -> None:
        """Note something; `what` is told by its str, or for Redis by its commands and answers."""
        self._lines.append((at, who.name if who else "-", what))

    def tell(self) -> Iterator[str]:
        """The timeline, a line for each thing that says something."""
        for at, who, what in self._lines:
            for text in _redis(*what) if isinstance(what, tuple) else [str(what)]:
                if text:
                    yield f"{at - 1000:9.3f} {who:6} {text}"


def _redis(commands: Sequence[Command], answers: Sequence[Any]) -> Iterator[str]:
    for command, answer in zip(commands, answers, strict=True):
        name = command[0].decode().lower()
        if isinstance(answer, NoScriptError):
            continue
        if name == "evalsha":
            name = script_name(command[1])
            if name not in _DULL:
                yield _script(name, command, answer)
        elif name in {"set", "del"} and b"paused" in command[1]:
            yield f"{name} {b' '.join(command[1:]).decode()[:200]}"


def _script(name: str, command: Command, answer: Any) -> str:
    keys = int(command[2])
    destination = re.search(rb"\{(.+?)\}", command[3]) if keys else None
    args = command[3 + keys :]
    where = destination[1].decode() if destination else ""
    if name == "claim":
        if not isinstance(answer, list):
            return f"claim {where}: {answer}"
        found = [
            f"{item[0].decode()}({','.join(_ids([part for part in item[1:] if isinstance(part, bytes)]))}"
            f"{', parked' if item[1] else ''})"
            for item in answer
            if isinstance(item, list)
        ]
        return f"claim {where}: {' '.join(found)}" if found else ""
    short = [arg.decode("utf-8", "replace") for arg in args if len(arg) <= 48 and arg.isascii()]
    told = " ".join(re.sub(r"\b([0-9a-f]{6})[0-9a-f]{26}\b", r"\1", " ".join(short)).split())
    ids = ",".join(_ids(args))
    return f"{name} {where}: {told[:240]}{f' [{ids}]' if ids else ''} -> {str(answer)[:60]}"


def _ids(parts: Sequence[bytes]) -> list[str]:
    return list(dict.fromkeys(found.decode() for part in parts for found in _IDS.findall(part)))


@cache
def script_name(sha: bytes) -> str:
    """The name of one of the product's scripts: that of the file with which its text ends."""
    text = script_text(sha)
    fitting = [file for file in _lua_files() if text.endswith(file.read_bytes())]
    return max(fitting, key=lambda file: file.stat().st_size).stem if fitting else "script"


@cache
def _lua_files() -> tuple[Path, ...]:
    return tuple(
        file for package in (segue_worker, segue_producer) for file in Path(package.__path__[0]).rglob("*.lua")
    )
