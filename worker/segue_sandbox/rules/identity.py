"""Who a request is about, and which contact that is (docs/loops.md#finding-the-contact)."""

import re
from typing import Any, NamedTuple

from segue_sandbox.answers import ApiRefusal
from segue_sandbox.rules.body import JsonObject
from segue_sandbox.store import ContactStore, LoopsContact
from segue_sandbox.switches import Switches

_ADDRESS = re.compile(r"[^\s@,;:<>()\[\]\"\\]+@[^\s@,;:<>()\[\]\"\\.]+(\.[^\s@,;:<>()\[\]\"\\.]+)+")


class Identifiers(NamedTuple):
    """The identifiers a request carries; at least one is there."""

    email: str | None
    user_id: str | None


def read_identity(body: JsonObject, switches: Switches) -> Identifiers:
    """The identifiers of a body.

    Raises:
        Refusal: 400, for none, a bad address or a wrong type.
    """
    email, user_id = body.get("email"), body.get("userId")
    if email in (None, "") and user_id in (None, ""):
        raise ApiRefusal(400, "An email or userId is required.")
    return Identifiers(
        None if email in (None, "") else read_email(email, switches),
        None if user_id in (None, "") else _read_user_id(user_id, switches),
    )


def read_email(value: Any, switches: Switches) -> str:
    """An address as it is stored.

    Raises:
        Refusal: 400, if it is none.
    """
    email = value.strip() if isinstance(value, str) and switches.email_matching == "folded" else value
    if not isinstance(email, str) or not _ADDRESS.fullmatch(email):
        raise ApiRefusal(400, "Invalid email address.")
    return email


def find_contact(contacts: ContactStore, identity: Identifiers, switches: Switches) -> LoopsContact | None:
    """The one contact that either identifier names; None if there is none.

    Raises:
        Refusal: 400, if the two name different contacts.
    """
    email, user_id = identity.email, identity.user_id
    by_email = None if email is None else contacts.by_email(email, folded=switches.email_matching == "folded")
    by_user_id = None if user_id is None else contacts.by_user_id(user_id)
    if by_email and by_user_id and by_email is not by_user_id:
        raise ApiRefusal(400, "Multiple contacts found for the given criteria")
    return by_email or by_user_id


def _read_user_id(value: Any, switches: Switches) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and switches.numeric_user_id == "accept":
        return str(value)
    raise ApiRefusal(400, "userId must be a string")
