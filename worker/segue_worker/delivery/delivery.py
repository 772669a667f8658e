"""The delivery of one claimed contact: send its requests in order, and record each before the next."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final, TypeGuard

from redis.exceptions import RedisError
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from segue_worker.delivery.backlog import Backlog
from segue_worker.delivery.context import RunContext
from segue_worker.delivery.failure import Failure, raised_at, taken_up, told
from segue_worker.delivery.fault_points import reach
from segue_worker.delivery.journal import Journal
from segue_worker.delivery.lease import Hold
from segue_worker.delivery.requests import update_digest
from segue_worker.delivery.retry import (
    Dead,
    Decision,
    Delivered,
    Outcome,
    PauseDestination,
    Retry,
    decide,
    describe,
    is_down,
    own_fault,
)
from segue_worker.delivery.telling import tell_letter, tell_retry
from segue_worker.errors import DamagedError
from segue_worker.logs import facts
from segue_worker.loops import Answer, NoAnswerError
from segue_worker.masking import mask_known
from segue_worker.outbox import Claimed, Next, Settlement, is_passing
from segue_worker.outbox.outbox import FORGET
from segue_worker.outbox.outgoing import Outgoing, Parked
from segue_worker.outbox.pause import PauseKind
from segue_worker.outbox.plan import Plan
from segue_worker.pacing.pacer import Slot

QUICK_ATTEMPTS: Final = 3
"""Attempts in a row before the contact is parked."""
QUICK_WAIT_S: Final = 3.0
"""A longer wait is spent parked, where it holds up nobody."""
NO_SLOT_WAIT_S: Final = 0.5
SETTLE_PATIENCE_S: Final = 30.0
"""How long a settlement is tried while Redis is away; an unrecorded request would be sent again."""
OVERDUE_MS: Final = 24 * 3_600_000
"""Bulk that has waited for longer keeps a larger part of the limit."""

log = logging.getLogger(__name__)


class Delivery:
    """Delivers the events of one claimed contact.

    Args:
        claimed: the contact and its events.
        run: what the deliveries of the run share.
        since: time of the event loop at which the claim was asked for.
        begun_with: the plan by which an interrupted claim may have sent what is not recorded, if not the run's own.
    """

    def __init__(self, claimed: Claimed, run: RunContext, *, since: float, begun_with: Plan | None = None) -> None:
        self._run = run
        self._claimed = claimed
        journal = Journal(claimed.contact, interrupted=claimed.interrupted, sent=run.sent)
        self._parked = Parked.from_json(claimed.parked) if claimed.parked else None
        entries = claimed.entries[: taken_up(self._parked)]
        self._backlog = Backlog(claimed.contact, entries, now_ms=run.now_ms, journal=journal)
        self.message_ids = [message_id for message_id in self._backlog.message_ids if message_id]
        """The messageIds for which `seen` is to be asked."""
        known = zip(self._backlog.digests, self._backlog.message_ids, strict=True)
        self.digests = [digest for digest, message_id in known if message_id]
        """Their digests."""
        self._begun_with = begun_with
        self._steps = 0
        self._taken = 0
        self._request: Outgoing | None = None
        self._attempts = 0
        self._first_ms = 0
        self._why = ""
        # What a killed worker sent is not known: whatever was confirmed before may not hold any more.
        doubtful = claimed.interrupted or self._parked
        self._confirmed = b"" if doubtful or claimed.confirmed == FORGET else claimed.confirmed
        self._confirms = FORGET if doubtful and claimed.confirmed else b""
        self._remembered = bool(claimed.confirmed)
        self._hold = run.lease.hold(claimed, since)
        # Of a messageId that is under way for another contact, the later delivery waits for the earlier one. What is
        # under way for this contact by an earlier claim was settled, or given back, before this claim: `seen` tells.
        in_flight, hold = run.in_flight, self._hold
        self._twins: list[Hold] = []
        for message_id in self.message_ids:
            other = in_flight.get(message_id)
            if other is not None and other.claimed.contact != claimed.contact:
                self._twins.append(other)
            in_flight[message_id] = hold

    async def deliver(self, seen: set[str] | None) -> None:
        """Send what there is to send and settle it. Raises nothing that concerns only this contact.

        Whatever goes wrong with this contact alone makes it wait, longer each time, and in the end a dead letter.

        Args:
            seen: messageIds settled before; None where the delivery is to ask for itself.
        """
        try:
            if damage := self._claimed.damage:
                raise DamagedError(damage)  # noqa: TRY301 - as whatever the delivery raises
            if self._parked and self._parked.unread:
                raise DamagedError(self._parked.because)  # noqa: TRY301 - same
            if self._twins or seen is None:
                seen = await self._seen_after_twins()
            await self._deliver(seen)
        except _ClaimGoneError:
            log.info("a contact of %s was taken over by another run", self._run.destination.name)
        except Exception as error:  # noqa: BLE001 - see above
            if is_passing(error):
                log.warning(
                    "Redis does not answer (%s); a contact's last request may be repeated", type(error).__name__
                )
            else:
                await self._fail(error)
        finally:
            self.end()

    def end(self) -> None:
        """Let go of all that the claim has in what the run shares; a later claim of the contact keeps its own."""
        in_flight, hold = self._run.in_flight, self._hold
        for message_id in self.message_ids:
            if in_flight.get(message_id) is hold:
                del in_flight[message_id]
        self._run.lease.let_go(self._hold)

    async def _seen_after_twins(self) -> set[str]:
        """The messageIds settled before, once no earlier delivery has one of them under way.

        A twin is a duplicate only if it was settled: one that was given back unsent, or forgotten, is not.
        """
        for twin in self._twins:
            await twin.ended.wait()
        flags = await self._run.outbox.seen(self.digests)
        return {message_id for message_id, flag in zip(self.message_ids, flags, strict=True) if flag}

    async def _deliver(self, seen: set[str]) -> None:
        destination = self._run.destination
        frozen = self._parked.request if self._parked else None
        queue = deque(
            self._backlog.plan(
                destination.mappings,
                destination=destination.name,
                mode=destination.coalesce,
                seen=seen,
                frozen=frozen,
                begun_with=self._begun_with,
            )
        )
        if not queue:
            await self._settle(self._backlog.settlement(Next.RELEASE))
        while queue:
            request = self._request = queue.popleft()
            self._attempts = 0
            if request is not frozen and self._confirmed and update_digest(request) == self._confirmed:
                self._backlog.leave_unchanged(request)
                await self._settle(self._backlog.settlement(Next.KEEP if queue else Next.RELEASE))
                continue
            earlier = self._parked if request is frozen else None
            decision = await self._send(request, earlier)
            if decision is None or isinstance(decision, Retry | PauseDestination):
                await self._leave(request, decision, earlier)
                return
            queue.extendleft(reversed(self._conclude(request, decision, earlier)))
            await self._settle(self._backlog.settlement(Next.KEEP if queue else Next.RELEASE))

    def _conclude(self, request: Outgoing, decision: Delivered | Dead, earlier: Parked | None) -> list[Outgoing]:
        """Note the end of a request. Returns what must be sent in its place."""
        if isinstance(decision, Delivered):
            self._backlog.note(request, "delivered", sent=self._attempts)
            if self._run.destination.skip_unchanged and (digest := update_digest(request)):
                self._confirmed = self._confirms = digest
                self._remembered = True
            only_sent_here = self._attempts > 1 and not self._claimed.interrupted
            if decision.before and not only_sent_here and not earlier and (updates := request.updates()):
                # Another run sent this event, and perhaps with fewer updates folded in: they go once more without it,
                # and together, so that the contact is not taken back to older values.
                self._backlog.record(request.refs[-1:], "delivered")
                return list(updates)
            self._backlog.count(merged=len(request.refs) - 1)
            self._backlog.record(request.refs, "delivered")
        elif decision.reason == "refused" and request.parts:
            self._backlog.note(request, "apart", sent=self._attempts, why=decision.reason)
            return self._backlog.take_apart(request)
        else:
            letter = self._backlog.bury(
                request,
                decision.reason,
                decision.because,
                attempts=self._attempts,
                first_attempt=self._first_ms,
                answer=self._answer,
            )
            self._backlog.note(request, "dead", sent=self._attempts, why=decision.reason, letter=letter)
        return []

    async def _send(self, request: Outgoing, earlier: Parked | None) -> Decision | None:
        """Send a request, with quick retries. Returns what follows, or None where it may not be sent (again) now."""
        self._attempts = earlier.attempts if earlier else 0
        self._first_ms = earlier.first if earlier else 0
        self._answer: dict[str, object] | None = None
        if self._age_s() > self._run.destination.retry.max_age.total_seconds():
            # It waited behind a pause; Loops may have forgotten its Idempotency-Key.
            return Dead("expired", f"not sent again, {self._age_s():.0f} s after the first attempt")
        self._pending: Retry | None = None
        decision = await self._attempt(request)
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
        return await retrying(self._attempt, request)

    async def _attempt(self, request: Outgoing) -> Decision | None:
        run = self._run
        slot = await self._slot()
        if slot is None or not self._hold.good():
            return None
        reach("before_send")
        loop = asyncio.get_running_loop()
        sent, sent_ms = loop.time(), run.now_ms()
        self._attempts += 1
        self._confirmed = b""
        self._confirms = FORGET if self._remembered else b""
        self._first_ms = self._first_ms or sent_ms
        self._backlog.count(requests=1, retries=int(self._attempts > 1))
        outcome: Outcome
        try:
            async with self._hold.guard():
                outcome = await self._sending(request)
        except NoAnswerError as error:
            outcome = error
        except TimeoutError:
            raise _ClaimGoneError from None
        except Exception:
            self._backlog.journal.attempt(sent_ms, 0, loop.time() - sent)
            raise
        reach("after_send")
        answered = loop.time()
        self._backlog.journal.attempt(sent_ms, outcome.status if isinstance(outcome, Answer) else 0, answered - sent)
        self._why = str(outcome.status) if isinstance(outcome, Answer) else describe(outcome)
        if isinstance(outcome, Answer):
            too_many = outcome.status == 429  # noqa: PLR2004 - Too Many Requests
            run.pacer.used(slot, sent, answered, remaining=outcome.remaining, refused=too_many)
        else:
            run.pacer.used(slot, sent, answered)
        run.watch.answered(passing_failure=is_down(outcome))
        self._answer = None
        if isinstance(outcome, Answer):
            self._answer = {"status": outcome.status, "text": outcome.text}
            if outcome.status == 429:  # noqa: PLR2004 - Too Many Requests
                self._backlog.count(rate_limited=1)
                with suppress(RedisError, OSError):
                    await run.pacer.slow(outcome.retry_after)
        decision = decide(
            outcome,
            idempotent=request.key is not None,
            sent_before=self._attempts > 1 or bool(self._claimed.interrupted),
            attempt=self._attempts,
            age=self._age_s(),
            max_age=run.destination.retry.max_age.total_seconds(),
            jitter=run.jitter,
        )
        followed: Decision | None = decision
        if isinstance(decision, PauseDestination) and not decision.certain:
            followed = await self._blamed(decision)
        return self._noted(request, outcome, followed)

    def _noted(self, request: Outgoing, outcome: Outcome, decision: Decision | None) -> Decision | None:
        """What follows from an attempt, with a retry noted and told."""
        self._pending = None
        if isinstance(decision, Retry):
            self._pending = decision
            name, about = self._run.destination.name, self._backlog.subject(request)
            tell_retry(name, about, outcome, decision, self._attempts)
        return decision

    def _sending(self, request: Outgoing) -> Awaitable[Answer]:
        """Sends a request; within its spans, where somebody asked for traces."""
        run = self._run
        sending = run.client.send(request.method, request.path, request.body, idempotency_key=request.key)
        if run.send_traced is None:
            return sending
        told = self._backlog.subject(request)
        about = {
            "messaging.destination.name": run.destination.name,
            "messaging.message.id": ", ".join(told["message_ids"]),
            "segue.event": told["event"],
            "segue.mapping": told["mapping"],
            "segue.attempt": self._attempts,
        }
        return run.send_traced(sending, f"{request.method} {request.path}", self._backlog.traces(request), about)

    async def _blamed(self, pause: PauseDestination) -> Decision | None:
        """What follows where a request alone may be to blame: nobody is paused unless Loops refuses the key as well.

        None where this run must leave before it can ask for that; the next one asks.
        """
        run = self._run
        taken = await run.key_is_taken()
        if not taken:
            return pause if taken is False else None
        return own_fault(
            pause,
            attempt=self._attempts,
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

    def _is_live(self) -> bool:
        """Whether a live event waits for what is to be sent now."""
        return self._hold.live or self._taken < self._claimed.live

    def _is_overdue(self) -> bool:
        """Whether the contact has waited for so long in bulk that it keeps a larger part of the limit."""
        return not self._is_live() and self._run.now_ms() - self._claimed.since > OVERDUE_MS

    def _age_s(self) -> float:
        return (self._run.now_ms() - self._first_ms) / 1000 if self._first_ms else 0.0

    async def _nap(self, seconds: float) -> None:
        """Wait, but not longer than this run may send."""
        try:
            await asyncio.wait_for(self._run.leaving.wait(), seconds)
        except TimeoutError:
            return

    async def _leave(
        self, request: Outgoing, decision: Retry | PauseDestination | None, earlier: Parked | None
    ) -> None:
        """Give the contact back: parked with its request where that was ever attempted."""
        run = self._run
        if isinstance(decision, PauseDestination):
            # What was refused for its key or address has had no effect: its age does not count.
            self._first_ms = earlier.first if earlier else 0
            # Everybody sees the reason of a pause, so it must not tell what this request holds.
            await run.pause(
                PauseKind.REFUSED, mask_known(decision.because, request.body.decode()), self._about(request)
            )
        if not self._attempts:
            await self._settle(self._backlog.settlement(Next.RETURN))
            return
        retry = decision if isinstance(decision, Retry) else self._pending
        wait_ms = int(retry.after * 1000) if retry else 0
        because = retry.because if retry else getattr(decision, "because", earlier.because if earlier else "")
        now_ms = run.now_ms()
        self._backlog.note(request, "parked", sent=self._attempts, why=self._why, next_ms=now_ms + wait_ms)
        self._backlog.begin(request)
        settlement = self._backlog.settlement(Next.PARK, park_for_ms=wait_ms)
        parked = Parked(
            *(self._attempts, self._first_ms, now_ms + wait_ms, because),
            request.counted_from(self._backlog.head),
            self._claimed.since,
        )
        await self._settle(replace(settlement, parked=parked.to_json()))

    def _about(self, request: Outgoing) -> dict[str, object]:
        """What the log says of the request that a pause follows."""
        return {**self._backlog.subject(request), "status": int(self._why) if self._why.isdecimal() else 0}

    async def _settle(self, settlement: Settlement) -> None:
        reach("before_settle")
        if self._confirms:
            settlement = replace(settlement, confirms=self._confirms)
        settle = partial(self._run.outbox.settle, self._claimed, settlement, step=self._steps)
        try:
            left = await settle()
        except (RedisError, OSError) as error:
            if not is_passing(error):
                raise
            retrying = AsyncRetrying(
                retry=retry_if_exception(is_passing),
                wait=wait_random_exponential(multiplier=0.05, max=0.5),
                stop=stop_after_delay(SETTLE_PATIENCE_S),
                reraise=True,
            )
            left = await retrying(settle)
        reach("after_settle")
        self._steps += 1
        if left is None:
            raise _ClaimGoneError
        self._taken += settlement.taken
        self._confirms = b""
        request, self._request = self._request, None
        self._run.counts.update(settlement.counters)
        for letter in settlement.dead:
            tell_letter(self._run.destination.name, letter)
        self._run.watch.ended(
            delivered=settlement.counters.get("delivered", 0),
            refused=sum(letter.reason == "refused" for letter in settlement.dead),
        )
        trouble = self._run.watch.trouble()
        if trouble is not None:
            await self._run.pause(*trouble, self._about(request) if request else {})

    async def _fail(self, error: Exception) -> None:
        """Give the contact back after a failure of its delivery: for a while, or in the end without what fails."""
        run, parked = self._run, self._parked
        sending = self._request if self._attempts else None
        if sending is not None:
            parked = Parked(self._attempts, self._first_ms, 0, "", sending.counted_from(self._taken))
        elif parked is None or self._steps:
            parked = Parked(0, run.now_ms(), 0, "", None)
        # What was recorded by this claim is progress.
        failures = 1 + (self._parked.failures if self._parked and not self._steps else 0)
        name = run.destination.name
        log.error(
            *("the delivery of a contact of %s failed %d times in a row: %s", name, failures, told(error)),
            exc_info=raised_at(error),
            extra=facts(
                **(self._backlog.subject(self._request) if self._request else {}),
                destination=name,
                status=0,
                reason="internal",
                failures=failures,
            ),
        )
        because = f"the delivery failed ({type(error).__name__})"
        parked = replace(parked, because=because, failures=failures, since=self._claimed.since)
        failure = Failure(
            *(self._claimed, self._taken, self._backlog, parked, sending),
            *(run.destination.mappings, run.outbox.keys.damaged, run.now_ms()),
        )
        for way_out in failure.ways_out():
            try:
                await self._settle(way_out())
            except _ClaimGoneError:
                return
            except Exception as another:
                if is_passing(another):
                    log.warning("Redis does not answer (%s); a contact's claim lapses", type(another).__name__)
                    return
                log.exception("a contact of %s cannot be given back so", name)
            else:
                return


class _ClaimGoneError(Exception):
    """The contact belongs to another run by now."""


def _is_quick(decision: Decision | None) -> TypeGuard[Retry]:
    return isinstance(decision, Retry) and decision.after <= QUICK_WAIT_S


def _decided_wait(state: RetryCallState) -> float:
    decision = state.outcome.result() if state.outcome else None
    return decision.after if isinstance(decision, Retry) else 0.0


def _last_result(state: RetryCallState) -> Decision | None:
    result: Decision | None = state.outcome.result() if state.outcome else None
    return result
