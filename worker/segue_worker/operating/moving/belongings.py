"""What a move takes along that has no order: dead letters, and which messageIds were settled."""

from itertools import chain
from typing import Any, Final

from redis import Redis

from segue_producer.keys import Keys
from segue_producer.lua import read_script

LETTERS_AT_ONCE: Final = 200
_LETTERS: Final = read_script("segue_worker/operating/moving/letters")
_REMEMBER: Final = read_script("segue_worker/operating/moving/remember")


def move_letters(redis: "Redis", old: Keys, new: Keys, arrived: str, token: str) -> tuple[bool, int]:
    """Move the oldest dead letters; a repeat puts none there twice.

    Args:
        redis: client that answers bytes.
        old: keys of the destination they are at.
        new: keys of that they go to.
        arrived: key of the hash that says what has arrived there.
        token: of the move.

    Returns:
        whether there were any, and how many of them arrived now.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    found: Any = redis.zrange(old.dead_at, 0, LETTERS_AT_ONCE - 1, withscores=True)
    if not found:
        return False, 0
    ids = [name for name, _ in found]
    letters = zip(found, redis.hmget(old.dead, ids), strict=True)
    args = [(name, f"{at:.3f}", raw) for (name, at), raw in letters if raw is not None]
    script = redis.register_script(_LETTERS)
    count = script(keys=[new.dead, new.dead_at, arrived], args=[token, *chain.from_iterable(args)])
    with redis.pipeline(transaction=True) as pipe:
        pipe.hdel(old.dead, *ids)
        pipe.zrem(old.dead_at, *ids)
        pipe.execute()
    return True, int(count)


def remember(redis: "Redis", old: Keys, new: Keys) -> None:
    """Let one destination know which messageIds another has settled, so that they stay duplicates; any number of times.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    script = redis.register_script(_REMEMBER)
    windows: Any = redis.hgetall(old.windows)
    for length, newest in windows.items():
        part = f"{length.decode()}:" if int(length) > 0 else ""
        for window in (int(newest), int(newest) - 1):
            for bucket in range(256):
                name = f"{part}{window}:{bucket:02x}"
                digests: Any = redis.hgetall(old.seen + name)
                kept_ms = int(redis.pttl(old.seen + name))
                if digests and kept_ms > 0:
                    args = [length, window, kept_ms, *chain.from_iterable(digests.items())]
                    script(keys=[new.seen + name, new.windows], args=args)
