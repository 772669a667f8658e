"""The attempts of one request, and what follows from the last of them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeGuard

from redis.exceptions import RedisError
from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt

from segue_worker.delivery.backlog import Backlog
from segue_worker.delivery.context import RunContext
from segue_worker.delivery.fault_points import reach
from segue_worker.delivery.lease import Hold
from segue_worker.delivery.process_log import tell_retry
from segue_worker.delivery.retry import (
    Dead,
    Decision,
    PauseDestination,
    Reply,
    Retry,
    decide,
    describe,
    is_down,
    own_fault,
    retry_in_doubt,
)
from segue_worker.loops import Answer, NoAnswerError
from segue_worker.outbox import is_passing
from segue_worker.outbox.outgoing import Outgoing, Parked
from segue_worker.pacing.pacer import Slot

QUICK_ATTEMPTS: Final = 3
"""Attempts in a row before the contact is parked."""
QUICK_WAIT_S: Final = 3.0
"""A longer wait is spent parked, where it holds up nobody."""
NO_SLOT_WAIT_S: Final = 0.5


class ClaimGoneError(Exception):
    """The contact belongs to another run by now."""


class Attempts:
    """Makes the attempts of one request in a run.

    Args:
        request: what is sent.
        run: what the deliveries of the run share.
        hold: on the contact; without it nothing is sent.
        backlog: notes the attempts.
        earlier: what is remembered of it, where it was parked.
        interrupted: whether it may have been sent by a claim that was interrupted.
        is_live: tells whether a live event waits for it.
        is_overdue: tells whether it has waited for so long in bulk that it keeps a larger part of the limit.

    Attributes:
        count: how many there were, by any run.
        first_ms: unix ms of the first attempt; 0 where there was none.
        answer: status and text of the last answer; None where the last attempt had none, or was a delivery.
        why: the last answer's status, or the failure; "" before the first attempt of this run.
        pending: the retry that was decided on and is not made yet.
    """

    __slots__ = (
        *("_backlog", "_hold", "_interrupted", "_is_live", "_is_overdue", "_run"),
        *("answer", "count", "earlier", "first_ms", "pending", "request", "why"),
    )

    def __init__(  # noqa: PLR0913 - what a request depends on
        self,
        request: Outgoing,
        run: RunContext,
        hold: Hold,
        backlog: Backlog,
        earlier: Parked | None,
        *,
        interrupted: bool,
        is_live: Callable[[], bool],
        is_overdue: Callable[[], bool],
    ) -> None:
        self.request = request
        self.earlier = earlier
        self.count = earlier.attempts if earlier else 0
        self.first_ms = earlier.first if earlier else 0
        self.answer: dict[str, object] | None = None
        self.why = ""
        self.pending: Retry | None = None
        self._run = run
        self._hold = hold
        self._backlog = backlog
        self._interrupted = interrupted
        self._is_live = is_live
        self._is_overdue = is_overdue

    @property
    def made_here(self) -> bool:
        """Whether any was made by this run."""
        return self.count > (self.earlier.attempts if self.earlier else 0)

    def about(self) -> dict[str, object]:
        """What the log says of it where its destination is paused for it."""
        return {**self._backlog.subject(self.request), "status": int(self.why) if self.why.isdecimal() else 0}

    async def make(self) -> Decision | None:
        """Send the request, with quick retries. Returns what follows, or None where it may not be sent (again) now.

        Raises:
            ClaimGoneError: the hold on the contact ran out while it was under way.
        """
        if self._age_s() > self._run.destination.retry.max_age.total_seconds():
            # It waited behind a pause; Loops may have forgotten its Idempotency-Key.
            return Dead("expired", f"not sent again, {self._age_s():.0f} s after the first attempt")
        decision = await self._attempt()
        if not _is_quick(decision):
            # Nearly always; asking tenacity costs more than all the rest of an attempt.
            return decision
        await self._nap(decision.after)
        retrying = AsyncRetrying(
            retry=retry_if_result(_is_quick),
            stop=stop_after_attempt(QUICK_ATTEMPTS - 1),
            wait=_decided_wait,
            retry_error_callback=_last_result,
            sleep=self._nap,
        )
        return await retrying(self._attempt)

    async def _attempt(self) -> Decision | None:
        run, request = self._run, self.request
        slot = await self._slot()
        if slot is None or not self._hold.good():
            return None
        reach("before_send")
        loop = asyncio.get_running_loop()
        sent, sent_ms = loop.time(), run.now_ms()
        self.count += 1
        self.first_ms = self.first_ms or sent_ms
        self._backlog.count(requests=1, retries=int(self.count > 1))
        outcome: Reply
        try:
            async with self._hold.guard():
                outcome = await self._exchange()
        except NoAnswerError as error:
            outcome = error
        except TimeoutError:
            raise ClaimGoneError from None
        except Exception:
            self._backlog.journal.attempt(sent_ms, 0, loop.time() - sent)
            raise
        reach("after_send")
        answered = loop.time()
        self._backlog.journal.attempt(sent_ms, outcome.status if isinstance(outcome, Answer) else 0, answered - sent)
        self.why = str(outcome.status) if isinstance(outcome, Answer) else describe(outcome)
        if isinstance(outcome, Answer):
            too_many = outcome.status == 429  # noqa: PLR2004 - Too Many Requests
            run.pacer.used(slot, sent, answered, remaining=outcome.remaining, refused=too_many)
        else:
            run.pacer.used(slot, sent, answered)
        run.watch.answered(passing_failure=is_down(outcome))
        self.answer = None
        if isinstance(outcome, Answer) and not outcome.delivered:
            self.answer = {"status": outcome.status, "text": outcome.text}
            if outcome.status == 429:  # noqa: PLR2004 - Too Many Requests
                self._backlog.count(rate_limited=1)
                with suppress(RedisError, OSError):
                    await run.pacer.slow(outcome.retry_after)
        decision = decide(
            outcome,
            idempotent=request.key is not None,
            sent_before=self.count > 1 or self._interrupted,
            attempt=self.count,
            age=self._age_s(),
            max_age=run.destination.retry.max_age.total_seconds(),
            jitter=run.jitter,
        )
        if isinstance(decision, PauseDestination) and not decision.certain:
            decision = await self._blamed(decision)
        return self._noted(outcome, decision)

    def _noted(self, outcome: Reply, decision: Decision) -> Decision:
        """What follows from an attempt, with a retry noted and told."""
        self.pending = None
        if isinstance(decision, Retry):
            self.pending = decision
            name, about = self._run.destination.name, self._backlog.subject(self.request)
            tell_retry(name, about, outcome, decision, self.count)
        return decision

    def _exchange(self) -> Awaitable[Answer]:
        """Sends it once; within its spans, where somebody asked for traces."""
        run, request = self._run, self.request
        sending = run.client.send(request.method, request.path, request.body, idempotency_key=request.key)
        if run.send_traced is None:
            return sending
        told = self._backlog.subject(request)
        about = {
            "messaging.destination.name": run.destination.name,
            "messaging.message.id": ", ".join(told["message_ids"]),
            "segue.event": told["event"],
            "segue.mapping": told["mapping"],
            "segue.attempt": self.count,
        }
        return run.send_traced(sending, f"{request.method} {request.path}", self._backlog.traces(request), about)

    async def _blamed(self, pause: PauseDestination) -> Decision:
        """What follows where a request alone may be to blame: nobody is paused unless Loops refuses the key as well.

        Where this run must leave before it can ask for that, a later one asks, when the request has been sent again.
        """
        run = self._run
        taken = await run.key_is_taken()
        if taken is None:
            return retry_in_doubt(pause, self.count, run.jitter)
        if not taken:
            return pause
        return own_fault(
            pause,
            attempt=self.count,
            age=self._age_s(),
            max_age=run.destination.retry.max_age.total_seconds(),
            jitter=run.jitter,
        )

    async def _slot(self) -> Slot | None:
        """Leave to send, or None where nothing may be sent in this run, or without the shared limiter."""
        run, clock = self._run, asyncio.get_running_loop().time
        asked = clock()
        try:
            slot = await run.pacer.slot(wanted=run.may_send, live=self._is_live, overdue=self._is_overdue())
        except (RedisError, OSError) as error:
            if not is_passing(error):
                raise
            # Whatever is wrong with it alone, nobody asks again at once.
            await self._nap(NO_SLOT_WAIT_S)
            return None
        self._backlog.journal.limited(clock() - asked)
        return slot

    def _age_s(self) -> float:
        return (self._run.now_ms() - self.first_ms) / 1000 if self.first_ms else 0.0

    async def _nap(self, seconds: float) -> None:
        """Wait, but not longer than this run may send."""
        try:
            await asyncio.wait_for(self._run.leaving.wait(), seconds)
        except TimeoutError:
            return


def _is_quick(decision: Decision | None) -> TypeGuard[Retry]:
    return isinstance(decision, Retry) and decision.after <= QUICK_WAIT_S


def _decided_wait(state: RetryCallState) -> float:
    decision = state.outcome.result() if state.outcome else None
    return decision.after if isinstance(decision, Retry) else 0.0


def _last_result(state: RetryCallState) -> Decision | None:
    result: Decision | None = state.outcome.result() if state.outcome else None
    return result
