"""What is known of one destination at the end: what Loops received, what the log says, what really happened."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Final

from segue_producer.keys import Keys
from segue_worker.outbox.log_record import Record
from tests.simulation.loops_link import Sending
from tests.simulation.plan import Event

if TYPE_CHECKING:
    from tests.simulation.world import World

_LEASE_S: Final = 6.0
_YOUNG_S: Final = 4.0
ENDINGS: Final = ("delivered", "filtered", "duplicate", "dead")


class Evidence:
    """One destination.

    Attributes:
        sendings: requests that arrived, in order of arrival.
        complete: whether everything has been delivered.
        touches: whether a track event makes a second request, by the mapping `touch`.
    """

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.truth = world.truth
        self.keys = Keys(name)
        self.destination = world.config.destination(name)
        arrived = [each for each in world.teams[name].sendings if each.arrived is not None]
        self.sendings = sorted(arrived, key=lambda each: each.arrived or 0.0)
        self.events: dict[int, Event] = world.plan.events
        self.touches = len(self.destination.mappings) > 2
        self.complete = not any(violation.rule == "stalled" for violation in world.violations)

    @cached_property
    def logged(self) -> list[tuple[float, Record]]:
        """The entries of the log, each with the unix seconds at which it was recorded."""
        entries = self.world.server.data.get(self.keys.log.encode(), {})
        return [(ms / 1000, Record.from_json(fields[1])) for (ms, _), fields in entries.items()]

    @cached_property
    def log(self) -> list[Record]:
        """The entries of the log."""
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
            if self.came(number)[0] <= (span.ended if span.ended is not None else float("inf"))
        }

    @cached_property
    def excused(self) -> set[str]:
        """Contacts of which Redis has forgotten something, or Loops has spent a key on what it refused, and nobody heard it."""
        spent = {
            each.contact
            for each in self.sendings
            if each.key and not each.applied and each.fault.endswith("after")
            if self.world.plan.key_spent_on == "any_authenticated"
        }
        return spent | {
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

    @cached_property
    def begun_otherwise(self) -> set[int]:
        """Events that were begun with mappings which the configuration no longer had when they were to be finished."""
        if "config" not in self.world.plan.kinds:
            return set()
        # From the log, because a letter that was replayed is gone.
        return {
            int(part.message_id[1:])
            for record in self.log
            for part in record.events
            for fault in part.faults
            if fault.reason == "mapping_gone"
        }

    def began_unknown(self, number: int) -> bool:
        """Whether Redis may have forgotten that an event was sent, and its mapping may have another name since."""
        return "config" in self.world.plan.kinds and self.events[number].contact in self.excused

    def came(self, number: int) -> list[float]:
        """When an event came into the outbox, each time."""
        return self.truth.came.get((self.name, number), [])

    def by_contact(self) -> Iterator[tuple[str, list[Sending]]]:
        """The sendings of each contact that is not excused."""
        for contact in self.world.plan.contacts:
            if contact not in self.excused:
                yield contact, [each for each in self.sendings if each.contact == contact]

    def wanted(self, event: Event) -> set[str]:
        """The mappings by which an event must be seen to have had an effect."""
        if event.kind in {"identify", "poison", "attack"}:
            return {"contacts"}
        return {"events"} if event.kind == "track" else set()

    def numbers(self, key: str) -> Counter[str]:
        """Counters of a hash."""
        fields = self.world.server.data.get(key.encode(), {})
        return Counter({name.decode(): int(count) for name, count in fields.items()})

    def could_not_know_the_clock(self, sending: Sending) -> bool:
        """Whether Redis's clock was set just before a request left, and its worker had just been started.

        Such a worker cannot tell that claims seem to have lapsed because of that.
        """
        born = sending.process.born if sending.process else 0.0
        return any(
            at < sending.left < at + _LEASE_S + _YOUNG_S and born > at - _YOUNG_S for at in self.world.redis_clock_steps
        )
