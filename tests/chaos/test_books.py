"""What the judge of the books lets pass, and what it does not."""

from dataclasses import replace
from typing import Any

import pytest

from segue_producer.keys import contact_digest
from segue_worker.outbox.log_record import Attempt, EventOutcome, EventPart, Record, RequestPart

from .books import Account, not_once, read_accounts

EXACT = Account(received=[503, 0, 200], repeats=2, recorded=[503, 0, 200], retries=2)
REPEATED = Account(received=[503, 200, 0, 200], repeats=3, recorded=[503, 200], retries=1, interrupted=1)


@pytest.mark.parametrize(
    "account",
    [
        EXACT,
        replace(EXACT, interrupted=1),
        REPEATED,
        replace(EXACT, received=[0, 0, 0, 503, 0, 200], repeats=5, interrupted=1),
    ],
)
def test_what_agrees_is_no_problem(account: Account) -> None:
    assert account.problem() == ""


@pytest.mark.parametrize(
    "account",
    [
        replace(EXACT, recorded=[503, 200]),
        replace(EXACT, recorded=[503, 500, 200]),
        replace(EXACT, received=[0, 503, 0, 200]),
        replace(EXACT, retries=1),
        replace(REPEATED, interrupted=0),
        replace(REPEATED, recorded=[200, 503]),
        replace(REPEATED, recorded=[503, 500]),
        replace(EXACT, received=[0, 0, 0, 0, 503, 0, 200], repeats=6, interrupted=1),
        replace(EXACT, received=[503, 200], interrupted=1),
    ],
)
def test_what_does_not_agree_is_a_problem(account: Account) -> None:
    assert account.problem()


def test_an_account_is_read_from_ledger_and_log() -> None:
    ledger: list[Any] = [
        {"method": method, "path": "/events/send", "idempotency_key": key, "body": {"userId": "u1"}, "status": status}
        for method, key, status in (("POST", "a", None), ("GET", None, 200), ("POST", "a", 200), ("POST", "b", 200))
    ]
    digest = contact_digest(b"u1")
    parked = RequestPart("/events/send", (("m", "events"),), (Attempt(1, 0, 9),), 1, "parked", "broken", 5)
    resent = RequestPart("/events/send", (("m", "events"),), (Attempt(6, 200, 9),), 2, "delivered")
    log = [Record(digest, (), parked), Record(digest, (), resent, 1)]
    assert read_accounts(ledger, log) == {
        digest: Account(received=[0, 200, 200], repeats=1, recorded=[0, 200], retries=1, interrupted=1)
    }


@pytest.mark.parametrize(
    ("outcomes", "wrong"),
    [
        (["delivered"], 0),
        (["begun", "parked", "dead"], 0),
        (["delivered", "duplicate", "duplicate"], 0),
        (["parked"], 0),
        (["duplicate"], 1),
        (["delivered", "filtered"], 1),
    ],
)
def test_a_duplicate_of_what_never_ended_otherwise_is_a_loss(outcomes: list[EventOutcome], wrong: int) -> None:
    log = [Record("", [EventPart("m", "E", outcome, 1)], None) for outcome in outcomes]
    assert not_once(log) == wrong
