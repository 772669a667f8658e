"""The judgement: once faults have ended everything moves, and then the invariants are held against what happened."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from segue_producer.keys import Keys
from segue_worker.outbox.log_record import Record
from segue_worker.outbox.pause import Pause, PauseKind
from tests.simulation.loops_link import Effect, Sending
from tests.simulation.plan import Event

if TYPE_CHECKING:
    from tests.simulation.world import World

BOUND_S: Final = 25.0
"""Within so long whatever is due moves, once faults have ended: a claim of six seconds, Redis's and Loops's timeouts."""
LONGEST_PROBE_S: Final = 300.0
LONGEST_BACKOFF_S: Final = 900.0
LONGEST_RETRY_AFTER_S: Final = 3600.0
NIGHTS: Final = 8
ENDINGS: Final = ("delivered", "filtered", "duplicate", "dead")


async def judge(world: "World") -> None:
    """Wait until all is delivered, then hold every promise against what happened."""
    await _settle_down(world)
    for name in world.names:
        for rule, what in _Case(world, name).found():
            world.violate(rule, f"{name}: {what}")


async def _settle_down(world: "World") -> None:
    """Wait until all is delivered. What must wait for hours does so while the workers sleep."""
    for _ in range(NIGHTS):
        if await _drained(world):
            await _forgotten_are_back(world)
            return
        if world.violations:
            return
        await _night(world)
    world.violate("stalled", f"still waiting after {NIGHTS} nights: {_waiting(world)}")


async def _drained(world: "World") -> bool:
    """Whether nothing is left; false where all that is left may wait for longer."""
    began = world.loop.time()
    enqueueing = {sender.task for sender in world.senders if not sender.task.done() and sender.process.alive}
    if enqueueing and (await asyncio.wait(enqueueing, timeout=BOUND_S + 35))[1]:
        if any(_may_wait(world, *each) for each in _waiting(world)):
            return False
        world.violate("stalled", f"producers cannot enqueue, {BOUND_S + 35:.0f} s after faults have ended")
        return False
    while waiting := _waiting(world):
        for name in world.names:
            if (pause := _pause(world, name)) and pause.kind in {PauseKind.HAND, PauseKind.BREAKER}:
                world.person.do(world.person.resume, name)
        overdue = [text for name, contact in waiting if (text := _overdue(world, name, contact, began))]
        if overdue:
            world.violate("stalled", "; ".join(overdue[:5]))
            return False
        if world.loop.time() > began + BOUND_S and all(_may_wait(world, *each) for each in waiting):
            return False
        await asyncio.sleep(1.0)
    return True


async def _forgotten_are_back(world: "World") -> None:
    """Wait until contacts that were forgotten while they were claimed are away no more."""
    aways = [Keys(name).away.encode() for name in world.names]
    for _ in range(int(BOUND_S)):
        if not any(world.server.data.get(away) for away in aways):
            return
        await asyncio.sleep(1.0)


def _waiting(world: "World") -> list[tuple[str, str]]:
    return [(name, contact) for name in world.names for contact in world.outboxes(name)]


def _may_wait(world: "World", name: str, contact: str) -> bool:
    """Whether there is a reason for a wait: the contact is parked, or its destination paused, or asked to wait."""
    if _blocked_until(world, name) > world.loop.time():
        return True
    keys, data = Keys(name), world.server.data
    return keys.paused.encode() in data or contact.encode() in data.get(keys.parked.encode(), ())


def _overdue(world: "World", name: str, contact: str, began: float) -> str:
    """Why a contact should have moved by now, or ""."""
    owed = _owed_at(world, name, contact, began)
    now = world.loop.time()
    if now <= owed:
        return ""
    keys, data = Keys(name), world.server.data
    times = [(key, data.get(key.encode(), {}).get(contact.encode())) for key in (keys.due, keys.away)]
    ahead = ", ".join(
        f"{key.rpartition(':')[2]} in {at / 1000 - world.unix() - world.redis_clock_s:.1f} s" for key, at in times if at
    )
    lease = data.get(keys.lease.encode(), {}).get(contact.encode(), b"").decode()
    paused = data.get(keys.paused.encode(), b"").decode()
    run = data.get(keys.run.encode(), b"").decode()
    return (
        f"{name} {contact} ({world.outboxes(name).get(contact)} events) has not moved for {now - owed:.0f} s too long: "
        f"{ahead}, lease {lease!r}, run {run!r}, paused {paused!r}"
    )


def _owed_at(world: "World", name: str, contact: str, began: float) -> float:
    """When a contact must have moved at the latest."""
    rate = world.config.destination(name).rate_limit
    queue = sum(world.outboxes(name).values()) * 3 / rate
    last = world.last_sending.get((name, contact))
    began = max(began, _blocked_until(world, name))
    base = max(began, last.ended or last.left if last else 0.0) + BOUND_S + queue
    if not _may_wait(world, name, contact):
        return base
    return base + _longest_wait(world, name, contact)


def _blocked_until(world: "World", name: str) -> float:
    """Until when Loops has asked the team to wait, as far as that is obeyed."""
    return max((each.ended + each.wait for each in world.teams[name].sendings if each.ended), default=0.0)


def _pause(world: "World", name: str) -> Pause | None:
    raw = world.server.data.get(Keys(name).paused.encode())
    return None if raw is None else Pause.from_json(raw)


def _longest_wait(world: "World", name: str, contact: str) -> float:
    if _pause(world, name):
        return LONGEST_PROBE_S
    last = world.last_sending.get((name, contact))
    if last is None:
        return 0.0
    same = [each for each in world.teams[name].sendings if each.contact == contact and each.same == last.same]
    backoff = min(LONGEST_BACKOFF_S, 2.0 ** min(len(same), 20))
    asked = max((each.wait for each in world.teams[name].sendings), default=0.0)
    return max(backoff, min(asked, LONGEST_RETRY_AFTER_S))


async def _night(world: "World") -> None:
    """All workers stop, time passes, and they start again."""
    for worker in world.workers:
        worker.wanted = False
        if worker.process.alive:
            worker.stop()
    until = world.loop.time() + 60
    while any(worker.process.alive for worker in world.workers):
        if world.loop.time() > until:
            return
        await asyncio.sleep(0.1)
    now = world.loop.time()
    owed = max(_owed_at(world, name, contact, now) for name, contact in _waiting(world)) - BOUND_S
    world.tell(f"*** a night of {owed - now:.0f} s")
    await asyncio.sleep(max(0.0, owed - now))
    for worker in world.workers:
        worker.wanted = True
        worker.start()


class _Case:
    """One destination."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.truth = world.truth
        self.keys = Keys(name)
        self.sendings = sorted(
            (each for each in world.teams[name].sendings if each.arrived is not None),
            key=lambda each: each.arrived or 0,
        )
        self.events: dict[int, Event] = world.plan.events
        self.touches = len(world.config.destination(name).mappings) > 2
        self.complete = not any(violation.rule == "stalled" for violation in world.violations)

    def found(self) -> Iterator[tuple[str, str]]:
        """What is wrong, with its rule."""
        if self.complete:
            yield from self._lost()
            yield from self._left_behind()
            yield from self._books()
            yield from self._final_state()
            yield from self._isolated()
        yield from self._twice()
        yield from self._order()
        yield from self._overlap()
        yield from self._keys()
        yield from self._frozen()
        yield from self._pace()
        yield from self._forgotten()
        yield from self._paused()

    # What is known

    @cached_property
    def logged(self) -> list[tuple[float, Record]]:
        """The entries of the log, each with the unix seconds at which it was recorded."""
        entries = self.world.server.data.get(self.keys.log.encode(), {})
        return [(ms / 1000, Record.from_json(fields[1])) for (ms, _), fields in entries.items()]

    @cached_property
    def log(self) -> list[Record]:
        return [record for _, record in self.logged]

    @cached_property
    def endings(self) -> dict[int, list[str]]:
        """Number of an event → how it ended, as the log says."""
        endings: defaultdict[int, list[str]] = defaultdict(list)
        for record in self.log:
            for part in record.events:
                if part.outcome in ENDINGS:
                    endings[int(part.message_id[1:])].append(part.outcome)
        return endings

    @cached_property
    def effects(self) -> Counter[tuple[str, int]]:
        """How often each effect was seen."""
        return Counter(effect for sending in self.sendings if sending.applied for effect in sending.effects)

    @cached_property
    def forgotten(self) -> set[int]:
        """Events of a contact that came before a forget ended."""
        return {
            number
            for span in self.truth.forgets
            if span.destination == self.name
            for number in self.truth.order[self.name, span.contact]
            if self._came(number) <= (span.ended if span.ended is not None else float("inf"))
        }

    @cached_property
    def excused(self) -> set[str]:
        """Contacts of which Redis has forgotten something."""
        return {
            contact
            for began, ended in self.truth.lost
            for contact in self.world.plan.contacts
            if any(
                began - 1 <= at <= ended + 1
                for number in self.truth.order[self.name, contact]
                for at in self.truth.came[self.name, number]
            )
            or any(
                each.left <= ended + 1 and (each.ended or each.left) >= began - 1
                for each in self.sendings
                if each.contact == contact
            )
        }

    def _came(self, number: int) -> float:
        return self.truth.came[self.name, number][0]

    def _by_contact(self) -> Iterator[tuple[str, list[Sending]]]:
        for contact in self.world.plan.contacts:
            yield contact, [each for each in self.sendings if each.contact == contact]

    def _wanted(self, event: Event) -> set[str]:
        if event.kind in {"identify", "poison", "attack"}:
            return {"contacts"}
        return {"events"} if event.kind == "track" else set()

    # Promises

    def _lost(self) -> Iterator[tuple[str, str]]:
        for number, event in self.events.items():
            if not self.truth.came.get((self.name, number)):
                if (self.name, number) in self.truth.acknowledged:
                    yield "lost", f"m{number} was acknowledged and never came into the outbox"
            elif number not in self.forgotten and event.contact not in self.excused:
                yield from self._ended(number, event)

    def _ended(self, number: int, event: Event) -> Iterator[tuple[str, str]]:
        """An event that came into the outbox ended once, and otherwise than as a duplicate."""
        endings = self.endings.get(number, [])
        others = [each for each in endings if each != "duplicate"]
        if not others:
            yield "lost", f"m{number} of {event.contact} ended as {endings or 'nothing'}"
            return
        if len(others) > 1 + self.truth.replayed[self.name, number]:
            yield "books", f"m{number} of {event.contact} ended {len(others)} times: {endings}"
        if len(endings) - len(others) >= max(1, len(self.truth.came[self.name, number])):
            yield "books", f"m{number} of {event.contact} is a duplicate of nothing: {endings}"
        if "dead" in others:
            if event.kind in {"poison", "attack"}:
                return
            yield "died", f"m{number} of {event.contact} became a dead letter, and there was nothing wrong with it"
        for mapping in self._wanted(event):
            if not self.effects[mapping, number]:
                yield "lost", f"m{number} of {event.contact} had no effect by {mapping}; the log says {endings}"

    def _twice(self) -> Iterator[tuple[str, str]]:
        for (mapping, number), count in self.effects.items():
            if mapping == "events" and count > 1 + self.truth.replayed[self.name, number]:
                yield "twice", f"event m{number} took effect {count} times"

    def _order(self) -> Iterator[tuple[str, str]]:
        for contact, sendings in self._by_contact():
            if contact in self.excused:
                continue
            place = {number: at for at, number in enumerate(self.truth.order[self.name, contact])}
            known: set[Effect] = set()
            latest = updated = -1
            for sending in sendings:
                effects = [each for each in sending.effects if not self.truth.replayed[self.name, each[1]]]
                if not sending.applied or not effects:
                    continue
                told = f"{contact}: {' '.join(f'm{number}' for _, number in effects)} at {sending.arrived:.3f}"
                new = [place[number] for mapping, number in effects if (mapping, number) not in known]
                if new and min(new) < latest:
                    yield "order", f"{told} took effect after later events"
                values = [place[number] for mapping, number in effects if mapping == "contacts"]
                if values and max(values) < updated:
                    yield "order", f"{told} took the contact back to older values"
                known.update(effects)
                latest, updated = max([latest, *new]), max([updated, *values])

    def _overlap(self) -> Iterator[tuple[str, str]]:
        for contact, sendings in self._by_contact():
            if contact in self.excused:
                continue
            by_leaving = sorted(sendings, key=lambda each: each.left)
            for one, other in pairwise(by_leaving):
                rule = "overlap"
                if "redis clock" in self.world.plan.kinds:
                    rule = "overlap, clock forward"
                elif self._was_forgotten(contact, other.left):
                    rule = "overlap after forget"
                # Of a process that was killed or stood still, only the request itself counts, not when it was heard of.
                ended = one.ended if one.process is None or one.process.punctual else one.arrived
                if (ended or 0.0) > other.left:
                    yield rule, f"{contact}: a request left at {other.left:.3f}, while another was under way"
                elif (one.arrived or 0.0) > (other.arrived or 0.0):
                    yield rule, f"{contact}: a request of {one.left:.3f} arrived after one of {other.left:.3f}"

    def _was_forgotten(self, contact: str, by: float) -> bool:
        return any(
            span.destination == self.name and span.contact == contact and by - 15.0 < span.began < by
            for span in self.truth.forgets
        )

    def _keys(self) -> Iterator[tuple[str, str]]:
        """One key for each event: another only for what was taken apart, or is a replay."""
        keys: defaultdict[int, list[str]] = defaultdict(list)
        for sending in self.sendings:
            for mapping, number in sending.effects:
                if mapping == "events" and sending.key and sending.key not in keys[number]:
                    keys[number].append(sending.key)
        for number, known in keys.items():
            folds = self.world.config.destination(self.name).coalesce == "updates_into_events"
            if len(known) > 1 + self.truth.replayed[self.name, number] + (1 if folds else 0):
                yield "key", f"event m{number} was sent under {len(known)} Idempotency-Keys"

    def _frozen(self) -> Iterator[tuple[str, str]]:
        """The same Idempotency-Key always has the same body."""
        bodies: dict[str, Sending] = {}
        for sending in self.sendings:
            if not sending.key or sending.contact in self.excused:
                continue
            first = bodies.setdefault(sending.key, sending)
            if first.body != sending.body:
                told = " ".join(f"{mapping}:{number}" for mapping, number in sending.effects)
                yield "frozen", f"{sending.contact}: {told} at {sending.left:.3f} has another body than before"

    def _final_state(self) -> Iterator[tuple[str, str]]:
        """Every contact ends as it would have, had its events been sent one by one."""
        team = self.world.teams[self.name].sandbox.team(self.name)
        at_fault = {event.contact for event in self.events.values() if event.kind in {"poison", "attack"}}
        forgotten = {span.contact for span in self.truth.forgets}
        replayed = {self.events[number].contact for (_, number), count in self.truth.replayed.items() if count}
        for contact in sorted(set(self.world.plan.contacts) - at_fault - forgotten - replayed - self.excused):
            order = [self.events[number] for number in self.truth.order[self.name, contact]]
            wanted: dict[str, int] = {}
            for event in order:
                if event.kind == "identify":
                    wanted |= {"place": event.number, f"p{event.number}": event.number}
                elif event.kind == "track" and self.touches:
                    wanted["last"] = event.number
            known = team.contacts.by_user_id(contact)
            found = {name: value for name, value in known.properties.items() if name != "source"} if known else {}
            if found != wanted:
                wrong = sorted(set(wanted.items()) ^ set(found.items()))
                yield "final state", f"{contact}: {wrong[:4]}"

    def _isolated(self) -> Iterator[tuple[str, str]]:
        """A destination, and a contact, that no fault was meant for is served as if there were none."""
        team = self.world.teams[self.name]
        if team.struck or self.world.plan.kinds - _LOOPS_ALONE:
            return
        rate = self.world.config.destination(self.name).rate_limit
        for at, record in self.logged:
            for part in record.events:
                event = self.events.get(int(part.message_id[1:]))
                if event is None or part.outcome != "delivered" or event.contact in team.sick_ones:
                    continue
                came = self._came(event.number)
                took = at - self.world.unix() + self.world.loop.time() - came
                ahead = sum(1 for number in self.events if came - 60 < self._came_or_never(number) <= came)
                if took > 10 + 3 * ahead / rate:
                    yield "isolated", f"m{event.number} of {event.contact} took {took:.1f} s"

    def _came_or_never(self, number: int) -> float:
        times = self.truth.came.get((self.name, number))
        return times[0] if times else float("inf")

    def _pace(self) -> Iterator[tuple[str, str]]:
        limit = self.world.config.destination(self.name).rate_limit
        times = sorted(each.left for each in self.sendings)
        most = max((sum(1 for at in times if start <= at < start + 1.0) for start in times), default=0)
        if most > limit and not self.world.plan.kinds & _UNPACED:
            rule = "pace, Redis late" if self.world.plan.kinds & _LATE else "pace"
            yield rule, f"{most} requests left within a second, at most {limit} may"

    def _forgotten(self) -> Iterator[tuple[str, str]]:
        for span in self.truth.forgets:
            if span.destination != self.name or span.ended is None:
                continue
            if any(until >= span.began for _, until in self.truth.lost):
                # Redis went back to a time when the person was not forgotten yet.
                continue
            for sending in self.sendings:
                late = sending.left > span.ended and sending.contact == span.contact
                known = [
                    number
                    for _, number in sending.effects
                    if late and max(self.truth.came[self.name, number]) < span.began
                ]
                if known:
                    yield "forgotten sent", f"m{known[0]} left at {sending.left:.3f}, after {span.ended:.3f}"

    def _paused(self) -> Iterator[tuple[str, str]]:
        """A pause by hand lets no request out that a run has not begun with."""
        for span in self.truth.pauses:
            if span.destination != self.name or span.ended is None:
                continue
            late = [each for each in self.sendings if span.began + 6.0 < each.left < span.ended]
            if late and not self.world.plan.kinds & _UNPACED:
                yield "sent while paused", f"a request left at {late[0].left:.3f}"

    def _left_behind(self) -> Iterator[tuple[str, str]]:
        for key in (self.keys.due, self.keys.away, self.keys.lease, self.keys.parked):
            if left := self.world.server.data.get(key.encode()):
                yield "books", f"nothing waits, and {key} holds {dict(left)}"
        pending = int(self.world.server.data.get(self.keys.pending.encode(), 0))
        if pending:
            yield "books", f"nothing waits, and pending says {pending}"

    def _numbers(self, key: str) -> dict[str, int]:
        fields = self.world.server.data.get(key.encode(), {})
        return {name.decode(): int(count) for name, count in fields.items()}

    def _books(self) -> Iterator[tuple[str, str]]:
        """The counters and the log say the same."""
        if self.truth.forgets:
            return
        counters, measures = self._numbers(self.keys.totals), self._numbers(self.keys.measures)
        ended = Counter(part.outcome for record in self.log for part in record.events)
        attempts = sum(len(record.request.attempts) for record in self.log if record.request)
        equations: Iterable[tuple[str, int, int]] = (
            ("delivered, log", counters.get("delivered", 0), ended["delivered"]),
            ("filtered, log", counters.get("filtered", 0), ended["filtered"]),
            ("duplicates, log", counters.get("duplicates", 0), ended["duplicate"]),
            ("requests, log", counters.get("requests", 0), attempts),
            (
                "enqueued and replayed, ended",
                measures.get("enqueued", 0)
                + sum(count for (name, _), count in self.truth.replayed.items() if name == self.name),
                sum(ended[each] for each in ENDINGS),
            ),
        )
        if self.truth.lost:
            return
        for name, one, other in equations:
            if one != other:
                yield "books", f"{name}: {one} and {other}"


_UNPACED: Final = frozenset({"redis older", "redis clock"})
"""Where the limiter's state goes back, it may be passed for a moment."""
_LOOPS_ALONE: Final = frozenset({"loops down", "loops lossy", "loops slow", "sick", "429", "revoked", "pause"})
_LATE: Final = frozenset({"redis slow", "redis hangs", "swallow", "stop"})
