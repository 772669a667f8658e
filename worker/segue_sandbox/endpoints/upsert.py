"""The part that contacts/update, contacts/create and events/send share: read everything, then apply everything."""

from typing import NamedTuple

from segue_sandbox.endpoints.call import ApiCall
from segue_sandbox.rules.body import JsonObject
from segue_sandbox.rules.identity import Identifiers, read_identity
from segue_sandbox.rules.lists import ListChanges, allowed_lists, read_lists
from segue_sandbox.rules.properties import PropertyChanges, read_properties
from segue_sandbox.store import LoopsContact, Team


class Upsert(NamedTuple):
    """Everything a body wants done to a contact, checked."""

    identity: Identifiers
    properties: PropertyChanges
    lists: ListChanges


def read_upsert(body: JsonObject, call: ApiCall, *, skip: frozenset[str] = frozenset()) -> Upsert:
    """Check a body's contact part; `skip` names top-level keys that are no properties here.

    Raises:
        Refusal: 400.
    """
    return Upsert(
        read_identity(body, call.switches),
        read_properties(body, call.team.property_types, call.switches, skip=skip),
        read_lists(body, call.team.lists, call.switches),
    )


def keep_allowed_lists(upsert: Upsert, contact: LoopsContact | None, call: ApiCall) -> Upsert:
    """The upsert with the list changes that can happen to this contact (None: about to be made).

    Raises:
        Refusal: 400, where a switch makes an impossible one an error.
    """
    if not upsert.lists:
        return upsert
    allowed = allowed_lists(upsert.lists, contact, call.switches, subscribed=upsert.properties.subscribed)
    return upsert._replace(lists=allowed)


def apply_upsert(upsert: Upsert, contact: LoopsContact | None, call: ApiCall) -> LoopsContact:
    """Update `contact`, or make one from the upsert's email, and give it back. Everything was checked before."""
    identity = upsert.identity
    if contact is None:
        contact = call.team.contacts.add(identity.email or "", identity.user_id)
        contact.properties["source"] = "API"
    else:
        email = None if _same_address(identity.email, contact, call) else identity.email
        call.team.contacts.identify(contact, email, identity.user_id)
    _apply_properties(upsert.properties, contact, call.team)
    contact.lists |= {list_id for list_id, joins in upsert.lists.items() if joins}
    contact.lists -= {list_id for list_id, joins in upsert.lists.items() if not joins}
    return contact


def _same_address(email: str | None, contact: LoopsContact, call: ApiCall) -> bool:
    """Whether `email` is only another spelling of the contact's address, which stays as it was first stored."""
    folded = call.switches.email_matching == "folded"
    return folded and email is not None and email.lower() == contact.email.lower()


def _apply_properties(changes: PropertyChanges, contact: LoopsContact, team: Team) -> None:
    team.property_types.update(changes.new_types)
    contact.properties.update(changes.values)
    for name in changes.resets:
        contact.properties.pop(name, None)
    if changes.subscribed is not None:
        contact.subscribed = changes.subscribed
