"""A batch run: claim due contacts, deliver them with bounded concurrency, hand over while work is due."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from redis.exceptions import RedisError, ResponseError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_fixed

from segue_producer.lanes import LANE_NAMES, Lane
from segue_worker.delivery.context import RunContext
from segue_worker.delivery.delivery import Delivery
from segue_worker.delivery.fault_points import reach
from segue_worker.errors import SegueError
from segue_worker.logs import facts
from segue_worker.loops import Answer, NoAnswerError
from segue_worker.loops.transport import CONNECTIONS
from segue_worker.outbox import Claimed, is_passing
from segue_worker.outbox.begun import opened as open_claim
from segue_worker.outbox.pause import PauseKind, after_probe
from segue_worker.outbox.plan import Plan, version_in
from segue_worker.printable import counted

RUN_S: Final = 5.0
"""How long a run goes on before it hands over, so that runs of other destinations get their turn."""
IDLE_POLL_S: Final = 0.02
"""How often a run with free places in a lane looks for contacts that became due: no append sends it a hint."""
BUSY_POLL_S: Final[dict[Lane, float]] = {"live": 0.05, "bulk": 1.0}
"""The same while the other lane has no room; with many destinations this is what most claims would be."""
STOP_POLL_S: Final = 0.05
REDIS_PATIENCE_S: Final = 10.0
LEAVE_S: Final = 60.0
"""Beyond the time of one request, how long deliveries may take to end once the run must leave: longer than settlements
are tried. A delivery that has not ended by then hangs; it is cancelled, and its claim lapses."""
CANCEL_S: Final = 5.0

log = logging.getLogger(__name__)


def concurrency(rate_limit: int) -> int:
    """Contacts delivered at once: enough to use the limit while answers take up to two seconds."""
    return min(CONNECTIONS, max(8, 2 * rate_limit))


def lane_of(claimed: Claimed) -> Lane:
    """The lane in which a contact had waited."""
    return "live" if claimed.live else "bulk"


async def run(context: RunContext, *, seconds: float = RUN_S) -> bool:
    """Do one run.

    Args:
        context: what the deliveries share; its outbox has a fresh owner token.
        seconds: after which the run hands over.

    Returns:
        whether work is due and nobody is at it, so that a hint is wanted.
    """
    if not await context.outbox.start(context.destination.parallel_runs):
        return False
    with suppress(RedisError, OSError):
        await context.outbox.keep_plan(Plan.of(context.destination.mappings))
    leave_s = LEAVE_S + context.destination.timeout.total_seconds()
    # A heartbeat proves that the run is alive, not that it gets on: so it ends by itself.
    keeping = asyncio.create_task(context.lease.keep(seconds + leave_s + CANCEL_S))
    watching = asyncio.create_task(_watch(context, seconds))
    try:
        if await _stays_paused(context) or await _deliver_due(context):
            return False
        wanted = await _finish(context, leave=True) == "hint"
        reach("hand_over")
        return wanted
    finally:
        context.lease.end()
        keeping.cancel()
        watching.cancel()


async def _watch(context: RunContext, seconds: float) -> None:
    """Set `leaving` when the run's time is over, its place is lost, or the process is to stop."""
    until = asyncio.get_running_loop().time() + seconds
    while not context.stopping() and not context.lease.run_lost and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110 - see below
        # A signal handler sets the flag of a shutdown, so nothing can wait for it.
        await asyncio.sleep(STOP_POLL_S)
    context.leaving.set()


async def _deliver_due(context: RunContext) -> bool:
    """Deliver until nothing is due, or the run must leave. Returns whether the run has ended for want of work."""
    deliveries = _Deliveries(concurrency(context.destination.rate_limit))
    ended = False
    try:
        while context.may_send() and not ended:
            since = asyncio.get_running_loop().time()
            room = deliveries.room(since)
            claimed = await _claim(context, room) if any(room.values()) else []
            deliveries.note_look(since, room, claimed)
            if claimed:
                reach("after_claim")
                await _begin(claimed, context, deliveries, since=since)
            elif not deliveries:
                ended = await _finish(context, leave=False) == "ended"
            else:
                await deliveries.one_ends()
    finally:
        await deliveries.all_end(within_s=LEAVE_S + context.destination.timeout.total_seconds())
    return ended


