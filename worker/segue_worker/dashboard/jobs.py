"""Replays or deletes many dead letters, or retries many contacts, in a thread, with progress that a page can show."""

import logging
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from segue_worker.operating.dead_letters import Replayed

KEPT: Final = 50
"""How many finished jobs are remembered."""
SHOWN_REFUSALS: Final = 50

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Job:
    """A replay, a deletion or retries, in progress or finished.

    Attributes:
        id: random.
        what: `replay`, `drop` or `retry`.
        destination: its name.
        total: how many letters or contacts were chosen.
        counts: outcome → how many had it.
        refusals: letters that could not be replayed, each with the reason; the first 50.
        finished: whether it has ended.
        error: the error that stopped it, or "".
    """

    what: str
    destination: str
    total: int
    counts: Counter[str] = field(default_factory=Counter)
    refusals: list[Replayed] = field(default_factory=list)
    finished: bool = False
    error: str = ""
    id: str = field(default_factory=lambda: secrets.token_urlsafe(9))

    @property
    def done(self) -> int:
        """How many have been dealt with."""
        return sum(self.counts.values())


Work = Callable[[], Iterator[tuple[str, int, Replayed | None]]]
"""Yields an outcome, how many had it, and the letter that could not be replayed, if any."""


class Jobs:
    """The jobs of this process."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def find(self, name: str) -> Job | None:
        """The job with this id, or None where it is no longer remembered."""
        return self._jobs.get(name)

    def start(self, job: Job, work: Work) -> Job:
        """Start a job. If it is interrupted, it can be started again, because each letter moves in one atomic step."""
        with self._lock:
            finished = [name for name, each in self._jobs.items() if each.finished]
            for name in finished[: max(0, len(finished) - KEPT)]:
                del self._jobs[name]
            self._jobs[job.id] = job
        threading.Thread(target=self._run, args=(job, work), name=f"segue-{job.what}", daemon=True).start()
        return job

    @staticmethod
    def _run(job: Job, work: Work) -> None:
        try:
            for outcome, count, refusal in work():
                job.counts[outcome] += count
                if refusal is not None and len(job.refusals) < SHOWN_REFUSALS:
                    job.refusals.append(refusal)
        except Exception as error:
            # Only the type is shown on the page, because the text of a Redis error may hold an address.
            job.error = type(error).__name__
            log.exception("the %s at %s was stopped by an error", job.what, job.destination)
        finally:
            job.finished = True
