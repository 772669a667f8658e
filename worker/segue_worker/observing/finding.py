"""What a look at a part of the installation finds."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Works, with a weakness one should know of."""
    FAULT = "fault"
    """Events are not delivered, or may be lost."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what was looked at, as `redis` or `workers`.
        level: how bad it is.
        text: what was found, on one line.
        advice: what to do; "" where nothing is to be done.
    """

    subject: str
    level: Level
    text: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.text}; {self.advice}" if self.advice else self.text
