"""What commands that look into Redis share: the connection, and the destinations there are."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import AuthenticationError, Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry
from segue_producer.clients import where

from segue_producer.keys import DESTINATION_NAME, DESTINATIONS, Keys
from segue_worker.cli.group import Failure, Refusal
from segue_worker.config import Config, inspect_config

TIMEOUT_S = 5.0


@contextmanager
def opened(url: str) -> Iterator["Redis"]:
    """A client that answers bytes. Inside, a Redis that fails ends the command with a message and exit code 1."""
    try:
        client = Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
    except ValueError:
        raise Refusal("--redis-url: no URL of a Redis; write it as redis://localhost:6379/0") from None
    try:
        with client:
            yield client
    except (RedisError, OSError) as error:
        advice = "check that it runs and that --redis-url, or SEGUE_REDIS_URL, points to it"
        if isinstance(error, AuthenticationError):
            advice = "check the user and password in its URL"
        raise Failure(f"Redis at {where(url)} did not answer ({type(error).__name__}): {advice}") from None


@dataclass(frozen=True, slots=True)
class Known:
    """The destinations there are.

    Attributes:
        names: those of the configuration, in its order, then those that workers have announced.
        seen: name → unix ms when a worker last announced it.
        config: the configuration, or None where it cannot be read here.
        remark: what is wrong with the configuration; "" where nothing is.
    """

    names: tuple[str, ...]
    seen: dict[str, int]
    config: Config | None
    remark: str


def known_destinations(redis: "Redis", config: Path) -> Known:
    """Find the destinations. A configuration that cannot be read is only remarked on: Redis knows them too."""
    inspection = inspect_config(config)
    configured = [destination.name for destination in inspection.config.destinations] if inspection.config else []
    seen = {_text(name): int(at) for name, at in redis.hgetall(DESTINATIONS).items()}
    problems = [str(problem) for problem in inspection.problems]
    remark = ""
    if problems:
        more = f" (and {len(problems) - 1} more problems; see segue check)" if problems[1:] else ""
        remark = f"{problems[0]}{more}; going by what Redis knows"
    return Known(tuple(dict.fromkeys((*configured, *sorted(seen)))), seen, inspection.config, remark)


def choose(redis: "Redis", known: Known, name: str | None) -> str:
    """The destination of this name, or the only one there is; otherwise the command ends with exit code 2.

    A destination that is no longer announced is found by what it left in Redis.
    """
    if name is not None and (name in known.names or _has_data(redis, name)):
        return name
    if name is None and len(known.names) == 1:
        return known.names[0]
    listed = f"known are {', '.join(known.names)}" if known.names else _nothing_known(known)
    if name is None:
        raise Refusal(f"Name the destination; {listed}")
    raise Refusal(f"There is no destination {name!r}; {listed}")


def _nothing_known(known: Known) -> str:
    said = f" ({known.remark.removesuffix('; going by what Redis knows')})" if known.remark else ""
    return f"none is known: no worker has announced one, and no configuration names one{said}"


def _has_data(redis: "Redis", name: str) -> bool:
    keys = Keys(name)
    return bool(DESTINATION_NAME.fullmatch(name) and redis.exists(keys.settings, keys.totals, keys.dead))


def _text(name: object) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
