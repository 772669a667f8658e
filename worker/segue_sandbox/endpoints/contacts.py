"""contacts/update, create, delete, find and suppression (docs/loops.md#finding-the-contact, docs/loops.md#other-endpoints)."""

from typing import Any

from segue_sandbox.answers import ApiRefusal, HttpAnswer, json_answer
from segue_sandbox.endpoints.call import ApiCall
from segue_sandbox.endpoints.upsert import apply_upsert, keep_allowed_lists, read_upsert
from segue_sandbox.rules.body import JsonObject, read_object
from segue_sandbox.rules.identity import Identifiers, find_contact, read_email
from segue_sandbox.store import LoopsContact, SuppressionRemovals

_CREATE_409 = {
    "on_list": "Email or userId is already on list.",
    "already_exists": "A contact with this email or userId already exists.",
}


def update(call: ApiCall) -> HttpAnswer:
    """PUT /contacts/update: change the contact, or make it if an email is there."""
    upsert = read_upsert(read_object(call.request, call.switches), call)
    found = find_contact(call.team.contacts, upsert.identity, call.switches)
    if found is None and upsert.identity.email is None:
        raise ApiRefusal(400, "userId not found and cannot create a new contact without an email.")
    return _applied(apply_upsert(keep_allowed_lists(upsert, found, call), found, call))


def create(call: ApiCall) -> HttpAnswer:
    """POST /contacts/create: make a contact that is not there yet."""
    body = read_object(call.request, call.switches)
    upsert = read_upsert(body, call)
    if upsert.identity.email is None:
        raise ApiRefusal(400, "An email is required.")
    folded = call.switches.email_matching == "folded"
    in_use = call.team.contacts.by_email(upsert.identity.email, folded=folded)
    if in_use is None and upsert.identity.user_id is not None:
        in_use = call.team.contacts.by_user_id(upsert.identity.user_id)
    if in_use is not None:
        raise ApiRefusal(409, _CREATE_409[call.switches.text_409_create])
    return _applied(apply_upsert(keep_allowed_lists(upsert, None, call), None, call))


def delete(call: ApiCall) -> HttpAnswer:
    """POST /contacts/delete, by exactly one identifier."""
    body = read_object(call.request, call.switches)
    contact = _find_by_one(_deletion_target(body, call), call)
    if contact is None:
        raise ApiRefusal(404, "Contact not found.")
    call.team.contacts.remove(contact)
    return json_answer({"success": True, "message": "Contact deleted."}, applied=True, contact_id=contact.id)


def find(call: ApiCall) -> HttpAnswer:
    """GET /contacts/find, by exactly one identifier: an array of one contact or none."""
    contact = _find_by_one(dict(call.request.parameters), call)
    if contact is None:
        return json_answer([])
    return json_answer([show(contact)], contact_id=contact.id)


def suppression(call: ApiCall) -> HttpAnswer:
    """GET /contacts/suppression: whether mail to a contact is suppressed, and how many removals the team has left."""
    contact = _of_suppression(call)
    about = {"id": contact.id, "email": contact.email, "userId": contact.user_id}
    return json_answer({"contact": about, "isSuppressed": contact.suppressed, "removalQuota": _quota(call)})


def remove_suppression(call: ApiCall) -> HttpAnswer:
    """DELETE /contacts/suppression. What an exhausted quota is answered is assumed."""
    contact = _of_suppression(call)
    if not contact.suppressed:
        raise ApiRefusal(400, "This contact is not suppressed.")
    if not call.team.removals.remaining(call.now):
        raise ApiRefusal(400, "The quota of suppression removals is used up.")
    call.team.removals.add(call.now)
    contact.suppressed = False
    said = {"success": True, "message": "Email removed from suppression list.", "removalQuota": _quota(call)}
    return json_answer(said, applied=True, contact_id=contact.id)


def _of_suppression(call: ApiCall) -> LoopsContact:
    contact = _find_by_one(dict(call.request.parameters), call, none="An email or userId is required.")
    if contact is None:
        raise ApiRefusal(404, "This contact was not found.")
    return contact


def _quota(call: ApiCall) -> JsonObject:
    return {"limit": SuppressionRemovals.LIMIT, "remaining": call.team.removals.remaining(call.now)}


def show(contact: LoopsContact) -> JsonObject:
    """A contact as contacts/find gives it; a default property that is unset is null or empty, a custom one is left out."""
    custom = {name: value for name, value in contact.properties.items() if name not in _SHOWN}
    return {
        "id": contact.id,
        "email": contact.email,
        "firstName": contact.properties.get("firstName"),
        "lastName": contact.properties.get("lastName"),
        "source": contact.properties.get("source", ""),
        "subscribed": contact.subscribed,
        "userGroup": contact.properties.get("userGroup", ""),
        "userId": contact.user_id,
        "mailingLists": dict.fromkeys(sorted(contact.lists), True),
        "optInStatus": None,
        **custom,
    }


_SHOWN = frozenset({"firstName", "lastName", "source", "userGroup", "optInStatus"})


def _applied(contact: LoopsContact) -> HttpAnswer:
    return json_answer({"success": True, "id": contact.id}, applied=True, contact_id=contact.id)


def _deletion_target(body: JsonObject, call: ApiCall) -> JsonObject:
    user_id = body.get("userId")
    if isinstance(user_id, list) and call.switches.delete_user_id_array == "first":
        return {**body, "userId": user_id[0] if user_id else None}
    return body


_EXACTLY_ONE = "Exactly one of email and userId is required."


def _find_by_one(fields: dict[str, Any], call: ApiCall, *, none: str = _EXACTLY_ONE) -> LoopsContact | None:
    email, user_id = fields.get("email") or None, fields.get("userId") or None
    if email is None and user_id is None:
        raise ApiRefusal(400, none)
    if email is not None and user_id is not None:
        raise ApiRefusal(400, _EXACTLY_ONE)
    if email is not None:
        return find_contact(call.team.contacts, Identifiers(read_email(email, call.switches), None), call.switches)
    if not isinstance(user_id, str):
        raise ApiRefusal(400, "userId must be a string")
    return call.team.contacts.by_user_id(user_id)
