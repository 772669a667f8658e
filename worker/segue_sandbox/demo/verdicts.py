"""Finds out what became of each event, from what Loops received and from the dead letters. Pure.

Segue's own counters and log are not used: what the demo says has to be confirmed by what Loops received.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from segue_sandbox.demo.scenario import Chapter, FateKind
from segue_sandbox.ledger import RequestRecord
from segue_worker.delivery.requests import EVENTS_PATH, idempotency_key
from segue_worker.outbox.dead_letter import DeadLetter

DESTINATION: Final = "loops"
EVENT_MAPPING: Final = "Send events"
_REFUSED: Final = 400
_IN_NO_BODY: Final = frozenset({"mailingLists"})
"""Traits that a request spells differently."""


@dataclass(frozen=True, slots=True)
class Sending:
    """One request with all its attempts; `records` in order of arrival."""

    records: tuple[RequestRecord, ...]

    @property
    def applied(self) -> bool:
        """Whether it took effect."""
        return self.records[-1]["applied"]


@dataclass(frozen=True, slots=True)
class EventFate:
    """What became of one event.

    Attributes:
        kind: how it ended.
        sending: the request it went in; None where there was none of its own.
        reason: of a dead letter.
    """

    kind: FateKind
    sending: Sending | None = None
    reason: str = ""

    @property
    def attempts(self) -> int:
        """How often its request was sent."""
        return len(self.sending.records) if self.sending else 0


@dataclass(frozen=True, slots=True)
class PlayedChapter:
    """What happened in a chapter.

    Attributes:
        fates: what became of the chapter's events, in order.
        records: what Loops received meanwhile.
        problems: promises of the chapter that were not kept.
    """

    chapter: Chapter
    fates: tuple[EventFate, ...]
    records: Sequence[RequestRecord]
    problems: tuple[str, ...] = field(default=())


def judge(
    chapter: Chapter,
    records: Sequence[RequestRecord],
    letters: Iterable[DeadLetter],
    contacts: Iterable[Mapping[str, Any]],
) -> PlayedChapter:
    """Find out what became of a chapter's events, and whether that is what was promised.

    Args:
        chapter: what was enqueued.
        records: what Loops received since, in order of arrival.
        letters: all dead letters.
        contacts: Loops' contacts, afterwards.
    """
    fates = _fates([planned.event for planned in chapter.planned], _sendings(records), list(letters))
    problems = (
        *_against_plan(chapter, fates),
        *_against_order(chapter, fates),
        *_against_effects(chapter, records),
        *_against_lists(chapter, contacts),
    )
    return PlayedChapter(chapter, fates, records, problems)


def _sendings(records: Iterable[RequestRecord]) -> list[Sending]:
    """Attempts of one request belong together: same contact, path and body, each but the last without effect."""
    open_: dict[str, list[RequestRecord]] = {}
    done: list[Sending] = []
    for record in records:
        place = repr((record["path"], record["body"]))
        attempts = open_.setdefault(place, [])
        attempts.append(record)
        if record["applied"] or record["status"] == _REFUSED:
            done.append(Sending(tuple(open_.pop(place))))
    return done + [Sending(tuple(attempts)) for attempts in open_.values()]


def _fates(
    events: Sequence[Mapping[str, Any]], sendings: Sequence[Sending], letters: Sequence[DeadLetter]
) -> tuple[EventFate, ...]:
    dead = {message_id: letter for letter in letters for message_id in letter.message_ids}
    found = [_sending_of(event, events, sendings) for event in events]
    fates: list[EventFate] = []
    seen: set[str] = set()
    for event, sending in zip(events, found, strict=True):
        message_id = event["messageId"]
        shared = sum(other is sending for other in found) > 1 and event["type"] == "identify"
        if message_id in seen:
            fates.append(EventFate("duplicate"))
        elif message_id in dead:
            fates.append(EventFate("dead", sending, dead[message_id].detail))
        elif sending is None or not sending.applied:
            fates.append(EventFate("unknown", sending))
        else:
            fates.append(EventFate("merged" if shared else "delivered", sending))
        seen.add(message_id)
    return tuple(fates)


def _sending_of(
    event: Mapping[str, Any], events: Sequence[Mapping[str, Any]], sendings: Sequence[Sending]
) -> Sending | None:
    """The request an event went in: by its Idempotency-Key, or by its traits, which later updates may have overtaken."""
    if event["type"] == "track":
        key = idempotency_key(DESTINATION, EVENT_MAPPING, event["messageId"])
        return next((item for item in sendings if item.records[0]["idempotency_key"] == key), None)
    later = [other for other in events if other["userId"] == event["userId"] and other["type"] == "identify"]
    candidates = [
        item
        for item in sendings
        if (record := item.records[0])["path"] != EVENTS_PATH
        and record["body"].get("userId") == event["userId"]
        and _carries(record["body"], event, later)
    ]
    # Of a refused merge and the pieces it was taken apart into, the piece that was taken counts.
    return max(candidates, key=lambda item: item.applied, default=None)


def _carries(body: Mapping[str, Any], event: Mapping[str, Any], updates: Sequence[Mapping[str, Any]]) -> bool:
    after = updates[updates.index(event) :]
    lists = "mailingLists" in event["traits"]
    return lists <= bool(body.get("mailingLists")) and all(
        name in body and any(body[name] == update["traits"].get(name) for update in after)
        for name in event["traits"].keys() - _IN_NO_BODY
    )


def _against_plan(chapter: Chapter, fates: Sequence[EventFate]) -> Iterable[str]:
    for planned, fate in zip(chapter.planned, fates, strict=True):
        message_id = planned.event["messageId"]
        if fate.kind != planned.becomes:
            yield f"{message_id}: should be {planned.becomes}, but is {fate.kind}"
        elif planned.becomes != "duplicate" and fate.attempts < planned.attempts:
            yield f"{message_id}: should have been sent {planned.attempts} times, but was sent {fate.attempts} times"


def _against_order(chapter: Chapter, fates: Sequence[EventFate]) -> Iterable[str]:
    latest: dict[str, int] = {}
    for planned, fate in zip(chapter.planned, fates, strict=True):
        contact = planned.event["userId"]
        if fate.sending is not None:
            if fate.sending.records[-1]["n"] < latest.get(contact, 0):
                yield f"{planned.event['messageId']}: left after a later event of the same contact"
            latest[contact] = fate.sending.records[-1]["n"]


def _against_effects(chapter: Chapter, records: Sequence[RequestRecord]) -> Iterable[str]:
    effects = sum(record["applied"] for record in records)
    if effects != chapter.effects:
        yield f"requests that took effect at Loops: {effects}, but {chapter.effects} were promised"


def _against_lists(chapter: Chapter, contacts: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    lists = {contact["userId"]: contact["mailingLists"].keys() for contact in contacts}
    for contact, wanted in (chapter.subscribed or {}).items():
        if lists.get(contact) != wanted:
            yield f"{contact} is not on the mailing lists it was put on"
