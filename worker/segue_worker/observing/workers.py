"""Which workers are alive, and which configuration each of them has."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Final, Self

import orjson
from redis import Redis

from segue_producer.keys import ABOUT_WORKERS, WORKERS, WORKERS_SAY_S
from segue_worker.config import Config
from segue_worker.outbox.plan import Plan
from segue_worker.outbox.redis_time import time_ms

ALIVE_WITHIN_MS: Final = 4 * WORKERS_SAY_S * 1000


@dataclass(frozen=True, slots=True)
class WorkerAbout:
    """What a worker says of itself.

    Attributes:
        config: version of its configuration (`Config.version`).
        plans: destination → version of the plan of its mappings (`Plan.version`).
        version: of Segue.
        started: unix ms.
    """

    config: str
    plans: Mapping[str, str]
    version: str
    started: int

    @classmethod
    def of(cls, config: Config, started: int) -> Self:
        """What a worker with this configuration says."""
        plans = {each.name: Plan.of(each.mappings).version for each in config.destinations}
        return cls(config.version, plans, version("segue"), started)

    def to_json(self) -> bytes:
        """The form in which it is kept."""
        return orjson.dumps(asdict(self))

    @classmethod
    def read(cls, raw: bytes | None) -> Self | None:
        """Read what `to_json` wrote; None where there is nothing, or another version wrote it."""
        try:
            fields: dict[str, Any] = orjson.loads(raw or b"")
            return cls(fields["config"], fields["plans"], fields["version"], fields["started"])
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers that are alive: name → what each says of itself; None where it is of a version that says nothing."""

    about: Mapping[str, WorkerAbout | None]

    @property
    def config_versions(self) -> dict[str, int]:
        """Version of a configuration → how many workers have it, the most frequent first."""
        return dict(Counter(each.config for each in self.about.values() if each).most_common())

    @property
    def silent(self) -> bool:
        """Whether any of them is of a version that says nothing of itself."""
        return None in self.about.values()

    @property
    def served(self) -> set[str]:
        """The destinations in their configurations, as far as they say."""
        return {name for each in self.about.values() if each for name in each.plans}

    def plans(self, destination: str) -> dict[str, int]:
        """Version of a plan → how many workers have it, at one destination; "" stands for none."""
        return dict(Counter(each.plans.get(destination, "") for each in self.about.values() if each).most_common())

    def to_dict(self) -> dict[str, Any]:
        """The form of `segue status --json`."""
        return {"alive": len(self.about), "config_versions": self.config_versions}

    def outdated(self, config: Config | None) -> str:
        """A sentence where workers have another configuration than the file; "" where they do not, or it is unknown."""
        versions = self.config_versions
        if config is None or not set(versions) - {config.version}:
            return ""
        groups = ", ".join(f"{count} worker{'s' * (count > 1)} on {each}" for each, count in versions.items())
        return f"{groups}; {config.path} is {config.version}: restart the workers to apply it"


def read_workers(redis: "Redis") -> Workers:
    """The workers that have recently said that they are alive. Raises redis.RedisError where Redis does not answer."""
    with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.zrange(WORKERS, 0, -1, withscores=True)
        pipe.hgetall(ABOUT_WORKERS)
        time, names, about = pipe.execute()
    since = time_ms(time) - ALIVE_WITHIN_MS
    return Workers({name.decode(): WorkerAbout.read(about.get(name)) for name, at in names if at >= since})


def read_plans(redis: "Redis", keys: Sequence[str]) -> list[Plan | None]:
    """Plans by their keys (`Keys.plan`); None for one that is not kept. Raises redis.RedisError."""
    with redis.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.get(key)
        return [Plan.from_json(raw) if raw is not None else None for raw in pipe.execute()]
