"""Reads the numbers that a hash in Redis holds. One that is damaged hides no other."""

import re
from collections.abc import Mapping
from typing import Any, Final

from redis import ResponseError

_NUMBER: Final = re.compile(rb"-?[0-9]{1,20}")


def read_counts(raw: Mapping[Any, Any] | Exception) -> dict[str, int]:
    """A hash of numbers, as Redis answers it. What is none is left out, and of a key that is no hash everything.

    Raises:
        redis.RedisError: Redis refused it for another reason.
    """
    if isinstance(raw, Exception):
        if not is_wrong_type(raw):
            raise raw
        return {}
    try:
        return {_text(name): int(count) for name, count in raw.items()}
    except ValueError:
        return {_text(name): int(count) for name, count in raw.items() if _NUMBER.fullmatch(count)}


def is_wrong_type(answer: Any) -> bool:
    """Whether Redis answered that a key holds something of another type."""
    return isinstance(answer, ResponseError) and "WRONGTYPE" in str(answer)


def _text(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
