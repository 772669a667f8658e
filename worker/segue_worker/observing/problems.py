"""Which destinations have a problem, the worst first: among hundreds only these are worth a look."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from redis import Redis

from segue_producer.keys import DEFAULT_MAX_PENDING, Keys
from segue_worker.observing.destinations import KnownDestinations, orphan_text
from segue_worker.observing.health import paused_text, stalled
from segue_worker.observing.status import Status
from segue_worker.printable import counted

STALLED_S: Final = 60.0
"""For how long an event may wait without progress; what `segue health` goes by too unless told otherwise."""
NEARLY_FULL: Final = 0.9
"""Share of `max_pending` from which producers will soon be refused."""
KINDS: Final = ("orphaned", "paused", "stalled", "nearly full", "dead letters")


class DestinationProblem(NamedTuple):
    """What is wrong with a destination.

    Attributes:
        kind: one of `KINDS`, which has the worst first.
        text: what it is, with what to do.
    """

    kind: str
    text: str


def find_problems(
    redis: "Redis", known: KnownDestinations, statuses: Mapping[str, Status]
) -> dict[str, list[DestinationProblem]]:
    """The problems of each destination that has any; destinations and problems with the worst first.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    with redis.pipeline(transaction=False) as pipe:
        for name in statuses:
            pipe.hget(Keys(name).settings, "max_pending")
        limits = [int(limit or DEFAULT_MAX_PENDING) for limit in pipe.execute()]
    workers = len(known.workers.about)
    found = {}
    for (name, status), limit in zip(statuses.items(), limits, strict=True):
        texts = (
            orphan_text(name) if name in known.orphaned else None,
            paused_text(name, status),
            None if name in known.orphaned | known.disabled else stalled(name, status, STALLED_S, workers=workers),
            _nearly_full(name, status.pending, limit),
            f"destination {name!r}: {counted(status.dead, 'dead letter')}; see segue dead list {name}"
            if status.dead
            else None,
        )
        problems = [DestinationProblem(kind, text) for kind, text in zip(KINDS, texts, strict=True) if text]
        if problems:
            found[name] = problems
    return dict(sorted(found.items(), key=lambda item: KINDS.index(item[1][0].kind)))


def _nearly_full(name: str, pending: int, limit: int) -> str | None:
    if pending < NEARLY_FULL * limit:
        return None
    return f"destination {name!r}: {counted(pending, 'event')} pending, and it takes {limit:,} (max_pending)"
