"""What is promised (docs/design.md#the-invariants): each function yields what does not hold, with the name of its rule."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from tests.simulation.evidence import ENDINGS, Evidence
from tests.simulation.loops_link import Effect, Sending
from tests.simulation.plan import Event

Broken = Iterator[tuple[str, str]]
AT_FAULT: Final = frozenset({"poison", "attack"})
_FORGETFUL: Final = frozenset({"redis older", "redis clock"})
"""Where what Redis knows of the last second goes back, the limit may be passed for a moment."""
_LOOPS_ALONE: Final = frozenset({"loops down", "loops lossy", "loops slow", "sick", "429", "revoked", "pause"})
_PAUSED_WITHIN_S: Final = 6.0


def nothing_is_lost(case: Evidence) -> Broken:
    """Whatever came into the outbox ended, once, and with its effect; whatever was acknowledged came."""
    for number, event in case.events.items():
        if not case.came(number):
            if (case.name, number) in case.truth.acknowledged:
                yield "lost", f"m{number} was acknowledged and never came into the outbox"
        elif number not in case.forgotten and event.contact not in case.excused:
            yield from _ended_well(case, event, case.endings.get(number, []))


def _ended_well(case: Evidence, event: Event, endings: list[str]) -> Broken:
    number, told = event.number, f"m{event.number} of {event.contact}"
    proper = [each for each in endings if each != "duplicate"]
    if not proper:
        yield "lost", f"{told} ended as {endings or 'nothing'}"
        return
    if len(proper) > 1 + case.truth.replayed[case.name, number]:
        yield "books", f"{told} ended {len(proper)} times: {endings}"
    if len(endings) - len(proper) >= len(case.came(number)):
        yield "books", f"{told} is a duplicate of nothing: {endings}"
    if number in case.begun_otherwise:
        return
    if "dead" in proper:
        if event.kind not in AT_FAULT:
            yield "died", f"{told} became a dead letter, and there was nothing wrong with it"
        return
    for mapping in case.wanted(event):
        if not case.effects[mapping, number]:
            yield "lost", f"{told} had no effect by {mapping}; the log says {endings}"


def nothing_takes_effect_twice(case: Evidence) -> Broken:
    """One effect for each messageId, but for replays."""
    for (mapping, number), count in case.effects.items():
        allowed = 1 + case.truth.replayed[case.name, number]
        if mapping == "events" and count > allowed and not case.began_unknown(number):
            yield "twice", f"event m{number} took effect {count} times"


def order_is_kept(case: Evidence) -> Broken:
    """Each effect is seen first in the order of enqueueing, and a repeat takes no contact back to older values.

    What a killed run sent by mappings that are gone again is not known to have been sent: it became dead letters, and
    whatever came before it may be sent after it.
    """
    for contact, sendings in case.by_contact():
        place = {number: at for at, number in enumerate(case.truth.order[case.name, contact])}
        seen: set[Effect] = set()
        latest = updated = -1
        for sending in sendings:
            effects = [each for each in sending.effects if not case.truth.replayed[case.name, each[1]]]
            if not sending.applied or not effects:
                continue
            told = f"{contact}: {' '.join(f'm{number}' for _, number in effects)} at {sending.arrived:.3f}"
            new = [place[effect[1]] for effect in effects if effect not in seen]
            if new and min(new) < latest:
                yield "order", f"{told} took effect after later events"
            values = [place[number] for mapping, number in effects if mapping == "contacts"]
            if values and max(values) < updated:
                yield "order", f"{told} took the contact back to older values"
            seen.update(effects)
            if case.begun_otherwise.isdisjoint(number for _, number in effects):
                latest, updated = max([latest, *new]), max([updated, *values])


def one_request_at_a_time(case: Evidence) -> Broken:
    """No request of a contact leaves before the one before it is over."""
    for contact, sendings in case.by_contact():
        for one, other in pairwise(sorted(sendings, key=lambda each: each.left)):
            # Of a process that was killed or stood still, only the request itself counts, not when it was heard of.
            ended = one.ended if one.process is None or one.process.punctual else one.arrived
            if (ended or 0.0) > other.left or (one.arrived or 0.0) > (other.arrived or 0.0):
                if case.could_not_know_the_clock(other):
                    continue
                yield (
                    "overlap",
                    f"{contact}: a request left at {other.left:.3f}, while that of {one.left:.3f} was under way",
                )


def keys_stay(case: Evidence) -> Broken:
    """One Idempotency-Key for each event: another only for what was taken apart, or is a replay."""
    keys: defaultdict[int, set[str]] = defaultdict(set)
    for sending in case.sendings:
        for mapping, number in sending.effects:
            if mapping == "events" and sending.key:
                keys[number].add(sending.key)
    may_be_apart = case.destination.coalesce == "updates_into_events" and not AT_FAULT.isdisjoint(case.world.plan.kinds)
    for number, found in keys.items():
        allowed = 1 + case.truth.replayed[case.name, number] + may_be_apart
        if len(found) > allowed and not case.began_unknown(number):
            yield "key", f"event m{number} was sent under {len(found)} Idempotency-Keys"


def bodies_are_frozen(case: Evidence) -> Broken:
    """The same Idempotency-Key always has the same body."""
    bodies: dict[str, Sending] = {}
    for sending in case.sendings:
        if sending.key and sending.contact not in case.excused:
            first = bodies.setdefault(sending.key, sending)
            if first.body != sending.body:
                told = " ".join(f"{mapping}:{number}" for mapping, number in sending.effects)
                yield "frozen", f"{sending.contact}: {told} at {sending.left:.3f} has another body than before"


def the_limit_is_kept(case: Evidence) -> Broken:
    """Never more requests than the limit leave within a second."""
    times = sorted(each.left for each in case.sendings)
    most = max((sum(1 for at in times if start <= at < start + 1.0) for start in times), default=0)
    if most > case.destination.rate_limit and not case.world.plan.kinds & _FORGETFUL:
        yield "pace", f"{most} requests left within a second, at most {case.destination.rate_limit} may"


def the_forgotten_is_not_sent(case: Evidence) -> Broken:
    """Once a forget has returned, nothing leaves that had been enqueued before it began."""
    for span in case.truth.forgets:
        if span.destination != case.name or span.ended is None:
            continue
        if any(until >= span.began for _, until in case.truth.lost):
            # Redis went back to a time when the person was not forgotten yet.
            continue
        for sending in case.sendings:
            if sending.contact == span.contact and sending.left > span.ended:
                old = [number for _, number in sending.effects if max(case.came(number)) < span.began]
                if old:
                    yield "forgotten sent", f"m{old[0]} left at {sending.left:.3f}, after {span.ended:.3f}"


def a_pause_holds(case: Evidence) -> Broken:
    """A pause by hand lets nothing out but what a run has begun with."""
    for span in case.truth.pauses:
        if span.destination == case.name and span.ended is not None:
            late = [each for each in case.sendings if span.began + _PAUSED_WITHIN_S < each.left < span.ended]
            if late and not case.world.plan.kinds & _FORGETFUL:
                yield "sent while paused", f"a request left at {late[0].left:.3f}, paused since {span.began:.3f}"


def contacts_end_right(case: Evidence) -> Broken:
    """Every contact ends as it would have, had its events been sent one by one."""
    contacts = case.world.teams[case.name].sandbox.team(case.name).contacts
    others = {event.contact for event in case.events.values() if event.kind in AT_FAULT}
    others |= {span.contact for span in case.truth.forgets} | case.excused
    others |= {case.events[number].contact for number in case.begun_otherwise}
    others |= {case.events[number].contact for (_, number), count in case.truth.replayed.items() if count}
    for contact in case.world.plan.contacts:
        if contact in others:
            continue
        wanted: dict[str, int] = {}
        for number in case.truth.order[case.name, contact]:
            if case.events[number].kind == "identify":
                wanted |= {"place": number, f"p{number}": number}
            elif case.events[number].kind == "track" and case.touches:
                wanted["last"] = number
        known = contacts.by_user_id(contact)
        found = {name: value for name, value in known.properties.items() if name != "source"} if known else {}
        if found != wanted:
            yield "final state", f"{contact}: {sorted(set(wanted.items()) ^ set(found.items()))[:4]}"


def nobody_waits_for_others(case: Evidence) -> Broken:
    """A destination, and a contact, that no fault was meant for is served as if there were none.

    What is live does not wait for people of whom nothing is; what is in bulk waits for all others.
    """
    team = case.world.teams[case.name]
    if team.struck or case.world.plan.kinds - _LOOPS_ALONE:
        return
    start = case.world.unix() - case.world.loop.time()
    live_ones = {event.contact for event in case.events.values() if event.lane == "live"}
    for at, record in case.logged:
        for part in record.events:
            number = int(part.message_id[1:])
            event = case.events[number]
            if part.outcome == "delivered" and event.contact not in team.sick_ones and event.lane == "live":
                came = case.came(number)[0]
                others = (other for other, each in case.events.items() if each.contact in live_ones)
                earlier = [other for other in others for time in case.came(other)[:1] if came - 60 < time <= came]
                # Contacts take turns: for each event of its own, one of every other may go first, though it came later.
                turns = sum(case.events[other].contact == event.contact for other in earlier) * len(live_ones)
                before = max(3 * len(earlier), 1.5 * turns) * (2 if case.touches else 1)
                if at - start - came > 10 + before / case.destination.rate_limit:
                    yield "isolated", f"m{number} of {case.events[number].contact} took {at - start - came:.1f} s"


def nothing_is_left_behind(case: Evidence) -> Broken:
    """When nothing waits, nothing says that something does."""
    data = case.world.server.data
    for key in (case.keys.due, case.keys.bulk, case.keys.live, case.keys.away, case.keys.lease, case.keys.parked):
        if left := data.get(key.encode()):
            yield "books", f"nothing waits, and {key} holds {dict(left)}"
    for key in (case.keys.pending, case.keys.pending_bulk):
        if pending := int(data.get(key.encode(), 0)):
            yield "books", f"nothing waits, and {key} says {pending}"


def the_books_agree(case: Evidence) -> Broken:
    """The counters and the log say the same. A forget takes its contact's entries out of the log."""
    if case.truth.forgets or case.truth.lost:
        return
    counters, measures = case.numbers(case.keys.totals), case.numbers(case.keys.measures)
    ended = Counter(part.outcome for record in case.log for part in record.events)
    replayed = sum(count for (name, _), count in case.truth.replayed.items() if name == case.name)
    equations = {
        "delivered, log": (counters["delivered"], ended["delivered"]),
        "filtered, log": (counters["filtered"], ended["filtered"]),
        "duplicates, log": (counters["duplicates"], ended["duplicate"]),
        "requests, log": (counters["requests"], sum(len(each.request.attempts) for each in case.log if each.request)),
        "enqueued and replayed, ended": (measures["enqueued"] + replayed, sum(ended[each] for each in ENDINGS)),
    }
    for name, (one, other) in equations.items():
        if one != other:
            yield "books", f"{name}: {one} and {other}"


ALWAYS: Final[tuple[Callable[[Evidence], Broken], ...]] = (
    nothing_takes_effect_twice,
    order_is_kept,
    one_request_at_a_time,
    keys_stay,
    bodies_are_frozen,
    the_limit_is_kept,
    the_forgotten_is_not_sent,
    a_pause_holds,
)
IN_THE_END: Final[tuple[Callable[[Evidence], Broken], ...]] = (
    nothing_is_lost,
    contacts_end_right,
    nobody_waits_for_others,
    nothing_is_left_behind,
    the_books_agree,
)
"""What can be judged only where everything has been delivered."""
