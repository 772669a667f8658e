"""What follows when the delivery of a contact fails in itself, and not at Loops: longer and longer waits, then a dead letter.

Whatever it is that fails, it concerns only this contact. It is counted with the contact, so it outlives this worker.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final

from segue_worker.delivery.backlog import Backlog
from segue_worker.delivery.retry import backoff
from segue_worker.errors import DamagedError
from segue_worker.mapping import CompiledMapping
from segue_worker.outbox import Claimed, Next, Settlement
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.outgoing import Outgoing, Parked

FAILURES_MOST: Final = 12
"""Failures in a row after which what fails is given up: about half an hour."""
_REASON: Final = "internal"


def taken_up(parked: Parked | None) -> int | None:
    """How many of a contact's events are dealt with at once: where its delivery has failed, no more than must be.

    So what fails is found, and only that is given up.
    """
    if parked is None or not parked.failures:
        return None
    return 1 + max((ref.event for ref in parked.request.refs), default=0) if parked.request else 1


@dataclass(frozen=True, slots=True)
class Failure:
    """A delivery that failed.

    Attributes:
        claimed: the contact and its events.
        taken: how many of the events this claim has taken off the outbox before.
        backlog: collects what is noted of the events.
        parked: what is remembered of the contact by now; this failure is counted in it.
        sending: the request that was at hand, if it was attempted.
        mappings: the destination's.
        damaged: where what is no outbox is set aside.
        now_ms: unix ms.
    """

    claimed: Claimed
    taken: int
    backlog: Backlog
    parked: Parked
    sending: Outgoing | None
    mappings: Sequence[CompiledMapping]
    damaged: str
    now_ms: int

    def ways_out(self) -> Iterator[Callable[[], Settlement]]:
        """Settlements to be tried one after the other; the last of them needs least to succeed."""
        if self.parked.failures >= FAILURES_MOST:
            if self.parked.request is not None:
                yield self._without_request
            yield self._without_oldest
        yield self._put_off
        yield self._put_off_unnoted

    def _put_off(self) -> Settlement:
        """Nothing is taken, and the contact waits."""
        settlement = self._put_off_unnoted()
        if self.sending is not None:
            next_ms = self.now_ms + settlement.park_for_ms
            self.backlog.note(self.sending, "parked", sent=self.parked.attempts, why="failed", next_ms=next_ms)
        noted = self.backlog.unchanged()
        return settlement._replace(counters=noted.counters, record=noted.record, measures=noted.measures)

    def _put_off_unnoted(self) -> Settlement:
        """The same without what was noted, which may be what fails."""
        wait_ms = round(backoff(self.parked.failures, 1.0) * 1000)
        parked = replace(self.parked, next=self.now_ms + wait_ms).to_json()
        return Settlement(next=Next.PARK, park_for_ms=wait_ms, parked=parked)

    def _without_request(self) -> Settlement:
        """The request that fails is given up."""
        parked, request = self.parked, self.parked.request
        if request is None:
            return self._without_oldest()
        backlog = self.backlog.afresh(self.claimed.entries[self.taken :])
        attempt = {"attempts": parked.attempts, "first_attempt": parked.first}
        letter = backlog.bury(request, _REASON, parked.because, **attempt)
        backlog.note(request, "dead", sent=parked.attempts, why=_REASON, letter=letter)
        return backlog.settlement(Next.RELEASE)

    def _without_oldest(self) -> Settlement:
        """The oldest event is given up; or the whole outbox, where it is none."""
        if self.claimed.damage:
            contact = self.claimed.contact.decode("utf-8", "replace")
            detail = f"its outbox was not a list ({self.claimed.damage}); it is kept under {self.damaged}CONTACT"
            letter = DeadLetter(_REASON, detail, contact, (), (), (), at=self.now_ms)
            return Settlement(next=Next.RELEASE, dead=[letter], counters={"dead": 1})
        backlog = self.backlog.afresh(self.claimed.entries[self.taken :])
        backlog.bury_oldest(_REASON, self.parked.because, self.mappings)
        return backlog.settlement(Next.RELEASE)


def told(error: Exception) -> str:
    """What an error is, for people; a text that may hold an event's data stays out of it."""
    return str(error) if isinstance(error, DamagedError) else type(error).__name__


def raised_at(error: Exception) -> tuple[type[Exception], Exception, TracebackType | None] | None:
    """Where an error was raised, for the log; None where that tells nothing."""
    if isinstance(error, DamagedError):
        return None
    without_text = RuntimeError(f"{told(error)}; its text may hold an event's data and is left out")
    return RuntimeError, without_text, error.__traceback__
