"""What a configuration would strand, or change, of what waits, is parked or died now: what `segue check --live` asks."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal

from redis import Redis

from segue_producer.keys import Keys
from segue_worker.config import Config, Destination
from segue_worker.observing.destinations import KnownDestinations, find_held, known_beside, note_held
from segue_worker.observing.outbox_search import outboxes
from segue_worker.observing.status import read_statuses
from segue_worker.observing.workers import Workers, read_plans
from segue_worker.operating.dead_letters import Chooser, Filter, History, NotReplayable, matching, prepare_replay
from segue_worker.outbox.entry import Waiting, read_entry
from segue_worker.outbox.outgoing import Parked, Ref
from segue_worker.outbox.plan import Plan, Rule
from segue_worker.printable import counted

LOOKED_AT: Final = 200_000
"""Waiting events, and dead letters, looked at of each destination."""

FindingKind = Literal["damaged", "orphaned", "disabled", "begun", "waiting", "dead", "parked", "moved"]


@dataclass(frozen=True, slots=True)
class LiveFinding:
    """Something that a configuration would do to what is there now.

    Attributes:
        destination: where.
        mapping: whose; "" where all are meant.
        what: `damaged`: nobody can say what is there; `orphaned`: nobody would serve it; `disabled`: it would wait; `begun`: it
            would become a dead letter, because it was begun with a mapping that is gone; `waiting`: it would go to fewer mappings than now; `dead`: a letter
            that could not be replayed; `parked`: it would be resent as it was, by a mapping that is gone; `moved`: it
            would go to other mappings than now.
        count: events, requests or dead letters; 1 of what is damaged.
        text: for people.
    """

    destination: str
    mapping: str
    what: FindingKind
    count: int
    text: str

    @property
    def strands(self) -> bool:
        """Whether something would not be sent that is to be sent now, as far as is known."""
        return self.what not in {"parked", "moved"}


def find_stranded(redis: "Redis", config: Config) -> tuple[list[LiveFinding], Workers]:
    """Compare what is there with a configuration, and find the workers it would come to.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    if found := find_held(redis):
        note_held(redis, found)
    known = known_beside(redis, config)
    findings = [LiveFinding(name, "", "damaged", 1, text) for name, text in known.damaged.items()]
    findings += _gone(redis, known, config)
    for each in config.destinations:
        findings += _at(redis, known.workers, each) if each.name not in known.damaged else ()
    return findings, known.workers


def _gone(redis: "Redis", known: KnownDestinations, config: Config) -> Iterator[LiveFinding]:
    """Destinations that hold something and are not in the configuration, served as yet or not; and disabled ones."""
    enabled = {each.name: each.enabled for each in config.destinations}
    for name, status in read_statuses(redis, known.names).items():
        if name not in enabled and (status.pending or status.parked or status.dead):
            held = (status.pending, "event"), (status.parked, "parked contact"), (status.dead, "dead letter")
            text = f"{', '.join(counted(*each) for each in held)} of {name}, which the configuration does not have; then: segue move {name} NEW"
            yield LiveFinding(name, "", "orphaned", status.pending + status.dead, text)
        if enabled.get(name) is False and status.pending:
            yield LiveFinding(
                name, "", "disabled", status.pending, f"{counted(status.pending, 'event')} waiting: it is not enabled"
            )


def _at(redis: "Redis", workers: Workers, destination: Destination) -> Iterator[LiveFinding]:
    keys, plan = Keys(destination.name), Plan.of(destination.mappings)
    in_use = {rule.mapping for rule in plan.rules if rule.enabled}
    versions = [version for version in workers.plans(destination.name) if version not in {"", plan.version}]
    running = [each for each in read_plans(redis, [keys.plan + version for version in versions]) if each]
    counts: Counter[tuple[FindingKind, str]] = Counter()
    parked = _parked(redis, keys)
    for waiting, frozen in islice(_waiting(redis, keys, parked), LOOKED_AT):
        counts.update(_of_event(waiting, plan, running[:1], in_use | frozen))
    for refs in parked.values():
        counts.update({("parked", ref.mapping) for ref in refs if ref.mapping not in in_use})
    chooser = Chooser(destination.mappings, History(redis, destination.name))
    for letter in islice(matching(redis, destination.name, Filter()), LOOKED_AT):
        gone = [name for name in letter.mappings if name not in in_use]
        if gone and isinstance(prepare_replay(letter, chooser), NotReplayable):
            counts["dead", gone[0]] += 1
    for (what, mapping), count in sorted(counts.items()):
        yield LiveFinding(
            destination.name, mapping, what, count, _TEXTS[what].format(counted(count, _NOUNS[what]), repr(mapping))
        )


_TEXTS: Final[dict[FindingKind, str]] = {
    "begun": "{} begun with the mapping {}, which is gone, would become dead letters",
    "waiting": "{} would no longer go to the mapping {}, and to none in its place",
    "moved": "{} would no longer go to the mapping {}, but to another",
    "parked": "{} of the mapping {}, which is gone, would be resent unchanged",
    "dead": "{} of the mapping {} could not be replayed without choosing another",
}
_NOUNS: Final[dict[FindingKind, str]] = {
    **dict.fromkeys(("begun", "waiting", "moved"), "waiting event"),
    "parked": "parked request",
    "dead": "dead letter",
}


def _parked(redis: "Redis", keys: Keys) -> dict[bytes, tuple[Ref, ...]]:
    """Contact → what its parked request stands for."""
    found: Iterable[Any] = redis.hscan_iter(keys.parked, count=200)
    requests = ((contact, Parked.from_json(raw).request) for contact, raw in islice(found, LOOKED_AT))
    return {contact: request.refs for contact, request in requests if request}


def _waiting(redis: "Redis", keys: Keys, parked: dict[bytes, tuple[Ref, ...]]) -> Iterator[tuple[Waiting, set[str]]]:
    """Each waiting event, with the mappings whose request of it is parked, and so will be resent as it is."""
    for contact, _, entries in outboxes(redis, keys):
        for place, raw in enumerate(entries):
            yield read_entry(raw), {ref.mapping for ref in parked.get(contact, ()) if ref.event == place}


def _of_event(waiting: Waiting, plan: Plan, running: list[Plan], in_use: set[str]) -> set[tuple[FindingKind, str]]:
    """What would become of one event by another plan than the running one, mapping by mapping."""
    if waiting.event is None:
        return set()
    if waiting.only is not None:
        return {("begun", name) for name in waiting.only if name not in in_use and name not in waiting.done}
    event, after = waiting.event, plan.takes(waiting.event)
    found: set[tuple[FindingKind, str]] = set()
    for before in (each.takes(event) for each in running):
        names = {rule.mapping for rule in after}
        fewer = {action for action in _actions(before) if _actions(before)[action] > _actions(after)[action]}
        for rule in before:
            if rule.mapping not in names:
                found.add(("waiting" if rule.action in fewer else "moved", rule.mapping))
    return found


def _actions(rules: Iterable[Rule]) -> Counter[str]:
    return Counter(rule.action for rule in rules)
