"""Reads and writes durations as people do: `24h`, `30d`, `90s`, `1h30m`."""

from datetime import timedelta
from typing import Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError
from pytimeparse.timeparse import timeparse

_EXAMPLE = "write a number with its unit, as 90s, 30m, 24h, 30d or 1h30m"
_UNITLESS = "a number needs a unit, as in 24h"
_LONGEST_TEXT = 40


def parse_duration(text: object) -> timedelta:
    """Read a duration.

    Args:
        text: a number with its unit (s, m, h, d or w), or several of these in a row; nothing needs no unit: 0.

    Raises:
        ValueError: it is not a duration; the message says what to write instead.
    """
    if text == "0" or (text == 0 and not isinstance(text, bool)):
        return timedelta()
    if not isinstance(text, str):
        reason = (
            _UNITLESS
            if isinstance(text, int | float) and not isinstance(text, bool)
            else f"needs a duration: {_EXAMPLE}"
        )
        raise ValueError(reason)  # noqa: TRY004 - pydantic takes ValueError, and the reason is for the reader of the file
    if text.strip().replace(".", "", 1).isdigit():
        raise ValueError(_UNITLESS)
    seconds = timeparse(text) if len(text) <= _LONGEST_TEXT and text.isascii() and ":" not in text else None
    if seconds is None:
        raise ValueError(f"not a duration: {_EXAMPLE}")
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        return timedelta.max if seconds > 0 else timedelta.min


def duration_text(span: timedelta) -> str:
    """Write a duration, exact to the millisecond, so that `parse_duration` reads it back."""
    seconds = span / timedelta(seconds=1)
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds > size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def between(least: str, most: str) -> tuple[BeforeValidator, WithJsonSchema]:
    """Return what pydantic needs to read a duration within limits (`Annotated[timedelta, *between("1s", "5m")]`)."""
    low, high = parse_duration(least), parse_duration(most)

    def read(value: Any) -> timedelta:
        try:
            span = value if isinstance(value, timedelta) else parse_duration(value)
        except ValueError as error:
            raise PydanticCustomError("segue", "{reason}", {"reason": str(error)}) from None
        if not low <= span <= high:
            raise PydanticCustomError("segue", "{reason}", {"reason": f"must be between {least} and {most}"})
        return span

    description = f"A duration between {least} and {most}: {_EXAMPLE}."
    return BeforeValidator(read), WithJsonSchema(
        {"type": "string", "description": description, "examples": [least, most]}
    )
