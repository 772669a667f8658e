"""Whose an event is: which ids it names, and whether they are those of a person. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from segue_producer.events import contact_of, emails_of
from segue_producer.keys import contact_names


def folded(identity: str) -> str:
    """An id as it is compared: an email without regard to case and outer spaces, any other id as it is."""
    return identity.strip().casefold() if "@" in identity else identity


class EventIds(NamedTuple):
    """The ids that an event names, folded.

    Attributes:
        contact: whose outbox it belongs in, or None.
        owners: whose event it is: its userId; without one, its emails; without these, its anonymousId. Several spellings
            of one id count as several.
        named: all of them.
    """

    contact: str | None
    owners: frozenset[str]
    named: frozenset[str]


def ids_of(event: Mapping[str, Any]) -> EventIds:
    """The ids of an event, whatever its fields hold."""
    # What is no address, such as "unknown", says of two events not that they are of one person.
    emails = [email for email in emails_of(event) if "@" in email]
    by_rank = (_texts(event.get("userId")), emails, _texts(event.get("anonymousId")))
    ranks = [frozenset(map(folded, ids)) for ids in by_rank]
    return EventIds(contact_of(event), next(filter(None, ranks), frozenset()), frozenset().union(*ranks))


def _texts(value: object) -> list[str]:
    """An id as text; 777 and 777.0 are one."""
    if isinstance(value, float) and value.is_integer():
        return [str(value), str(int(value))]
    return [str(value)] if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "" else []


@dataclass(slots=True)
class Person:
    """The ids by which events name one person, as far as they are found.

    Attributes:
        given: the id by which somebody named them, folded: an event is theirs that names it anywhere.
        others: ids that stand beside it in such events, folded. An event is theirs whose owner is one of these, and no
            other: several people may use one device, or one address.
        contacts: in whose outboxes their events are.
    """

    given: str
    others: set[str] = field(default_factory=set)
    contacts: set[str] = field(default_factory=set)

    @classmethod
    def named(cls, identity: str) -> Self:
        """The person whom a userId, an email in any spelling, or an anonymousId names."""
        return cls(folded(identity), set(), set(contact_names(identity)))

    def is_named_by(self, ids: EventIds) -> bool:
        """Whether an event is theirs."""
        return self.given in ids.named or not self.others.isdisjoint(ids.owners)

    def learn(self, events: Iterable[EventIds]) -> None:
        """Add the ids that stand beside the given one."""
        for ids in events:
            if self.given in ids.named:
                self.others |= ids.named
        for identity in self.others:
            self.contacts |= set(contact_names(identity))

    def is_in_text(self, text: str) -> bool:
        """Whether the given id stands as a value in what is no event."""
        spelled = {json.dumps(self.given), json.dumps(self.given, ensure_ascii=False)}
        # Of what was too long or too deep, a dead letter has the JSON as a text, which is spelled once more.
        spelled |= {json.dumps(each, ensure_ascii=False)[1:-1] for each in spelled}
        plain = text.casefold() if "@" in self.given else text
        return any(each in plain for each in spelled)

    def signs(self) -> tuple[bytes, ...]:
        """Texts in lower case, one of which is in the JSON of each event of theirs; none where JSON may spell them anyhow."""
        ids = {self.given, *self.others}
        if not all(identity.isascii() and json.dumps(identity) == f'"{identity}"' for identity in ids):
            return ()
        return tuple(identity.lower().encode() for identity in ids)
