"""What is remembered of contacts once a request was sent, so that the same update need not be sent again. Pure.

It is kept by outbox contact, and two of these may be one contact at Loops: an email without a userId and a userId with that email,
or two that a mapping gives the same userId. So a request of one ends what is remembered of the others that it names.
"""

import hashlib
from typing import Final

import orjson

from segue_producer.keys import contact_name
from segue_producer.values import sound
from segue_worker.outbox.outgoing import Outgoing
from segue_worker.outbox.settlement import FORGET

UPDATE_PATH: Final = "/contacts/update"
TOUCHED: Final = bytes(8)
"""In the place of a digest: whoever else is this contact may have been changed."""


def update_digest(request: Outgoing, access: str) -> bytes:
    """The 8 bytes by which a contact update is remembered that Loops has confirmed; empty for other requests.

    `access` says which key at which address (`Destination.access`): another team knows nothing of it.
    """
    if request.path != UPDATE_PATH:
        return b""
    return hashlib.blake2b(request.body, digest_size=8, key=access.encode()).digest()


def remembered(request: Outgoing, contact: bytes, digest: bytes = b"") -> dict[bytes, bytes]:
    """What is remembered once a request was sent: contact → digest, `TOUCHED` or `FORGET`.

    Args:
        request: what was sent.
        contact: whose events it is for, as it stands in keys.
        digest: of the update, where Loops confirmed it.
    """
    user, email = _named(request.body)
    if user == contact:
        return {contact: digest or FORGET} | ({email: FORGET} if email and email != contact else {})
    if email == contact and not user:
        return {contact: digest or TOUCHED}
    return {contact: FORGET} | {name: TOUCHED for name in (user, email) if name}


def _named(body: bytes) -> tuple[bytes, bytes]:
    """The contacts that stand for the userId and the email of a body; empty where it has none."""
    fields = orjson.loads(body)
    user, email = fields.get("userId"), fields.get("email")
    return _contact(user), _contact(email.strip().casefold() if isinstance(email, str) else "")


def _contact(identity: object) -> bytes:
    return contact_name(sound(identity)).encode() if isinstance(identity, str) else b""
