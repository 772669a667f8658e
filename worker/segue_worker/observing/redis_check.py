"""What Redis must be for nothing to be lost: no eviction, and better with persistence."""

from redis import Redis, ResponseError

from segue_worker.errors import RedisSetupError


def check_redis(redis: "Redis") -> list[str]:
    """Check that Redis keeps what it is given (docs/running.md#redis-settings).

    Args:
        redis: a connected client.

    Returns:
        warnings, for people.

    Raises:
        RedisSetupError: an eviction policy could drop events.
        redis.RedisError: Redis does not answer.
    """
    try:
        facts = redis.info()
    except ResponseError:
        # A managed Redis, or a stand-in, that does not tell.
        return []
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise RedisSetupError(
            f"Redis may drop events: its maxmemory-policy is {policy}. Set it to noeviction "
            "(redis-cli CONFIG SET maxmemory-policy noeviction, and in redis.conf), then start again"
        )
    if not facts.get("aof_enabled") and not redis.config_get("save").get("save"):
        return ["Redis keeps its data in memory only: what waits is lost when it restarts. Set appendonly yes"]
    return []
