"""`durability: replicated`: an append counts only once a replica has it too, which Redis's command WAIT tells.

WAIT speaks of what its own connection wrote, so it must follow the append there.
"""

from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError


class NotReplicatedError(RedisError):
    """The primary has it, and no replica had it in time."""


def wait_ms(timeout: float) -> int:
    """For how long to wait for a replica, within the timeout of a connection."""
    return int(timeout * 900)


def check(replicas: int) -> None:
    """Raise NotReplicatedError unless a replica has it."""
    if replicas < 1:
        raise NotReplicatedError("no replica has it")


def append_on_cluster(redis: Any, script: str, keys: Sequence[str], args: Sequence[Any], *, within_s: float) -> Any:
    """The answer of a script that a replica has, too, from a cluster's blocking client. Raises NotReplicatedError."""
    node = redis.get_node_from_key(keys[0])
    with redis.pipeline(transaction=False) as pipe:
        _put_in(pipe, script, keys, args, within_s, target_nodes=node)
        answer, replicas = pipe.execute()
    # What was sent on to another node is not what this one spoke of.
    check(replicas if redis.get_node_from_key(keys[0]) == node else 0)
    return answer


async def append(redis: Any, script: str, keys: Sequence[str], args: Sequence[Any], *, within_s: float) -> Any:
    """The same from an asyncio client of any kind."""
    node, options = None, {}
    if hasattr(redis, "get_node_from_key"):
        await redis.initialize()
        node = redis.get_node_from_key(keys[0])
        options = {"target_nodes": node}
    async with redis.pipeline(transaction=False) as pipe:
        _put_in(pipe, script, keys, args, within_s, **options)
        answer, replicas = await pipe.execute()
    check(replicas if node is None or redis.get_node_from_key(keys[0]) == node else 0)
    return answer


def _put_in(pipe: Any, script: str, keys: Sequence[str], args: Sequence[Any], within_s: float, **options: Any) -> None:
    pipe.execute_command("EVAL", script, len(keys), *keys, *args)
    pipe.execute_command("WAIT", 1, wait_ms(within_s), **options)
