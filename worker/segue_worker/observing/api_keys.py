"""Asks Loops whether it accepts API keys, and whose they are: for `segue check --online` and `segue doctor`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import orjson
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from segue_producer.keys import TEAM_NAMES, TEAMS, key_digest
from segue_producer.writing import write
from segue_worker.config import Destination
from segue_worker.loops import Answer, NoAnswerError
from segue_worker.schema.known import asking


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """What Loops says about a destination's API key.

    Attributes:
        destination: its name.
        team: name of the team the key belongs to; "" where Loops did not say.
        problem: what is wrong; "" where Loops accepts the key.
        advice: what to do about it.
    """

    destination: str
    team: str
    problem: str = ""
    advice: str = ""


async def check_keys(destinations: Sequence[Destination], redis: "AsyncRedis | None" = None) -> list[KeyCheck]:
    """Ask Loops about each key once, one request after the other, within the limits that are in `redis`."""
    asked: dict[tuple[str, str], KeyCheck] = {}
    checks = []
    for each in destinations:
        team = each.base_url, each.api_key.get_secret_value()
        if team not in asked:
            asked[team] = await _ask(each, redis)
        checks.append(replace(asked[team], destination=each.name))
    return checks


def note_teams(redis: "Redis", destinations: Sequence[Destination], checks: Sequence[KeyCheck]) -> None:
    """Note which key is of which team, so that a destination that goes to another team gets another limiter.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    for each, check in zip(destinations, checks, strict=True):
        if check.team:
            own = key_digest(each.api_key.get_secret_value())
            name = blake2b(f"{each.base_url}\0{check.team}".encode(), digest_size=8).hexdigest().encode()
            write(redis, "HSET", TEAM_NAMES, own, name)
            first: Any = redis.hget(TEAMS, own)
            if first and redis.hget(TEAM_NAMES, first) not in (None, name):
                redis.hdel(TEAMS, own)


async def _ask(destination: Destination, redis: "AsyncRedis | None") -> KeyCheck:
    """Ask about one key. Of the answer only the team's name is passed on, because the rest might quote the key."""
    name, address = destination.name, destination.base_url
    async with asking(destination, redis) as asker:
        try:
            answer: Answer = await asker.paced(asker.client.check_key)
        except NoAnswerError as error:
            return KeyCheck(name, "", f"{address}: {error}", "check the network, any proxy, and `base_url`")
    said = _object(answer)
    match answer.status:
        case 401 | 403:
            advice = "create a key at Loops (Settings, API), and put it where `api_key` or `api_key_file` reads it"
            return KeyCheck(name, "", f"Loops refuses the API key ({answer.status})", advice)
        case 408 | 429 | 500 | 502 | 503 | 504:
            return KeyCheck(name, "", f"Loops cannot check the key now ({answer.status})", "try again in a moment")
        case _ if not answer.delivered or said.get("success") is not True:
            problem = f"{address} does not answer as the Loops API does ({answer.status})"
            return KeyCheck(name, "", problem, "correct `base_url`")
    return KeyCheck(name, str(said.get("teamName") or ""))


def _object(answer: Answer) -> dict[str, Any]:
    try:
        said = orjson.loads(answer.text)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
