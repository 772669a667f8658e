"""What is remembered of contacts once a request was sent."""

from typing import Any

import orjson
import pytest

from segue_producer.keys import contact_name
from segue_worker.delivery.unchanged import TOUCHED, remembered, update_digest
from segue_worker.outbox.outgoing import Outgoing
from segue_worker.outbox.settlement import FORGET

DIGEST = b"12345678"
EMAIL = b"ada@example.com"
LONG = "x" * 300


def request(path: str = "/contacts/update", **body: Any) -> Outgoing:
    return Outgoing("PUT", path, orjson.dumps(body), None, ())


@pytest.mark.parametrize(
    ("body", "contact", "sent", "confirmed"),
    [
        ({"userId": "u1"}, b"u1", {b"u1": FORGET}, {b"u1": DIGEST}),
        (
            {"userId": "u1", "email": " Ada@Example.com"},
            b"u1",
            {b"u1": FORGET, EMAIL: FORGET},
            {b"u1": DIGEST, EMAIL: FORGET},
        ),
        ({"userId": "ada@example.com", "email": "ada@example.com"}, EMAIL, {EMAIL: FORGET}, {EMAIL: DIGEST}),
        ({"email": "ADA@example.com"}, EMAIL, {EMAIL: TOUCHED}, {EMAIL: DIGEST}),
        (
            {"userId": "account", "email": "ada@example.com"},
            b"u1",
            *[{b"u1": FORGET, b"account": TOUCHED, EMAIL: TOUCHED}] * 2,
        ),
        ({"userId": "u9", "email": "ada@example.com"}, EMAIL, *[{EMAIL: TOUCHED, b"u9": TOUCHED}] * 2),
        ({"email": "ada@example.com"}, b"u1", *[{b"u1": FORGET, EMAIL: TOUCHED}] * 2),
        ({"userId": 5, "email": ["no text"]}, b"u1", *[{b"u1": FORGET}] * 2),
        (
            {"userId": LONG},
            contact_name(LONG).encode(),
            *({contact_name(LONG).encode(): each} for each in (FORGET, DIGEST)),
        ),
    ],
)
def test_a_request_ends_what_is_remembered_of_all_whom_it_names(
    body: dict[str, Any], contact: bytes, sent: dict[bytes, bytes], confirmed: dict[bytes, bytes]
) -> None:
    assert remembered(request(**body), contact) == sent
    assert remembered(request(**body), contact, DIGEST) == confirmed


def test_an_update_is_known_by_its_body_at_one_team_and_alike_in_every_version() -> None:
    digest = update_digest(request(userId="u1"), "access")
    assert len(digest) == len(TOUCHED)
    assert digest == bytes.fromhex("5fc826fc7969d69b")
    others = [(request(userId="u2"), "access"), (request(userId="u1"), "another")]
    assert digest not in [update_digest(each, access) for each, access in others]
    assert update_digest(request("/events/send", userId="u1"), "access") == b""
