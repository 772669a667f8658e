"""What a seed draws: destinations, workers, events, and which kinds of faults strike when."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from pydantic import SecretStr

from segue_producer.lanes import Lane
from segue_worker.config import Config, Destination, load_config

KINDS: Final = (
    "kill",
    "terminate",
    "stop",
    "redis away",
    "redis hangs",
    "redis slow",
    "redis lossy",
    "redis older",
    "redis full",
    "redis clock",
    "worker clock",
    "swallow",
    "hints",
    "loops down",
    "loops lossy",
    "loops slow",
    "sick",
    "429",
    "429 long",
    "hostile",
    "poison",
    "attack",
    "revoked",
    "forget",
    "pause",
    "replay",
    "retry now",
    "full",
    "config",
)
_YAML: Final = """
destinations:
  - name: loops
    api_key: sandbox-loops
    base_url: http://loops.example.com/api/v1
    mappings:
      - {name: contacts@, action: createOrUpdateContact, trigger: type = "identify"}
      - {name: events@, action: sendEvent, trigger: type = "track" and event != "Ignored"}
      - name: touch@
        action: createOrUpdateContact
        trigger: type = "track" and event != "Ignored"
        defaults: false
        fields:
          userId: {"@path": $.userId}
          email: {"@path": $.properties.email}
          customAttributes: {last: {"@path": $.properties.place}}
"""


def _configuration(suffix: str) -> Config:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "segue.yaml"
        path.write_text(_YAML.replace("@,", f"{suffix},").replace("@\n", f"{suffix}\n"))
        return load_config(path, {})


CONFIG: Final = _configuration("")
_RENAMED: Final = _configuration("-renamed")


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the simulation; its number tells it apart everywhere: m7, p7, E7."""

    number: int
    contact: str
    kind: str
    fields: dict[str, Any]
    lane: Lane = "live"


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that a producer enqueues together, and when."""

    at: float
    producer: int
    events: tuple[Event, ...]

    @property
    def lane(self) -> Lane:
        """The lane of all of them."""
        return self.events[0].lane


@dataclass(frozen=True, slots=True)
class Blow:
    """A fault, or what a person does, at a time."""

    at: float
    kind: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a seed stands for.

    Attributes:
        fault_s: how long faults go on.
        kinds: of faults that this seed has.
    """

    seed: int
    kinds: frozenset[str]
    config: Config
    workers: int
    producers: int
    contacts: tuple[str, ...]
    batches: tuple[Batch, ...]
    blows: tuple[Blow, ...]
    fault_s: float
    step_s: float
    loops_latency_s: tuple[float, float]
    window: str
    key_spent_on: str
    run_s: float

    @property
    def events(self) -> dict[int, Event]:
        """All events, by number."""
        return {event.number: event for batch in self.batches for event in batch.events}


@dataclass(frozen=True, slots=True)
class Choice:
    """What is chosen of what seeds may have.

    Attributes:
        only: kinds of faults instead of those drawn.
        fault: an old fault that is put back.
    """

    only: frozenset[str] | None = None
    fault: str | None = None


def draw(seed: int, choice: Choice = Choice()) -> Plan:
    """What a seed stands for."""
    random = Random(f"{seed}:plan")
    drawn = frozenset(_kinds(random))
    kinds = drawn if choice.only is None else choice.only
    contacts = tuple(f"u{number}" for number in range(random.randint(2, 10)))
    fault_s = random.uniform(5, 20)
    producers = random.randint(1, 3)
    destinations = _destinations(random, kinds)
    batches = _batches(random, contacts, producers, fault_s, kinds)
    batches = _in_lanes(Random(f"{seed}:lane"), batches, fault_s, kinds)
    return Plan(
        seed=seed,
        kinds=kinds,
        config=replace(CONFIG, destinations=destinations),
        workers=random.randint(1, 3),
        producers=producers,
        contacts=tuple(dict.fromkeys([*contacts, *(event.contact for batch in batches for event in batch.events)])),
        batches=tuple(batches),
        blows=tuple(_blows(random, kinds, fault_s)),
        fault_s=fault_s,
        step_s=random.choice((0.0, 0.0, 0.0001, 0.0005)),
        loops_latency_s=random.choice(((0.005, 0.02), (0.02, 0.1), (0.1, 0.4))),
        window=random.choice(("sliding", "fixed")),
        key_spent_on=random.choice(("success", "any_authenticated")),
        run_s=random.choice((1.0, 2.0, 5.0)),
    )


