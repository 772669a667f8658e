"""Which destinations exist: those of the configuration, and those that workers have announced in Redis."""

from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from segue_producer.keys import DESTINATIONS
from segue_worker.config import Config, inspect_config

NO_CONFIG = "; showing only what Redis knows"
"""Ends the remark on a configuration that cannot be read."""


@dataclass(frozen=True, slots=True)
class KnownDestinations:
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


def known_destinations(redis: "Redis", config: Path) -> KnownDestinations:
    """Find the destinations. A configuration that cannot be read is no error, because Redis names them too."""
    inspection = inspect_config(config)
    configured = [destination.name for destination in inspection.config.destinations] if inspection.config else []
    seen = {_text(name): int(at) for name, at in redis.hgetall(DESTINATIONS).items()}
    problems = [str(problem) for problem in inspection.problems]
    remark = ""
    if problems:
        more = " (segue check shows further problems)" if problems[1:] else ""
        remark = f"{problems[0]}{more}{NO_CONFIG}"
    return KnownDestinations(tuple(dict.fromkeys((*configured, *sorted(seen)))), seen, inspection.config, remark)


def _text(name: object) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
