"""Recorded cases of Segment's own implementation, and how their expectations compare (cases/README.md)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CASES = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    id: str
    tags: tuple[str, ...]
    input: dict[str, Any]
    expected: dict[str, Any]
    loose: str | None
    plain: bool

    def __str__(self) -> str:
        return self.id


def cases(name: str) -> list[Case]:
    """Read one file of cases; `loose` is the scope left free: `message`, `value` or None."""
    lines = (_CASES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        Case(
            id=row["id"],
            tags=tuple(row["tags"]),
            input=row["input"],
            expected=row["expected"],
            loose=row.get("looseScope") if row.get("loose") else None,
            plain=row.get("plain", False),
        )
        for row in rows
    ]


def recorded_defaults() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((_CASES / "defaults.json").read_text(encoding="utf-8"))
    return loaded


def same(left: Any, right: Any) -> bool:
    """Compare type-strictly: true is not 1 and "1" is not 1, but 1.0 is 1; key order does not count."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    return type(left) is type(right) and bool(left == right)
