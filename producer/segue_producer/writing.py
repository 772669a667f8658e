"""Small writes that must go through where Redis is full: marks of life, of sweeps, of pauses."""

from collections.abc import Mapping
from itertools import chain
from typing import Any, Final

from segue_producer.lua import read_script

_WRITE: Final = read_script("segue_producer/write")


def write(redis: Any, command: str, key: str, *arguments: Any) -> Any:
    """Make one write to Redis, also where it is full.

    Args:
        redis: a client.
        command: as Redis names it, like `SET`.
        key: which it writes.
        arguments: what follows the key; a few thousand at most.

    Returns:
        what Redis answers; of an asyncio client to be awaited.
    """
    return redis.register_script(_WRITE)(keys=[key], args=[command, *arguments])


def write_fields(redis: Any, key: str, fields: Mapping[Any, Any]) -> Any:
    """The same for fields of a hash."""
    return write(redis, "HSET", key, *chain.from_iterable(fields.items()))
