"""Which destinations have keys that do not hold what they should: they are named, so that the others can be shown."""

from collections.abc import Collection
from typing import Any, Final

from redis import Redis

from segue_producer.keys import Keys
from segue_producer.lua import read_script

_SCRIPT: Final = read_script("segue_worker/observing/damage")
_MEANT: Final = {
    **dict.fromkeys(("due", "bulk", "away", "dead_at"), "zset"),
    **dict.fromkeys(("live", "lease", "parked", "dead", "windows", "because", "measured"), "hash"),
    **dict.fromkeys(("totals", "measures"), "numbers"),
    **dict.fromkeys(("pending", "pending_bulk"), "number"),
    **dict.fromkeys(("clock", "paused", "settled", "sent", "known", "moving"), "string"),
    "settings": "limits",
    "log": "stream",
}
"""Attribute of `Keys` → what the key should hold, as damage.lua reads it: the keys from which whole destinations are shown."""
_WORDS: Final = {"zset": "sorted set", "numbers": "hash", "number": "string", "limits": "hash"}


def read_damage(redis: "Redis", names: Collection[str]) -> dict[str, str]:
    """Those of the destinations of which a key is damaged → what is wrong, and what to do.

    Workers deliver what they can meanwhile; but what such a destination holds and does cannot be read as a whole.

    Args:
        redis: client that answers bytes.
        names: destinations.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    script = redis.register_script(_SCRIPT)
    with redis.pipeline(transaction=False) as pipe:
        for name in names:
            script(keys=[getattr(Keys(name), each) for each in _MEANT], args=list(_MEANT.values()), client=pipe)
        answers: list[Any] = pipe.execute()
    return {name: _text(name, answer) for name, answer in zip(names, answers, strict=True) if answer}


def _text(name: str, answer: list[Any]) -> str:
    pairs = zip(answer[::2], answer[1::2], strict=True)
    wrong = "; ".join(_said(name, place, found.decode("utf-8", "replace")) for place, found in pairs)
    return (
        f"destination {name!r} is damaged in Redis, and is not shown: {wrong}. Correct that, or rename the key to put it "
        "aside; docs/running.md#a-damaged-destination says what is lost with it"
    )


def _said(name: str, place: int, instead: str) -> str:
    attribute, meant = list(_MEANT.items())[place - 1]
    key = getattr(Keys(name), attribute)
    if instead.startswith("no number"):
        field = instead.removeprefix("no number").removeprefix(" in ")
        return f"the field {field} of {key} is no number" if field else f"{key} is no number"
    a, b = (_WORDS.get(each, each) for each in (instead, meant))
    return f"{key} is a {a}, and should be a {b}"
