"""A benchmark's result: one figure, measured several times, held against what it is to reach."""

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        what: is measured.
        against: what it is held against.
        values: the figure, once for each round; a ratio is made of two measurements side by side.
        unit: of the figure, `x` for a ratio.
        reach: what the median is to reach.
        better: whether that is the least or the most it may be.
        detail: what the figures were made of.
    """

    what: str
    against: str
    values: Sequence[float]
    unit: str
    reach: float
    better: Literal["higher", "lower"] = "higher"
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def figure(self) -> float:
        """The median."""
        return median(self.values)

    @property
    def reached(self) -> bool:
        """Whether the median reaches what it is to reach; of a count that is to be none, each."""
        if self.reach == 0:
            return not any(self.values)
        return self.figure >= self.reach if self.better == "higher" else self.figure <= self.reach

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON has it."""
        return {**asdict(self), "figure": self.figure, "reached": self.reached}


def ratios(ours: Iterable[float], theirs: Iterable[float]) -> list[float]:
    """How many times as much, round by round."""
    return [own / other for own, other in zip(ours, theirs, strict=True)]


def machine() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was with other things."""
    return {
        "cores": os.cpu_count(),
        "load_1m_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def write_json(path: Path, rows: Sequence[Row], about: Mapping[str, Any]) -> None:
    """Write the results as JSON."""
    result = {"machine": about, "rows": [row.to_dict() for row in rows]}
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