def _kinds(random: Random) -> Sequence[str]:
    if random.random() < 0.1:
        return ()
    return random.sample(KINDS, random.randint(1, 6))


def _destinations(random: Random, kinds: frozenset[str]) -> tuple[Destination, ...]:
    (model,) = CONFIG.destinations
    # Both teams of a seed may be merged differently; the mapping `touch` makes two requests of one event.
    return tuple(
        replace(
            model,
            name=name,
            api_key=SecretStr(f"sandbox-{name}"),
            rate_limit=random.choice((5, 10, 20)),
            coalesce=random.choice(("off", "updates", "updates_into_events")),
            parallel_runs=random.choice((1, 1, 1, 2)),
            max_pending=random.randint(8, 40) if "full" in kinds else model.max_pending,
            timeout=timedelta(seconds=random.choice((2, 5, 10))),
            mappings=model.mappings if random.random() < 0.3 else model.mappings[:2],
        )
        for name in ("alpha", "beta")[: random.choice((1, 1, 2))]
    )


def renamed(config: Config) -> Config:
    """The same configuration, with the other names for its mappings."""
    now = config.destinations[0].mappings[0].name
    others = (_RENAMED if now == CONFIG.destinations[0].mappings[0].name else CONFIG).destinations[0].mappings
    return replace(
        config,
        destinations=tuple(replace(each, mappings=others[: len(each.mappings)]) for each in config.destinations),
    )


def _batches(
    random: Random, contacts: Sequence[str], producers: int, fault_s: float, kinds: frozenset[str]
) -> list[Batch]:
    """Events over the whole time in which faults strike, now in a trickle, now in bursts."""
    count = random.randint(10, 60)
    batches = []
    number = 0
    for at in sorted(random.uniform(0.2, fault_s) ** random.choice((0.5, 1.0, 1.0)) for _ in range(count)):
        events = []
        for _ in range(random.choice((1, 1, 2, 3, 6))):
            number += 1
            events.append(_event(random, number, random.choice(contacts), kinds))
        batches.append(Batch(at, random.randrange(producers), tuple(events)))
    return batches


def _in_lanes(random: Random, batches: list[Batch], fault_s: float, kinds: frozenset[str]) -> list[Batch]:
    """The same batches, some of them in bulk, and in some seeds a backfill of people who do nothing else."""
    share = random.choice((0.0, 0.0, 0.2, 0.6))
    batches = [
        replace(batch, events=tuple(replace(event, lane=lane) for event in batch.events))
        for batch in batches
        for lane in ("bulk" if random.random() < share else "live",)
    ]
    number = max(event.number for batch in batches for event in batch.events)
    # A small outbox would hold up its producers for longer than is waited for.
    people = 0 if "full" in kinds else random.choice((0, 0, 30, 100))
    backfill = [
        replace(_event(random, number + place, f"b{place}", frozenset()), lane="bulk") for place in range(1, people + 1)
    ]
    for start in range(0, people, 5):
        batches.append(Batch(random.uniform(0.2, fault_s), 0, tuple(backfill[start : start + 5])))
    return sorted(batches, key=lambda batch: batch.at)


def _event(random: Random, number: int, contact: str, kinds: frozenset[str]) -> Event:
    email = f"{contact}@example.com"
    common = {"userId": contact, "messageId": f"m{number}", "timestamp": "2026-01-01T00:00:00.000Z"}
    draw = random.random()
    if draw < 0.05:
        track = {**common, "type": "track", "event": "Ignored", "properties": {"email": email}}
        return Event(number, contact, "ignored", track)
    if draw < 0.5:
        properties = {"place": number, "email": email}
        return Event(
            number, contact, "track", {**common, "type": "track", "event": f"E{number}", "properties": properties}
        )
    kind = "identify"
    traits: dict[str, Any] = {"email": email, "place": number, f"p{number}": number}
    if "poison" in kinds and random.random() < 0.15:
        kind, traits["level"] = "poison", "high"
    elif "attack" in kinds and random.random() < 0.15:
        kind, traits["attack"] = "attack", True
    return Event(number, contact, kind, {**common, "type": "identify", "traits": traits})


def _blows(random: Random, kinds: frozenset[str], fault_s: float) -> list[Blow]:
    blows = []
    for kind in sorted(kinds):
        blows += [Blow(random.uniform(0.5, fault_s), kind) for _ in range(random.choice((1, 2, 4, 8)))]
    return sorted(blows, key=lambda blow: blow.at)
