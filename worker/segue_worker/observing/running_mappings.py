"""What workers run of a destination beside what the file says, and what each mapping has done in the last day."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from redis import Redis

from segue_producer.keys import Keys
from segue_worker.errors import SegueError
from segue_worker.mapping import CompiledMapping, compile_destination_mapping
from segue_worker.mapping.definition import Definition
from segue_worker.observing.counts import read_counts
from segue_worker.observing.destinations import KnownDestinations
from segue_worker.observing.metrics.exposition import mapping_counts
from segue_worker.outbox.counters import FAILED, FIRED, MAPPED
from segue_worker.outbox.plan import Plan

HOUR_MS: Final = 3_600_000
_DAY_H: Final = 24


@dataclass(frozen=True, slots=True)
class Running:
    """The mappings that some workers have of a destination.

    Attributes:
        workers: how many have them.
        definitions: by their names, in order; without fields where the workers are of an older version.
    """

    workers: int
    definitions: Mapping[str, Definition]

    def compiled(self) -> tuple[CompiledMapping, ...]:
        """The mappings, to try an event on; variables in them stand as they are written.

        Raises:
            SegueError: this version does not understand one of them, or its fields are not known.
        """
        if any(each.fields is None for each in self.definitions.values()):
            raise SegueError("workers of an older version do not tell the fields of their mappings")
        definitions: Any = [each._asdict() for each in self.definitions.values()]
        return tuple(compile_destination_mapping(**each) for each in definitions)

    def same(self, others: Mapping[str, Definition]) -> bool:
        """Whether these are the same mappings, as far as they are known; their order may differ."""
        return self.definitions.keys() == others.keys() and not any(
            each.differing(others[name]) for name, each in self.definitions.items()
        )


def in_file(known: KnownDestinations, destination: str) -> dict[str, Definition] | None:
    """The mappings of a destination by the file; None where the file does not have it, or cannot be read."""
    found = known.configured(destination)
    return None if found is None else {each.name: each.definition for each in found.mappings}


def read_running(redis: "Redis", known: KnownDestinations) -> dict[str, list[Running]]:
    """What workers run of each of `known.names`, the most frequent first; workers with equal mappings count together.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    about = [each for each in known.workers.about.values() if each]
    told = {
        name: Counter((each.config, each.plans[name]) for each in about if name in each.plans) for name in known.names
    }
    wanted = [(Keys(name), version) for name, counts in told.items() for version in counts]
    with redis.pipeline(transaction=False) as pipe:
        for keys, (config, plan) in wanted:
            pipe.get(keys.mappings + config)
            pipe.get(keys.plan + plan)
        answers = iter(pipe.execute())
    found: dict[str, list[Running]] = {}
    for name, counts in told.items():
        alike: dict[bytes, Running] = {}
        for workers in counts.values():
            definitions, plan = next(answers), next(answers)
            running = alike.get(definitions or plan or b"", Running(0, _read(definitions, plan)))
            alike[definitions or plan or b""] = replace(running, workers=running.workers + workers)
        found[name] = sorted(alike.values(), key=lambda each: -each.workers)
    return found


def _read(definitions: bytes | None, plan: bytes | None) -> dict[str, Definition]:
    try:
        found = [Definition.from_list(each) for each in orjson.loads(definitions or b"[]")]
        if definitions is None and plan is not None:
            found = [Definition(*rule, True, None, "keep", 0) for rule in Plan.from_json(plan).rules]
    except (TypeError, ValueError):
        return {}
    return {each.name: each for each in found}


def _a_day_ago(noted: Mapping[bytes, bytes], now_ms: int) -> tuple[int, dict[str, int]]:
    """When the counters were noted that are a day old, and they; 0 and none where nobody did, or it cannot be read."""
    hours = [int(each) for each in noted if each.isdigit() and int(each) >= now_ms // HOUR_MS - _DAY_H]
    try:
        since, before = orjson.loads(noted[b"%d" % min(hours)])
        return int(since), {str(name): int(count) for name, count in before.items()}
    except (ValueError, TypeError, AttributeError, KeyError):
        return 0, {}


@dataclass(frozen=True, slots=True)
class DayCounts:
    """What the mappings of a destination did in the last 24 hours, or up to 25.

    Attributes:
        since: unix ms; 0 for all time, where no worker had noted the counters yet.
        mapped: how many events went through the mappings.
        mappings: of those that fired or failed, ever: their counts, as `mapping_counts`.
    """

    since: int
    mapped: int
    mappings: Mapping[str, Mapping[str, int]]

    def of(self, mapping: str) -> Mapping[str, int]:
        """The counts of a mapping: `fired`, `skipped` and `failed`."""
        return self.mappings.get(mapping) or {FIRED: 0, "skipped": self.mapped, FAILED: 0}


def counts_of_a_day(redis: "Redis", destinations: Sequence[str], now_ms: int) -> dict[str, DayCounts]:
    """What mappings did, destination by destination.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    with redis.pipeline(transaction=False) as pipe:
        for name in destinations:
            pipe.hgetall(Keys(name).measures)
            pipe.hgetall(Keys(name).measured)
        answers: Any = iter(pipe.execute())
    found = {}
    for name in destinations:
        now, noted = read_counts(next(answers)), next(answers)
        since, before = _a_day_ago(noted, now_ms)
        passed = {field: count - before.get(field, 0) for field, count in now.items()}
        found[name] = DayCounts(since, passed.get(MAPPED, 0), mapping_counts(passed))
    return found