class _Deliveries:
    """The deliveries under way. Waiting for the next to end costs the same however many there are.

    Each lane has its own places, so that bulk takes none from live. A lane in which nothing was found is looked at again
    after a while, and not whenever a delivery of the other one ends.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._tasks: dict[asyncio.Task[None], Lane] = {}
        self._under_way = Counter[Lane]()
        self._look_at: dict[Lane, float] = dict.fromkeys(LANE_NAMES, 0.0)
        self._ended = asyncio.Event()

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, delivery: Coroutine[Any, Any, None], lane: Lane) -> None:
        task = asyncio.create_task(delivery)
        self._tasks[task] = lane
        self._under_way[lane] += 1
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        lane = self._tasks.pop(task)
        self._under_way[lane] -= 1
        # Before there is room nothing can be claimed, and looking costs as much as a settlement.
        if self._has_room(lane):
            self._ended.set()

    def _has_room(self, lane: Lane) -> bool:
        return 2 * self._under_way[lane] <= self._places

    def room(self, now: float) -> dict[Lane, int]:
        """How many contacts of each lane are to be claimed; none before it is time to look."""
        lanes = [lane for lane in LANE_NAMES if self._has_room(lane)]
        if self._tasks and all(self._look_at[lane] > now for lane in lanes):
            lanes = []
        return {lane: self._places - self._under_way[lane] if lane in lanes else 0 for lane in LANE_NAMES}

    def note_look(self, now: float, room: Mapping[Lane, int], claimed: Sequence[Claimed]) -> None:
        """Note what a look at the lanes has brought."""
        found = {lane_of(item) for item in claimed}
        for lane in LANE_NAMES:
            if room[lane]:
                self._look_at[lane] = 0.0 if lane in found else now + self._pause(lane)

    def _pause(self, lane: Lane) -> float:
        """How long to wait before an empty lane is looked at again: the more is under way in the other one, the longer."""
        other: Lane = "bulk" if lane == "live" else "live"
        return IDLE_POLL_S if self._has_room(other) else BUSY_POLL_S[lane]

    async def one_ends(self) -> None:
        """Wait until one ends and there is room, or it is time to look at a lane that has room."""
        looks = [self._look_at[lane] for lane in LANE_NAMES if self._has_room(lane)]
        with suppress(TimeoutError):
            async with asyncio.timeout_at(min(looks, default=None)):
                await self._ended.wait()
        self._ended.clear()

    async def all_end(self, *, within_s: float) -> None:
        """Wait for all, and cancel what has not ended in time."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=within_s)
        if hanging := tuple(self._tasks):
            log.error("%s cancelled for hanging; their contacts are tried again", counted(len(hanging), "task"))
            for task in hanging:
                task.cancel()
            await asyncio.wait(hanging, timeout=CANCEL_S)


async def _claim(context: RunContext, room: Mapping[Lane, int]) -> list[Claimed]:
    try:
        return await context.outbox.claim(room["live"], room["bulk"])
    except (RedisError, OSError) as error:
        log.warning("Redis does not answer (%s); the run waits", type(error).__name__)
        with suppress(TimeoutError):
            await asyncio.wait_for(context.leaving.wait(), 0.2)
        return []


async def _begin(claimed: Sequence[Claimed], context: RunContext, deliveries: _Deliveries, *, since: float) -> None:
    begun: list[Delivery] = []
    seen: set[str] | None = None
    try:
        for item in map(open_claim, claimed):
            plan = await _begun_with(item, context)
            begun.append(Delivery(item, context, since=since, begun_with=plan))
        digests = [digest for delivery in begun for digest in delivery.digests]
        ids = [message_id for delivery in begun for message_id in delivery.message_ids]
        flags: list[bool] = await _patiently(context.outbox.seen, digests)
        seen = {message_id for message_id, flag in zip(ids, flags, strict=True) if flag}
    except ResponseError as error:
        # One of them is to blame: each asks for itself.
        log.error("the duplicates of several contacts could not be looked up together: %s", error)  # noqa: TRY400 - not of this code
    except BaseException:
        # Nothing of them was sent; their claims lapse.
        for delivery in begun:
            delivery.end()
        raise
    for item, delivery in zip(claimed, begun, strict=True):
        deliveries.add(delivery.deliver(seen), lane_of(item))


async def _begun_with(claimed: Claimed, context: RunContext) -> Plan | None:
    """The plan by which an interrupted claim may have sent what is not recorded; None where it is this run's own."""
    version = version_in(claimed.begun_by)
    if not version or version == Plan.of(context.destination.mappings).version:
        return None
    try:
        return await context.outbox.plan(version)
    except (RedisError, OSError, ValueError, TypeError, SegueError) as error:
        log.warning("the plan of an interrupted claim cannot be read (%s)", type(error).__name__)
        return None


async def _finish(context: RunContext, *, leave: bool) -> str:
    with suppress(RedisError, OSError):
        await context.pacer.report()
    # A heartbeat that came after the end would keep the run's place for a run that is over.
    async with context.lease.renewing:
        answer: str = await _patiently(context.outbox.finish, leave=leave)
        if answer != "go on":
            context.lease.end()
    return answer


async def _patiently(step: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
    """Do a step of the outbox, trying for a while where Redis is away."""
    try:
        return await step(*args, **options)
    except (RedisError, OSError) as error:
        if not is_passing(error):
            raise
        retrying = AsyncRetrying(
            retry=retry_if_exception(is_passing),
            wait=wait_fixed(0.2),
            stop=stop_after_delay(REDIS_PATIENCE_S),
            reraise=True,
        )
        return await retrying(step, *args, **options)


async def _stays_paused(context: RunContext) -> bool:
    """Whether the destination stays paused; a pause whose probe is due is probed, and ended where that succeeds.

    A probe is due at once where Loops refused another key, or at another address, than this worker was started with.
    """
    pause = await context.outbox.paused()
    if pause is None:
        return False
    now_ms, access = context.now_ms(), context.destination.access
    if pause.has_ended(now_ms) and await context.outbox.replace_pause(pause, None):
        return False
    refused = pause.kind is PauseKind.REFUSED
    if pause.wants_probe(now_ms) or (refused and not await context.outbox.is_refused(access)):
        try:
            answer: Answer | None = await context.client.check_key()
        except NoAnswerError:
            answer = None
        if answer is not None and answer.delivered:
            if await context.outbox.replace_pause(pause, None):
                name = context.destination.name
                log.warning(
                    "the pause of destination %s has ended: the probe succeeded", name, extra=facts(destination=name)
                )
                return False
        else:
            if refused and not await context.outbox.is_refused(access):
                await context.outbox.note_refused(access)
            await context.outbox.replace_pause(pause, after_probe(pause, now_ms))
    await _finish(context, leave=True)
    return True
