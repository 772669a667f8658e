"""Mappings that are gone, and still have parked requests or dead letters."""

from collections import Counter
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any, Final

from redis import Redis

from segue_producer.keys import Keys
from segue_worker.observing.destinations import KnownDestinations
from segue_worker.observing.workers import read_plans
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.outgoing import Parked
from segue_worker.outbox.plan import Plan

LOOKED_AT: Final = 1000
"""Parked requests, and dead letters, the newest first: they are looked at for people, one page at a time."""


def orphaned_mappings(redis: "Redis", destination: str, in_use: Collection[str]) -> dict[str, dict[str, int]]:
    """Name of each mapping that is gone → how many parked requests and dead letters it has, as `parked` and `dead`.

    Args:
        redis: client that answers bytes.
        destination: its name.
        in_use: the mappings that the configuration or a worker has.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    keys = Keys(destination)
    parked, dead = Counter[str](), Counter[str]()
    found: Iterable[Any] = redis.hscan_iter(keys.parked, count=200)
    for _, raw in islice(found, LOOKED_AT):
        request = Parked.from_json(raw).request
        parked.update({ref.mapping for ref in request.refs} if request else ())
    ids: list[Any] = redis.zrevrange(keys.dead_at, 0, LOOKED_AT - 1)
    letters: list[Any] = redis.hmget(keys.dead, ids) if ids else []
    for letter_id, raw in zip(ids, letters, strict=True):
        dead.update(set(DeadLetter.read(letter_id.decode(), raw).mappings) if raw else ())
    gone = sorted((parked | dead).keys() - set(in_use))
    return {name: {"parked": parked[name], "dead": dead[name]} for name in gone}


def gone_mappings(redis: "Redis", known: KnownDestinations) -> dict[str, dict[str, dict[str, int]]]:
    """What `orphaned_mappings` finds at each of `known.names` whose mappings are known. Raises redis.RedisError."""
    found = {}
    for each in known.config.destinations if known.config else ():
        if each.name not in known.names:
            continue
        keys = Keys(each.name)
        running = read_plans(redis, [keys.plan + version for version in known.workers.plans(each.name) if version])
        in_use = {rule.mapping for plan in (Plan.of(each.mappings), *running) if plan for rule in plan.rules}
        if gone := orphaned_mappings(redis, each.name, in_use):
            found[each.name] = gone
    return found
