"""What one team stores at Loops: contacts, property types, events, idempotency keys. Pure; times are arguments."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from segue_sandbox.limits import RateLimiter

PropertyType = Literal["string", "number", "boolean", "date"]
IDEMPOTENCY_WINDOW_S = 24 * 60 * 60.0
REMOVALS_WINDOW_S = 30 * IDEMPOTENCY_WINDOW_S

DEFAULT_PROPERTY_TYPES: dict[str, PropertyType] = {
    "email": "string",
    "firstName": "string",
    "lastName": "string",
    "notes": "string",
    "source": "string",
    "userGroup": "string",
    "userId": "string",
    "subscribed": "boolean",
    "createdAt": "date",
}


def make_id(*parts: object) -> str:
    """`c` and 24 letters and digits, the same for the same parts: ids repeat from run to run."""
    digest = hashlib.blake2b(":".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=12)
    return "c" + digest.hexdigest()


@dataclass(slots=True)
class LoopsContact:
    """One contact. `properties` holds everything but what has its own attribute; a reset property has no entry."""

    id: str
    email: str
    user_id: str | None
    subscribed: bool = True
    properties: dict[str, Any] = field(default_factory=dict)
    lists: set[str] = field(default_factory=set)
    left_lists: set[str] = field(default_factory=set)
    suppressed: bool = False


class ContactStore:
    """Contacts of a team, found by email and by userId."""

    def __init__(self, team: str) -> None:
        self._team = team
        self._made = 0
        self._by_id: dict[str, LoopsContact] = {}
        self._by_folded_email: dict[str, list[LoopsContact]] = {}
        self._by_user_id: dict[str, LoopsContact] = {}

    def __iter__(self) -> Iterator[LoopsContact]:
        return iter(tuple(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def by_email(self, email: str, *, folded: bool) -> LoopsContact | None:
        """The contact with this address, matched without regard to case when `folded`."""
        alike = self._by_folded_email.get(email.lower(), ())
        return next((contact for contact in alike if folded or contact.email == email), None)

    def by_user_id(self, user_id: str) -> LoopsContact | None:
        """The contact with this userId."""
        return self._by_user_id.get(user_id)

    def add(self, email: str, user_id: str | None) -> LoopsContact:
        """Make a contact with an id of its own; neither identifier may be in use."""
        self._made += 1
        contact = LoopsContact(make_id(self._team, self._made), email, user_id)
        self._by_id[contact.id] = contact
        self._index_email(contact)
        if user_id is not None:
            self._by_user_id[user_id] = contact
        return contact

    def identify(self, contact: LoopsContact, email: str | None, user_id: str | None) -> None:
        """Give a contact the identifiers that were sent; None leaves one as it is."""
        if email is not None and email != contact.email:
            self._forget_email(contact)
            contact.email = email
            self._index_email(contact)
        if user_id is not None and user_id != contact.user_id:
            self._by_user_id.pop(contact.user_id or "", None)
            contact.user_id = user_id
            self._by_user_id[user_id] = contact

    def remove(self, contact: LoopsContact) -> None:
        """Forget a contact."""
        del self._by_id[contact.id]
        self._forget_email(contact)
        self._by_user_id.pop(contact.user_id or "", None)

    def _index_email(self, contact: LoopsContact) -> None:
        self._by_folded_email.setdefault(contact.email.lower(), []).append(contact)

    def _forget_email(self, contact: LoopsContact) -> None:
        self._by_folded_email[contact.email.lower()].remove(contact)


@dataclass(frozen=True, slots=True)
class MailingList:
    """A mailing list, defined for every team of the sandbox."""

    id: str
    name: str
    description: str | None = None
    is_public: bool = True


DEFAULT_LISTS: tuple[MailingList, ...] = (
    MailingList("clxf1nxlb000t0ml79ajwcsj0", "Newsletter", "News once a month"),
    MailingList("cm06f5v0e45nf0ml5754o9cix", "Product updates"),
    MailingList("cm16k73gq014h0mmj5b6jdi9r", "Beta testers", None, is_public=False),
)


@dataclass(slots=True)
class EventPattern:
    """An event name in use, and the type each of its properties got from its first value."""

    id: str
    name: str
    property_types: dict[str, PropertyType] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """An event as it was recorded. `at` in unix seconds of the sandbox's movable clock."""

    n: int
    at: float
    team: str
    name: str
    properties: dict[str, Any]
    contact_id: str
    email: str
    user_id: str | None
    idempotency_key: str | None
    mailed: bool


class SuppressionRemovals:
    """Removals from the suppression list, of which a team has so many in 30 days."""

    LIMIT = 100

    def __init__(self) -> None:
        self._times: list[float] = []

    def remaining(self, now: float) -> int:
        """How many are left at a time in unix seconds."""
        self._times = [time for time in self._times if now - time < REMOVALS_WINDOW_S]
        return self.LIMIT - len(self._times)

    def add(self, now: float) -> None:
        """Count one."""
        self._times.append(now)


class IdempotencyKeys:
    """Keys spent within the past 24 h."""

    def __init__(self) -> None:
        self._spent: dict[str, tuple[float, float]] = {}

    def spend(self, key: str, now: float, answered_at: float) -> None:
        """Mark a key used at `now`; the answer to that request leaves at `answered_at`."""
        self._spent[key] = (now, answered_at)

    def answered_at(self, key: str, now: float) -> float | None:
        """When the request that used this key was, or will be, answered; None for a free key."""
        spent = self._spent.get(key)
        if spent is None or now - spent[0] >= IDEMPOTENCY_WINDOW_S:
            return None
        return spent[1]


class Team:
    """Everything the sandbox holds for one team. Lists and the record of events are shared by all teams."""

    def __init__(self, name: str, lists: dict[str, MailingList], events: list[AcceptedEvent]) -> None:
        self.name = name
        self.lists = lists
        self.events = events
        self.contacts = ContactStore(name)
        self.property_types: dict[str, PropertyType] = dict(DEFAULT_PROPERTY_TYPES)
        self.patterns: dict[str, EventPattern] = {}
        self.idempotency = IdempotencyKeys()
        self.removals = SuppressionRemovals()
        self.limiter = RateLimiter()

    def custom_properties(self) -> Iterable[tuple[str, PropertyType]]:
        """Names and types of the properties Loops did not define itself."""
        return ((name, kind) for name, kind in self.property_types.items() if name not in DEFAULT_PROPERTY_TYPES)
