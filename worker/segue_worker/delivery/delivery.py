"""The delivery of one claimed contact: send its requests in order, and record each before the next."""

import logging
from collections import deque
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final

from redis.exceptions import RedisError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_random_exponential

from segue_worker.delivery.attempts import Attempts, ClaimGoneError
from segue_worker.delivery.backlog import Backlog
from segue_worker.delivery.context import RunContext
from segue_worker.delivery.failure import Failure, raised_at, taken_up, told
from segue_worker.delivery.fault_points import reach
from segue_worker.delivery.journal import Journal
from segue_worker.delivery.lease import Hold
from segue_worker.delivery.process_log import tell_letter
from segue_worker.delivery.retry import Dead, Decision, Delivered, PauseDestination, Retry
from segue_worker.delivery.unchanged import TOUCHED, remembered, update_digest
from segue_worker.errors import DamagedError
from segue_worker.logs import facts
from segue_worker.masking import mask_known
from segue_worker.outbox import Claimed, Next, Settlement, is_passing
from segue_worker.outbox.outgoing import Outgoing, Parked
from segue_worker.outbox.pause import PauseKind
from segue_worker.outbox.plan import Plan
from segue_worker.outbox.settlement import FORGET

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
        self._unreadable: Exception | None = None
        read = partial(Backlog, claimed.contact, now_ms=run.now_ms, journal=journal)
        try:
            self._backlog = read(claimed.entries[: taken_up(self._parked)])
        except Exception as error:  # noqa: BLE001 - the delivery fails with it, and the others of the run go on
            self._unreadable, self._backlog = error, read([])
        self.message_ids = [message_id for message_id in self._backlog.message_ids if message_id]
        """The messageIds for which `seen` is to be asked."""
        known = zip(self._backlog.digests, self._backlog.message_ids, strict=True)
        self.digests = [digest for digest, message_id in known if message_id]
        """Their digests."""
        self._begun_with = begun_with
        self._steps = 0
        self._taken = 0
        self._attempts: Attempts | None = None
        # What a killed worker sent is not known: whatever was confirmed before may not hold any more.
        doubtful = claimed.interrupted or self._parked
        self._confirmed = b"" if doubtful or claimed.confirmed == FORGET else claimed.confirmed
        self._confirms: dict[bytes, bytes] = {claimed.contact: TOUCHED} if doubtful and claimed.confirmed else {}
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
            if self._unreadable:
                raise self._unreadable  # noqa: TRY301 - as whatever the delivery raises
            if damage := self._claimed.damage:
                raise DamagedError(damage)  # noqa: TRY301 - same
            if self._parked and self._parked.unread:
                raise DamagedError(self._parked.because)  # noqa: TRY301 - same
            if self._twins or seen is None:
                seen = await self._seen_after_twins()
            await self._deliver(seen)
        except ClaimGoneError:
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
            request = queue.popleft()
            if request is not frozen and await self._is_unchanged(request):
                self._backlog.leave_unchanged(request)
                await self._settle(self._backlog.settlement(Next.KEEP if queue else Next.RELEASE))
                continue
            earlier = self._parked if request is frozen else None
            attempts = self._attempts = Attempts(
                *(request, self._run, self._hold, self._backlog, earlier),
                interrupted=bool(self._claimed.interrupted),
                is_live=self._is_live,
                is_overdue=self._is_overdue,
            )
            decision: Decision | None = None
            try:
                decision = await attempts.make()
            finally:
                if attempts.made_here and not isinstance(decision, Delivered):
                    self._remember(request)
            if decision is None or isinstance(decision, Retry | PauseDestination):
                await self._leave(attempts, decision)
                return
            queue.extendleft(reversed(self._conclude(attempts, decision)))
            await self._settle(self._backlog.settlement(Next.KEEP if queue else Next.RELEASE))

    async def _is_unchanged(self, request: Outgoing) -> bool:
        """Whether an update is the last that Loops confirmed of the contact, and no other contact may have changed it since."""
        if not self._confirmed or update_digest(request, self._run.access) != self._confirmed:
            return False
        contact = self._claimed.contact
        further = [name for name in remembered(request, contact) if name != contact]
        return not further or not await self._run.outbox.remembers_any(further)

    def _remember(self, request: Outgoing, digest: bytes = b"") -> None:
        """Note what is remembered of contacts with the next settlement: a request was sent; `digest` if Loops confirmed it."""
        contact = self._claimed.contact
        if self._run.destination.skip_unchanged:
            self._confirms |= remembered(request, contact, digest)
        else:
            self._confirms[contact] = FORGET
        if self._confirms[contact] == FORGET and not self._remembered:
            del self._confirms[contact]
        self._confirmed = digest if self._confirms.get(contact) == digest else b""
        self._remembered = self._remembered or bool(self._confirmed)

    def _conclude(self, attempts: Attempts, decision: Delivered | Dead) -> list[Outgoing]:
        """Note the end of a request. Returns what must be sent in its place."""
        request = attempts.request
        if isinstance(decision, Delivered):
            self._backlog.note(request, "delivered", sent=attempts.count)
            self._remember(request, update_digest(request, self._run.access))
            only_sent_here = attempts.count > 1 and not self._claimed.interrupted
            if decision.before and not only_sent_here and not attempts.earlier and (updates := request.updates()):
                # Another run sent this event, and perhaps with fewer updates folded in: they go once more without it,
                # and together, so that the contact is not taken back to older values.
                self._backlog.record(request.refs[-1:], "delivered")
                return list(updates)
            self._backlog.count(merged=len(request.refs) - 1)
            self._backlog.record(request.refs, "delivered")
        elif decision.reason == "refused" and request.parts:
            self._backlog.note(request, "apart", sent=attempts.count, why=decision.reason)
            return self._backlog.take_apart(request)
        else:
            letter = self._backlog.bury(
                request,
                decision.reason,
                decision.because,
                attempts=attempts.count,
                first_attempt=attempts.first_ms,
                answer=attempts.answer,
            )
            self._backlog.note(request, "dead", sent=attempts.count, why=decision.reason, letter=letter)
        return []

    def _is_live(self) -> bool:
        """Whether a live event waits for what is to be sent now."""
        return self._hold.live or self._taken < self._claimed.live

    def _is_overdue(self) -> bool:
        """Whether the contact has waited for so long in bulk that it keeps a larger part of the limit."""
        return not self._is_live() and self._run.now_ms() - self._claimed.since > OVERDUE_MS

    async def _leave(self, attempts: Attempts, decision: Retry | PauseDestination | None) -> None:
        """Give the contact back: parked with its request where that was ever attempted."""
        run, request, earlier = self._run, attempts.request, attempts.earlier
        if isinstance(decision, PauseDestination):
            # What was refused for its key or address has had no effect: its age does not count.
            attempts.first_ms = earlier.first if earlier else 0
            # Everybody sees the reason of a pause, so it must not tell what this request holds.
            await run.pause(PauseKind.REFUSED, mask_known(decision.because, request.body.decode()), attempts.about())
        if not attempts.count:
            await self._settle(self._backlog.settlement(Next.RETURN))
            return
        retry = decision if isinstance(decision, Retry) else attempts.pending
        wait_ms = int(retry.after * 1000) if retry else 0
        because = retry.because if retry else getattr(decision, "because", earlier.because if earlier else "")
        now_ms = run.now_ms()
        self._backlog.note(request, "parked", sent=attempts.count, why=attempts.why, next_ms=now_ms + wait_ms)
        self._backlog.begin(request)
        settlement = self._backlog.settlement(Next.PARK, park_for_ms=wait_ms)
        parked = Parked(
            *(attempts.count, attempts.first_ms, now_ms + wait_ms, because),
            request.counted_from(self._backlog.head),
            self._claimed.since,
        )
        await self._settle(settlement._replace(parked=parked.to_json()))

    async def _settle(self, settlement: Settlement) -> None:
        reach("before_settle")
        settle = partial(self._run.outbox.settle, self._claimed, settlement, step=self._steps, confirms=self._confirms)
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
            raise ClaimGoneError
        self._taken += settlement.taken
        self._confirms = {}
        attempts, self._attempts = self._attempts, None
        self._run.counts.update(settlement.counters)
        for letter in settlement.dead:
            tell_letter(self._run.destination.name, letter)
        self._run.watch.ended(
            delivered=settlement.counters.get("delivered", 0),
            refused=sum(letter.reason == "refused" for letter in settlement.dead),
        )
        trouble = self._run.watch.trouble()
        if trouble is not None:
            await self._run.pause(*trouble, attempts.about() if attempts else {})

    async def _fail(self, error: Exception) -> None:
        """Give the contact back after a failure of its delivery: for a while, or in the end without what fails."""
        run, parked = self._run, self._parked
        attempts = self._attempts
        request = attempts.request if attempts and attempts.count else None
        if attempts and request:
            parked = Parked(attempts.count, attempts.first_ms, 0, "", request.counted_from(self._taken))
        elif parked is None or self._steps:
            parked = Parked(0, run.now_ms(), 0, "", None)
        # What was recorded by this claim is progress.
        failures = 1 + (self._parked.failures if self._parked and not self._steps else 0)
        name = run.destination.name
        log.error(
            *("the delivery of a contact of %s failed (failure %d in a row): %s", name, failures, told(error)),
            exc_info=raised_at(error),
            extra=facts(
                **self._subject(),
                destination=name,
                status=0,
                reason="internal",
                failures=failures,
            ),
        )
        because = f"the delivery failed ({type(error).__name__})"
        parked = replace(parked, because=because, failures=failures, since=self._claimed.since)
        failure = Failure(
            *(self._claimed, self._taken, self._backlog, parked, request),
            *(run.destination.mappings, run.outbox.keys.damaged, run.now_ms()),
        )
        for way_out in failure.ways_out():
            try:
                await self._settle(way_out())
            except ClaimGoneError:
                return
            except Exception as another:
                if is_passing(another):
                    log.warning("Redis does not answer (%s); a contact's claim lapses", type(another).__name__)
                    return
                log.exception("giving back a contact of %s failed; trying a simpler way", name)
            else:
                return

    def _subject(self) -> dict[str, Any]:
        """What was being sent, as fields of the log; nothing where that is what fails."""
        with suppress(Exception):
            return self._backlog.subject(self._attempts.request) if self._attempts else {}
        return {}
