"""Whether anybody is working, and what is wrong anywhere: what a person on call looks at first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from redis import Redis

from segue_worker.observing.destinations import KnownDestinations
from segue_worker.observing.health import swept_s_ago
from segue_worker.observing.metrics.speed import Speed, read_speeds
from segue_worker.observing.problems import KINDS, DestinationProblem, find_problems
from segue_worker.observing.status import Status, read_statuses
from segue_worker.outbox.pause import PauseKind

SWEEP_IS_OLD_S: Final = 30.0
"""Workers sweep every second or two, so one that is older than this is a fault."""
BEHIND_S: Final = 60.0
_ALARMING: Final = ("orphaned", "stalled")


class State(NamedTuple):
    """How a destination does, in a word; and whether that is good, calls for attention, or is a fault."""

    word: str
    level: Literal["good", "warn", "bad", "plain"]


@dataclass(frozen=True, slots=True)
class Overall:
    """All destinations and workers at one time.

    Attributes:
        known: which there are.
        statuses: of each destination.
        speeds: of each destination.
        problems: destination → its problems; destinations and problems with the worst first.
        swept_s_ago: seconds since the last sweep, or None where there never was one.
    """

    known: KnownDestinations
    statuses: Mapping[str, Status]
    speeds: Mapping[str, Speed]
    problems: Mapping[str, Sequence[DestinationProblem]]
    swept_s_ago: float | None

    @property
    def names(self) -> tuple[str, ...]:
        """All destinations, those with the worst problem first, and the others as they are known."""
        return tuple(dict.fromkeys((*self.problems, *self.statuses)))

    @property
    def alarms(self) -> list[str]:
        """What keeps events from being delivered, or from being looked at, the worst first, with what to do."""
        found = [] if self.known.workers.about else ["No worker is alive; start one: celery -A segue_worker worker"]
        found += self.known.damaged.values()
        found += [text for kind in _ALARMING for each in self.problems.values() for has, text in each if has == kind]
        return found

    @property
    def trouble(self) -> dict[str, int]:
        """Kind of problem → how many destinations have it, the worst kind first."""
        kinds = ["damaged"] * len(self.known.damaged) + [kind for each in self.problems.values() for kind, _ in each]
        return {kind: kinds.count(kind) for kind in ("damaged", *KINDS) if kind in kinds}

    @property
    def fullest(self) -> str | None:
        """The destination that uses most of its limit; None where nothing was sent in the last minute or two."""
        shares = {name: share for name in self.statuses if (share := self.share(name))}
        return max(shares, key=shares.__getitem__, default=None)

    @property
    def is_sweep_old(self) -> bool:
        """Whether nobody has looked for lost work for too long."""
        return self.swept_s_ago is None or self.swept_s_ago > SWEEP_IS_OLD_S

    def limit(self, name: str) -> int | None:
        """Requests that a destination may be sent in any one second: as its workers say, else the configuration."""
        configured = self.known.configured(name)
        return self.speeds[name].rate_limit or (configured.rate_limit if configured else None)

    def share(self, name: str) -> float | None:
        """The part of a destination's limit that it uses, 0 to 1, over the last minute or two; None without a limit."""
        limit = self.limit(name)
        return self.speeds[name].requests_per_s / limit if limit else None

    def state(self, name: str) -> State:
        """The state of a destination."""
        status, kinds = self.statuses[name], {kind for kind, _ in self.problems.get(name, ())}
        configured, workers = self.known.configured(name), self.known.workers
        served = workers.about and (workers.silent or name in workers.served)
        states: tuple[tuple[object, State], ...] = (
            ("orphaned" in kinds, State("orphaned", "bad")),
            (
                status.paused,
                State("paused", "warn" if status.paused and status.paused.kind is PauseKind.HAND else "bad"),
            ),
            (configured and not configured.enabled, State("not enabled", "plain")),
            (not served, State("no worker", "bad")),
            ("stalled" in kinds, State("stalled", "bad")),
            (status.pending and status.idle_s > BEHIND_S, State("behind", "warn")),
        )
        return next((state for holds, state in states if holds), State("running", "good"))


def read_overall(redis: "Redis", known: KnownDestinations) -> Overall:
    """Look at all destinations. Raises redis.RedisError where Redis does not answer."""
    statuses = read_statuses(redis, known.names)
    problems = find_problems(redis, known, statuses)
    return Overall(known, statuses, read_speeds(redis, known.names), problems, swept_s_ago(redis))
