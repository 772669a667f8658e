"""Mailing lists in a body: who may be put on which (docs/loops.md#mailing-lists)."""

from typing import Any

from segue_sandbox.answers import ApiRefusal
from segue_sandbox.rules.body import JsonObject
from segue_sandbox.store import LoopsContact, MailingList
from segue_sandbox.switches import Switches

ListChanges = dict[str, bool]


def read_lists(body: JsonObject, known: dict[str, MailingList], switches: Switches) -> ListChanges:
    """What a body asks for, list id to joined or left.

    Raises:
        Refusal: 400, for a wrong shape or an unknown list.
    """
    sent = body.get("mailingLists")
    if sent is None:
        # As the client loops-sdk sends it where no lists were given.
        return {}
    if not isinstance(sent, dict):
        raise ApiRefusal(400, "mailingLists must be an object of booleans")
    wanted = {list_id: _read_choice(list_id, value, switches) for list_id, value in sent.items()}
    if switches.unknown_list == "400" and not wanted.keys() <= known.keys():
        raise ApiRefusal(400, "Mailing list not found")
    return {list_id: joins for list_id, joins in wanted.items() if list_id in known}


def allowed_lists(
    wanted: ListChanges, contact: LoopsContact | None, switches: Switches, *, subscribed: bool | None
) -> ListChanges:
    """What of `wanted` happens to this contact (None: about to be made), given the request's own `subscribed`.

    Raises:
        Refusal: 400, where a switch makes an add that is not applied an error.
    """
    is_subscribed = subscribed if subscribed is not None else contact.subscribed if contact else True
    allowed = {}
    for list_id, joins in wanted.items():
        if joins and not is_subscribed:
            if switches.add_unsubscribed == "400":
                raise ApiRefusal(400, "An unsubscribed contact cannot be added to a mailing list")
        elif joins and contact is not None and list_id in contact.left_lists:
            if switches.add_after_leaving == "400":
                raise ApiRefusal(400, "The contact has left this mailing list")
        else:
            allowed[list_id] = joins
    return allowed


def _read_choice(list_id: str, value: Any, switches: Switches) -> bool:
    if isinstance(value, bool):
        return value
    if switches.list_value == "coerce" and value in ("true", "false"):
        return bool(value == "true")
    raise ApiRefusal(400, f"mailingLists.{list_id} must be a boolean")
