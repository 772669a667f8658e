"""How the log finds a person's events: by digests of every id that an event names, in any spelling. Pure.

The contact's own digest stands first in an entry and says whose outbox the event was in. The others let an email lead to
the events of a userId, or an anonymousId to those of an email. None of them can be turned back into an id.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple
from unicodedata import normalize

from segue_producer.events import emails_of
from segue_producer.keys import contact_digest, contact_name, contact_names
from segue_producer.values import id_text

DIGEST: Final = 16
"""Characters of a digest."""
_WHOLE: Final = re.compile(r"(-?\d+)\.0+")


def spelled(identity: str) -> str:
    """The one spelling that stands for all of an id: without regard to case, outer spaces, or `.0` behind an integer."""
    # Of ASCII nothing is to be normalised, as nearly always; it must be quick, since each request asks.
    text = identity.strip().lower() if identity.isascii() else normalize("NFKC", identity).strip().casefold()
    whole = _WHOLE.fullmatch(text) if text.endswith("0") else None
    return whole[1] if whole else text


def name_digest(identity: str) -> str:
    """The digest of an id as it is: that of its contact, if it were one."""
    return contact_digest(contact_name(identity).encode("utf-8", "surrogatepass"))


def spelling_digest(identity: str) -> str:
    """The digest of an id in any spelling. It is never that of a contact, so no deletion of one finds it."""
    text = spelled(identity).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8, person=b"any spelling").hexdigest()


def names_of(events: Iterable[Mapping[str, Any] | None], contact: str = "") -> tuple[str, ...]:
    """The digests of the ids that events name: of each as it is, and where it can be spelled simpler, of that.

    Args:
        events: as they were enqueued; None for what is no event.
        contact: whose digest is known already, as it is, and left out.
    """
    found: dict[str, None] = {}
    for identity in _ids_in(events):
        if identity != contact:
            found[name_digest(identity)] = None
        if spelled(identity) != identity:
            found[spelling_digest(identity)] = None
    return tuple(found)


def _ids_in(events: Iterable[Mapping[str, Any] | None]) -> dict[str, None]:
    """The ids, each once: events of one contact mostly name the same ones."""
    ids: dict[str, None] = {}
    emails: dict[str, None] = {}
    for event in events:
        if event:
            for value in (event.get("userId"), event.get("anonymousId")):
                if value.__class__ is str:
                    ids[value] = None
                elif value is not None:
                    with suppress(ValueError):
                        ids[id_text(value)] = None
            for email in emails_of(event):
                emails[email] = None
    for email in emails:
        ids[email.strip().casefold()] = None
    ids.pop("", None)
    return ids


class Sought(NamedTuple):
    """A person, by an id that somebody typed.

    Attributes:
        exact: digests of the contacts that they are under exactly this id, or this email.
        loose: those of ids that differ from it only in spelling. A userId has its case, so one that is found exactly is
            not taken for another.
    """

    exact: frozenset[str]
    loose: frozenset[str]

    @classmethod
    def by(cls, identity: str) -> "Sought":
        """The person whom a userId, an email or an anonymousId names."""
        loose = frozenset({name_digest(spelled(identity)), spelling_digest(identity)})
        if "@" in identity:
            return cls(loose.union(map(name_digest, contact_names(identity))), frozenset())
        exact = frozenset({name_digest(identity), name_digest(identity.strip())})
        return cls(exact, loose - exact)

    def contacts(self, entries: Iterable[str]) -> set[str]:
        """The contacts that are the person, given the digests of each entry as it holds them: the contact's first.

        They are those with an event that names the person, and whom these events name: before somebody was known by a
        userId, their events were those of an email or an anonymousId.
        """
        listed = list(entries)
        for digests in (self.exact, self.loose):
            if found := {names[:DIGEST] for names in listed if any(digest in names for digest in digests)}:
                return found.union(*(names.split() for names in listed if names[:DIGEST] in found))
        return set()
