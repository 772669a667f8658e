"""What happened, as a readable timeline; kept as it comes, and told only where somebody asks."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

from redis.exceptions import NoScriptError

from tests.simulation.loop import Process

_IDS: Final = re.compile(rb'messageId\\*":\\*"(m\d+)')
_DULL: Final = frozenset({"pace", "renew", "seen", "queue_age", "trim", "status"})
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
            name = script_names().get(command[1], "script")
            if name not in _DULL and b"oldest_ms" not in command:
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
        found = [f"{item[0].decode()}({','.join(_ids(item[3:]))}{', parked' if item[1] else ''})" for item in answer]
        return f"claim {where}: {' '.join(found)}" if found else ""
    short = [arg.decode("utf-8", "replace") for arg in args if len(arg) <= 48 and arg.isascii()]
    told = " ".join(re.sub(r"\b([0-9a-f]{6})[0-9a-f]{26}\b", r"\1", " ".join(short)).split())
    ids = ",".join(_ids(args))
    return f"{name} {where}: {told[:240]}{f' [{ids}]' if ids else ''} -> {str(answer)[:60]}"


def _ids(parts: Sequence[bytes]) -> list[str]:
    return list(dict.fromkeys(found.decode() for part in parts for found in _IDS.findall(part)))


@cache
def script_names() -> dict[bytes, str]:
    """The name of each of the product's scripts, by its SHA-1."""
    names = {}
    for package in ("segue_worker", "segue_producer"):
        for file in _lua(files(package)):
            names[hashlib.sha1(file.read_bytes()).hexdigest().encode()] = file.name.removesuffix(".lua")  # noqa: S324
    return names


def _lua(folder: Traversable) -> Iterator[Traversable]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _lua(item)
        elif item.name.endswith(".lua"):
            yield item
