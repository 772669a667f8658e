"""Connecting to Redis and choosing a destination: for the commands that read or change what is stored there."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis, RedisError

from segue_producer.clients import redis_client, where
from segue_producer.keys import DESTINATION_NAME, Keys
from segue_worker.cli.group import CommandFailure, UsageFailure
from segue_worker.cli.output import remark
from segue_worker.observing.destinations import NO_CONFIG, KnownDestinations
from segue_worker.observing.redis_check import unanswered

TIMEOUT_S = 5.0


def connect(url: str, *, timeout: float = TIMEOUT_S) -> Redis:
    """A client. A malformed URL ends the command with a message and exit code 2."""
    return redis_client(url, timeout=timeout)


@contextmanager
def opened(url: str) -> Iterator["Redis"]:
    """A client that answers bytes. If Redis fails while it is in use, the command ends with a message and exit code 1."""
    client = connect(url)
    try:
        with client:
            yield client
    except RedisError as error:
        # redis-py makes one of what the connection raises; an OSError is of files, or of what the command prints.
        advice = "check that it runs and that --redis-url, or SEGUE_REDIS_URL, points to it"
        raise CommandFailure(str(unanswered(f"Redis at {where(url)}", error, advice))) from None


def choose(redis: "Redis", known: KnownDestinations, name: str | None) -> str:
    """The destination of this name, or the only one there is; otherwise the command ends with exit code 2.

    A destination that no worker announces any more is accepted if Redis still holds data of it.
    """
    if name is not None and (name in known.names or name in known.damaged or _has_data(redis, name)):
        return name
    if name is None and len(known.names) == 1:
        return known.names[0]
    there = (*known.names, *known.damaged)
    listed = f"there are: {', '.join(there)}" if there else _nothing_known(known)
    if name is None:
        raise UsageFailure(f"Name the destination; {listed}")
    raise UsageFailure(f"There is no destination {name!r}; {listed}")


def name_damaged(known: KnownDestinations) -> bool:
    """Name the destinations that cannot be shown, on stderr. Returns whether there are any."""
    for text in known.damaged.values():
        remark(text)
    return bool(known.damaged)


def _nothing_known(known: KnownDestinations) -> str:
    said = f" ({known.remark.removesuffix(NO_CONFIG)})" if known.remark else ""
    return f"there is none: no worker has announced one, and no configuration names one{said}"


def _has_data(redis: "Redis", name: str) -> bool:
    keys = Keys(name)
    return bool(
        DESTINATION_NAME.fullmatch(name)
        and redis.exists(keys.settings, keys.totals, keys.dead, keys.due, keys.bulk, keys.away)
    )
