"""The outbox scripts against a simple model, through any order of steps."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from fakeredis import FakeAsyncRedis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from segue_producer import append
from segue_producer.events import prepare
from segue_producer.keys import Keys
from segue_producer.lanes import LANE_NAMES, Lane
from segue_worker.operating.dead_letters import replaying
from segue_worker.outbox import Claimed, Next, Outbox, Settlement
from segue_worker.outbox.entry import partial_entry, read_entry
from segue_worker.outbox.outbox import digest

from .conftest import DAY_MS, LEASE_MS, Clock

KEYS = Keys("loops")
CONTACTS = ("u1", "u2", "u3")


@dataclass
class Contact:
    """What the model knows of a contact: `due_ms`, since when it waits for its turn; `back_ms`, when it will again."""

    waiting: list[str] = field(default_factory=list)
    bulk: set[str] = field(default_factory=set)
    emptied_live: bool = True
    due_ms: int | None = None
    back_ms: int | None = None
    owner: str | None = None
    interrupted: int = 0
    parked: bytes | None = None
    claimed: int = 0

    def add(self, message_id: str, now_ms: int, lane: Lane) -> None:
        """An append; a contact that is known, claimed or parked keeps its time, unless it waits and changes its lane."""
        changes = self.is_live != (lane == "live" or self.live > 0) and self.back_ms is None
        self.waiting.append(message_id)
        if lane == "bulk":
            self.bulk.add(message_id)
        if self.due_ms is None or changes:
            self.due_ms = now_ms

    @property
    def live(self) -> int:
        """How many events there are up to the last live one."""
        return max((place for place, name in enumerate(self.waiting, 1) if name not in self.bulk), default=0)

    @property
    def is_live(self) -> bool:
        """The lane; one that has nothing left stays where it was until a claim finds out."""
        return self.live > 0 if self.waiting else self.emptied_live

    def waits(self, now_ms: int) -> bool:
        """Whether it may be claimed."""
        return self.due_ms is not None and (self.back_ms is None or self.back_ms <= now_ms)

    def forget(self) -> None:
        """Nothing waits for it, and nobody holds it."""
        self.due_ms = self.back_ms = self.owner = self.parked = None
        self.interrupted = 0


class OutboxMachine(RuleBasedStateMachine):
    """Append, claim, crash, settle, park, expire and replay, in any order."""

    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.redis = FakeAsyncRedis(version=(6, 2))
        self.clock = Clock(4_000_000_000_000)
        self.contacts = {name: Contact() for name in CONTACTS}
        self.settled: dict[str, int] = {}
        self.numbers = 0
        self.claim_count = 0
        self.interrupted = 0

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def outbox(self, owner: str) -> Outbox:
        return Outbox(self.redis, "loops", owner=owner, window_ms=DAY_MS, lease_ms=LEASE_MS, clock_ms=self.clock)

    def teardown(self) -> None:
        self.do(self.redis.aclose())
        self.loop.close()

    @rule(names=st.lists(st.sampled_from(CONTACTS), min_size=1, max_size=4), lane=st.sampled_from(LANE_NAMES))
    def append(self, names: list[str], lane: Lane) -> None:
        events = []
        for name in names:
            self.numbers += 1
            event = {"type": "track", "userId": name, "event": "E", "messageId": f"m{self.numbers}"}
            events.append(prepare(event))
            self.contacts[name].add(f"m{self.numbers}", self.clock.ms, lane)
        keys, args = append.arguments(KEYS, events, lane=lane, now_ms=self.clock.ms)
        self.do(self.redis.register_script(append.APPEND_SCRIPT)(keys=keys, args=args))

    @rule(name=st.sampled_from(CONTACTS), lane=st.sampled_from(LANE_NAMES))
    def replay(self, name: str, lane: Lane) -> None:
        self.numbers += 1
        event = prepare({"type": "track", "userId": name, "event": "E", "messageId": f"m{self.numbers}"})
        letter = f"letter {self.numbers}"
        entry = partial_entry(event.json.decode(), replay=letter)
        self.contacts[name].add(f"m{self.numbers}", self.clock.ms, lane)
        self.do(self.redis.hset(KEYS.dead, letter, "{}"))
        keys, (_, *args) = replaying._arguments("loops", replaying.Replay(letter, name, (entry,)), lane)
        done, _ = self.do(self.redis.register_script(replaying._SCRIPT)(keys=keys, args=[self.clock.ms, *args]))
        assert done == 1

    @rule(target=claims, owner=st.sampled_from(["a", "b"]), most=st.integers(0, 3), bulk=st.integers(0, 3))
    def claim(self, owner: str, most: int, bulk: int) -> list[tuple[Claimed, str, int]]:
        self.claim_count += 1
        token = f"{owner}{self.claim_count}"
        due = sorted((contact.due_ms, name) for name, contact in self.contacts.items() if contact.waits(self.clock.ms))
        for contact in self.contacts.values():
            # A claim first lets all come back whose time has come.
            if contact.back_ms is not None and contact.back_ms <= self.clock.ms:
                contact.back_ms = None
        claimed = self.do(self.outbox(token).claim(most, bulk))
        names = [name for _, name in due if self.contacts[name].is_live][:most]
        names += [name for _, name in due if not self.contacts[name].is_live][:bulk]
        assert [item.contact.decode() for item in claimed] == [name for name in names if self.contacts[name].waiting]
        for name in names:
            if not self.contacts[name].waiting:
                self.contacts[name].forget()
        taken = []
        for item in claimed:
            contact = self.contacts[item.contact.decode()]
            if contact.owner is None:
                contact.claimed = len(contact.waiting)
            # After an interrupted claim, what that one had and nothing more; at least one event.
            contact.claimed = max(1, contact.claimed)
            assert [read_entry(entry).message_id for entry in item.entries] == contact.waiting[: contact.claimed]
            assert item.parked == contact.parked
            assert min(item.live, contact.claimed) == min(contact.live, contact.claimed)
            if contact.owner is not None:
                contact.interrupted += 1
                self.interrupted += 1
            assert item.interrupted == contact.interrupted
            assert item.since == contact.due_ms
            contact.owner, contact.back_ms = token, self.clock.ms + LEASE_MS
            taken.append((item, token, 0))
        return taken

    @rule(held=claims, take=st.integers(0, 3), then=st.sampled_from(Next), twice=st.booleans())
    def settle(self, *, held: list[tuple[Claimed, str, int]], take: int, then: Next, twice: bool) -> None:
        for place, (item, token, step) in enumerate(held):
            contact = self.contacts[item.contact.decode()]
            owned = contact.owner == token
            gone = contact.waiting[: min(take, contact.claimed)] if owned else []
            settlement = Settlement(
                taken=len(gone),
                next=then,
                park_for_ms=5000,
                parked=b'{"since":%d}' % item.since,
                digests=[digest(message_id) for message_id in gone],
                counters={"delivered": len(gone)},
            )
            left = self.do(self.outbox(token).settle(item, settlement, step=step))
            if twice:
                self.do(self.outbox(token).settle(item, settlement, step=step))
            if not owned:
                assert left is None
                continue
            contact.interrupted = 0
            if contact.waiting:
                contact.emptied_live = contact.live == len(contact.waiting)
            contact.waiting = contact.waiting[len(gone) :]
            contact.claimed -= len(gone)
            assert left == len(contact.waiting)
            for message_id in gone:
                self.settled[message_id] = self.settled.get(message_id, 0) + 1
            contact.parked = b'{"since":%d}' % item.since if then is Next.PARK else None
            if then is Next.PARK:
                contact.owner, contact.back_ms = None, self.clock.ms + 5000
            elif then is not Next.KEEP:
                contact.owner, contact.back_ms = None, None
                contact.due_ms = self.clock.ms if then is Next.RELEASE else contact.due_ms
                if not contact.waiting:
                    contact.forget()
            held[place] = (item, token, step + 1)

    @rule(held=claims)
    def heartbeat(self, held: list[tuple[Claimed, str, int]]) -> None:
        if not held:
            return
        token = held[0][1]
        _, lost, live = self.do(self.outbox(token).renew([item for item, _, _ in held]))
        for place, (item, _, _) in enumerate(held):
            contact = self.contacts[item.contact.decode()]
            assert (place in lost) == (contact.owner != token)
            if contact.owner == token:
                contact.back_ms = self.clock.ms + LEASE_MS
                assert (place in live) == (contact.live >= contact.claimed)

    @rule(ms=st.sampled_from([1, 4999, 5000, LEASE_MS - 1, LEASE_MS, 60_000]))
    def time_passes(self, ms: int) -> None:
        """A crash is no more than time passing without a heartbeat."""
        self.clock.ms += ms

    @invariant()
    def nothing_is_lost_and_order_holds(self) -> None:
        total = in_bulk = 0
        for name, contact in self.contacts.items():
            entries = self.do(self.redis.lrange(KEYS.outbox + name, 0, -1))
            assert [read_entry(entry).message_id for entry in entries] == contact.waiting
            waits = [self.do(self.redis.zscore(key, name)) for key in (KEYS.due, KEYS.bulk, KEYS.away)]
            lane = 2 if contact.back_ms is not None else 0 if contact.is_live else 1
            expected: list[int | None] = [None, None, None]
            expected[lane] = contact.due_ms if contact.back_ms is None else contact.back_ms
            assert waits == expected
            total += len(contact.waiting)
            in_bulk += len(contact.waiting) - contact.live
        assert int(self.do(self.redis.get(KEYS.pending)) or 0) == total
        assert int(self.do(self.redis.get(KEYS.pending_bulk)) or 0) == in_bulk
        assert total + len(self.settled) == self.numbers

    @invariant()
    def what_is_kept_of_lanes_goes_with_the_contact(self) -> None:
        counts = self.do(self.redis.hgetall(KEYS.live))
        known = {
            name: contact.live
            for name, contact in self.contacts.items()
            if contact.live < len(contact.waiting) and (contact.live or contact.back_ms is not None)
        }
        kept = {name.decode(): int(count) for name, count in counts.items()}
        assert {name: count for name, count in kept.items() if self.contacts[name].waiting} == known
        # Of one that is away and has nothing left.
        assert all(self.contacts[name].back_ms is not None for name in kept.keys() - known.keys())

    @invariant()
    def what_is_settled_is_settled_once_and_remembered(self) -> None:
        assert set(self.settled.values()) <= {1}
        ids = sorted(self.settled)
        assert all(self.do(self.outbox("x").seen([digest(message_id) for message_id in ids])))
        assert int(self.do(self.redis.hget(KEYS.totals, "delivered")) or 0) == len(ids)

    @invariant()
    def every_interrupted_claim_is_counted_once(self) -> None:
        assert int(self.do(self.redis.hget(KEYS.totals, "interrupted")) or 0) == self.interrupted


OutboxMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestOutboxMachine = OutboxMachine.TestCase
