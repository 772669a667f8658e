"""Remove what is held of a person.

Counters and remembered messageIds stay: they are numbers and digests, and name nobody.
"""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from segue_producer.keys import Keys, contact_name
from segue_producer.lua import read_script
from segue_worker.config import Destination
from segue_worker.loops import LoopsClient, LoopsRefusedError
from segue_worker.observing.log import forget_contact
from segue_worker.operating.dead_letters import Filter, drop, matching
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.pacing import Pacer

_SCRIPT: Final = read_script("segue_worker/operating/forget")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed at one destination: events that waited, dead letters, and entries of the log."""

    events: int
    dead_letters: int
    log_entries: int


def forget_here(redis: "Redis", destination: str, user_id: str) -> Forgotten:
    """Remove a person's pending events, dead letters, and entries of the log.

    Args:
        redis: client that answers bytes.
        destination: its name.
        user_id: the person's userId; or the email or anonymousId, for somebody who never had one.

    Raises:
        redis.RedisError: Redis does not answer; what was removed by then stays removed.
    """
    keys = Keys(destination)
    contact = contact_name(user_id)
    events = redis.register_script(_SCRIPT)(
        keys=[keys.outbox + contact, keys.due, keys.lease, keys.parked, keys.pending, keys.totals, keys.away],
        args=[contact],
    )
    ids = [letter.id for letter in matching(redis, destination, Filter()) if _concerns(letter, user_id, contact)]
    dropped = sum(drop(redis, destination, ids))
    return Forgotten(int(events), dropped, forget_contact(redis, destination, user_id))


def _concerns(letter: DeadLetter, user_id: str, contact: str) -> bool:
    return letter.contact == contact or any(_names(event, user_id) for event in letter.events)


def _names(event: str, user_id: str) -> bool:
    try:
        fields: Any = json.loads(event)
    except ValueError:
        return user_id in event
    return isinstance(fields, dict) and user_id in {str(fields.get(name)) for name in ("userId", "anonymousId")}


async def forget_at_loops(redis: "AsyncRedis", destination: Destination, user_id: str) -> bool:
    """Tell Loops to delete the contact, within the team's rate limit.

    Returns:
        whether there was one; Loops answers 404 where there is none.

    Raises:
        NoAnswerError: no answer came.
        LoopsRefusedError: Loops refused, with its answer.
        redis.RedisError: the shared limiter cannot be reached.
    """
    api_key = destination.api_key.get_secret_value()
    async with LoopsClient(destination.base_url, api_key, timeout=destination.timeout.total_seconds()) as client:
        await Pacer(redis, api_key, destination.rate_limit).slot()
        answer = await client.send("POST", "/contacts/delete", json.dumps({"userId": user_id}).encode())
    if answer.delivered:
        return True
    if answer.status == HTTPStatus.NOT_FOUND and not answer.html:
        return False
    raise LoopsRefusedError(f"Loops did not delete the contact: {answer.describe()}")
