"""The results of checking the parts of an installation."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    """It works, but has a weakness that one should know of."""
    FAULT = "fault"
    """Events are not delivered, or may be lost."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        subject: what was checked, such as `redis` or `workers`.
        level: how bad it is.
        text: what was found, on one line.
        advice: what to do about it; "" where nothing needs to be done.
    """

    subject: str
    level: Level
    text: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.text}; {self.advice}" if self.advice else self.text
