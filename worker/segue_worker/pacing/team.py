"""Whose limiter a destination uses: its team's, whatever key it has by now.

Loops names no id of a team, so a team is known by the first of its keys. A destination that is given another key keeps
its team, unless Loops has said of both keys that their teams have different names.
"""

from typing import Any

from redis.asyncio import Redis

from segue_producer.keys import TEAM_NAMES, TEAMS, Keys, key_digest, team_rate_key
from segue_producer.writing import write


async def limiter_key(redis: "Redis", destination: str, api_key: str) -> str:
    """The key of the limiter for a destination with an API key, which is noted as its own from then on.

    Args:
        redis: client that answers bytes.
        destination: its name.
        api_key: its key.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    own, settings = key_digest(api_key), Keys(destination).settings
    team = await _text(redis.hget(TEAMS, own)) or own
    before = await _text(redis.hget(settings, "key"))
    if before != own:
        if before and team == own:
            earlier = await _text(redis.hget(TEAMS, before)) or before
            one, other = await redis.hmget(TEAM_NAMES, [before, own])
            if earlier != own and not (one and other and one != other):
                team = earlier
                await write(redis, "HSET", TEAMS, own, team)
        await write(redis, "HSET", settings, "key", own)
    return team_rate_key(team)


async def _text(answer: Any) -> str:
    raw = await answer
    return raw.decode() if isinstance(raw, bytes) else raw or ""
