"""Which destinations exist: those of the configuration, those that workers serve, and those that still hold something."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from redis import Redis, ResponseError

from segue_producer.keys import DESTINATIONS, HELD, HOLDING_KEYS, Keys, name_in
from segue_producer.writing import write_fields
from segue_worker.config import Config, Destination, Inspection, inspect_config
from segue_worker.observing.counts import read_counts
from segue_worker.observing.damage import read_damage
from segue_worker.observing.workers import ALIVE_WITHIN_MS, Workers, read_workers

NO_CONFIG = "; showing only what Redis knows"
"""Ends the remark on a configuration that cannot be read."""


@dataclass(frozen=True, slots=True)
class KnownDestinations:
    """The destinations there are.

    Attributes:
        names: those of the configuration, in its order, then those that workers have announced, then the orphaned ones;
            without the damaged ones.
        seen: name → unix ms when a worker last announced it.
        config: the configuration, or None where it cannot be read here.
        remark: what is wrong with the configuration; "" where nothing is.
        workers: those that are alive.
        orphaned: those that hold events, parked requests or dead letters though nobody serves them any more: neither a
            worker nor the configuration has them.
        damaged: those that cannot be shown, because a key in Redis does not hold what it should → what is wrong, and what
            to do.
    """

    names: tuple[str, ...]
    seen: dict[str, int]
    config: Config | None
    remark: str
    workers: Workers
    orphaned: frozenset[str]
    damaged: Mapping[str, str] = field(default_factory=dict)

    @property
    def disabled(self) -> frozenset[str]:
        """Those that are not enabled in the configuration."""
        return frozenset(each.name for each in (self.config.destinations if self.config else ()) if not each.enabled)

    @property
    def forget_order(self) -> tuple[str, ...]:
        """The orphaned ones first: what a move takes from one of them meanwhile is found where it arrives."""
        return tuple(sorted((*self.names, *self.damaged), key=lambda name: name not in self.orphaned))

    def only(self, names: Collection[str]) -> "KnownDestinations":
        """The same, as if there were only these."""
        damaged = {name: text for name, text in self.damaged.items() if name in names}
        shown = tuple(name for name in names if name not in damaged)
        return replace(self, names=shown, orphaned=self.orphaned.intersection(names), damaged=damaged)

    def standstill(self, name: str) -> str:
        """Why nothing is sent to a destination at all, as far as its configuration says; "" where something may be."""
        if name in self.orphaned:
            return orphan_text(name)
        found = self.configured(name)
        return "the destination is not enabled in the configuration" if found and not found.enabled else ""

    def configured(self, name: str) -> Destination | None:
        """The destination's configuration, or None where the configuration does not name it or cannot be read."""
        return next((each for each in (self.config.destinations if self.config else ()) if each.name == name), None)


def known_destinations(
    redis: "Redis", config: Path, inspect: Callable[[Path], Inspection] = inspect_config
) -> KnownDestinations:
    """Find the destinations. A configuration that cannot be read is no error, because Redis names them too."""
    inspection = inspect(config)
    problems = [str(problem) for problem in inspection.problems]
    remark = ""
    if problems:
        more = " (segue check shows further problems)" if problems[1:] else ""
        remark = f"{problems[0]}{more}{NO_CONFIG}"
    return known_beside(redis, inspection.config, remark)


def known_beside(redis: "Redis", config: Config | None, remark: str = "") -> KnownDestinations:
    """The destinations of a configuration that was read already, and those that Redis knows."""
    configured = [destination.name for destination in config.destinations] if config else []
    workers = read_workers(redis)
    seen: dict[str, int] = read_counts(redis.hgetall(DESTINATIONS))
    held = {_text(name) for name in redis.hkeys(HELD)}
    served = _served(workers, seen, configured)
    orphaned = holding(redis, sorted((held | seen.keys()) - served - set(configured)))
    names = tuple(dict.fromkeys((*configured, *sorted(served | seen.keys()), *sorted(orphaned))))
    damaged = read_damage(redis, names)
    shown = tuple(name for name in names if name not in damaged)
    return KnownDestinations(shown, seen, config, remark, workers, frozenset(orphaned), damaged)


def _served(workers: Workers, seen: dict[str, int], configured: Collection[str]) -> set[str]:
    """The destinations that workers serve. Without workers it is those that the next ones will, as far as is known."""
    latest = max(seen.values(), default=0) - ALIVE_WITHIN_MS
    announced = {name for name, at in seen.items() if at >= latest}
    if workers.about and not workers.silent:
        return workers.served
    if not workers.about and configured:
        return set(configured)
    return workers.served | announced


def former_names(redis: "Redis", names: Collection[str]) -> list[str]:
    """The destinations from which something was moved to these, which are no longer among them: their logs know more."""
    with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hget(Keys(name).settings, "moved_from")
        found = b" ".join(former or b"" for former in pipe.execute()).decode().split()
    return [name for name in dict.fromkeys(found) if name not in names]


def orphan_text(name: str) -> str:
    """What is said of an orphaned destination, with what to do."""
    return (
        f"{name} is orphaned: it holds events, parked requests or dead letters, and nobody serves it; move them with "
        f"`segue move {name} NEW`, or put it back into the configuration"
    )


def holding(redis: "Redis", names: Collection[str]) -> set[str]:
    """Those of the destinations that hold events, parked requests or dead letters."""
    with redis.pipeline(transaction=False) as pipe:
        for name in names:
            keys = Keys(name)
            pipe.exists(keys.due, keys.bulk, keys.away, keys.parked, keys.dead)
        return {name for name, found in zip(names, pipe.execute(), strict=True) if found}


def find_held(redis: "Redis") -> set[str]:
    """Search all of Redis for destinations that hold something, known or not. Takes a second for a million keys."""
    keys: Iterator[Any] = redis.scan_iter(match=HOLDING_KEYS, count=1000)
    return {name_in(key).decode() for key in keys}


def note_held(redis: "Redis", names: Collection[str]) -> None:
    """Note that these hold something. A replica of Redis refuses it, and is told nothing new."""
    with suppress(ResponseError):
        write_fields(redis, HELD, dict.fromkeys(names, 0))


def _text(name: object) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
