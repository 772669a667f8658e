"""Problems and warnings about a configuration: the file, the line, the path within it, and the reason."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Where: TypeAlias = tuple[str | int, ...]
"""The path from the root of the file to a value: keys and positions in lists."""

_PLAIN_KEY = re.compile(r"[\w@$-]{1,60}")
_LONGEST_KEY = 60
_WRITE_KEYS = ("write_key", "write_key_file")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct or, among the warnings, to consider.

    Attributes:
        file: name of the file, as it was given.
        line: counted from 1; None when the file could not be read at all.
        path: such as `destinations[0].mappings[3].trigger`; empty for the file as a whole.
        reason: what is wrong and what to write instead; further lines are indented.
    """

    file: str
    line: int | None
    path: str
    reason: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.path, self.reason) if part)


class Findings:
    """Collects the problems and warnings of one file, and gives each the line of its path."""

    def __init__(self, file: str, lines: Mapping[Where, int], *, serving: bool) -> None:
        """Begin with no problems and no warnings.

        Args:
            file: name of the file, which problems mention.
            lines: the line on which each path begins.
            serving: whether the caller serves `sources`, and therefore needs their write keys.
        """
        self._file = file
        self._lines = lines
        self._serving = serving
        self._silenced: frozenset[Where] = frozenset()
        self._problems: dict[tuple[Where, str], Problem] = {}
        self._warnings: list[Problem] = []

    def problem(self, where: Where, reason: str, *, line: int | None = None) -> None:
        """Add a problem. The same problem is kept only once."""
        if where not in self._silenced:
            self._problems.setdefault((where, reason), self._finding(where, reason, line))

    def missing_value(self, where: Where, reason: str, *, line: int | None = None) -> None:
        """Add that a value is missing: a problem, but for a write key only a warning if `sources` are not served."""
        if self._serving or where[:1] != ("sources",) or where[-1] not in _WRITE_KEYS:
            self.problem(where, reason, line=line)
        else:
            self.warn(where, f"{reason}; `segue tracking-api` needs it, nothing else does")

    def silence(self, paths: frozenset[Where]) -> None:
        """Ignore further problems at these paths, because a value whose variable is missing has one already."""
        self._silenced = paths

    def is_silenced(self, where: Where) -> bool:
        """Tell whether further problems at a path are ignored."""
        return where in self._silenced

    def warn(self, where: Where, reason: str) -> None:
        """Add a warning."""
        self._warnings.append(self._finding(where, reason, None))

    def line_of(self, where: Where) -> int:
        """Return the line on which `where` begins, or the nearest thing around it that is known."""
        while where and where not in self._lines:
            where = where[:-1]
        return self._lines.get(where, 1)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems, in the order of the file."""
        return tuple(sorted(self._problems.values(), key=_line))

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """All warnings, in the order of the file."""
        return tuple(sorted(self._warnings, key=_line))

    def _finding(self, where: Where, reason: str, line: int | None) -> Problem:
        return Problem(self._file, line or self.line_of(where), path_text(where), reason)


def path_text(where: Where) -> str:
    """Write a path as people do: `destinations[0].mappings[3].trigger`."""
    text = ""
    for step in where:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{key_text(step)}]"
    return text


def key_text(key: str) -> str:
    """Quote a key for a message, on one line and shortened if it is long."""
    return json.dumps(key if len(key) <= _LONGEST_KEY else f"{key[:_LONGEST_KEY]}…", ensure_ascii=False)


def _line(problem: Problem) -> int:
    return problem.line or 0
