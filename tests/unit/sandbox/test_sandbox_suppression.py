"""Suppressed contacts (docs/loops.md#other-endpoints)."""

import httpx
import pytest

from segue_sandbox.core import Sandbox
from segue_sandbox.store import SuppressionRemovals

from .calls import ADA, answer, update

PATH = "/contacts/suppression"


def test_a_suppression_is_told_and_ended_once(sandbox: Sandbox, api: httpx.Client) -> None:
    contact = update(api, email=ADA, userId="u1").json()["id"]
    quota = {"limit": SuppressionRemovals.LIMIT, "remaining": SuppressionRemovals.LIMIT}
    about = {"id": contact, "email": ADA, "userId": "u1"}
    assert answer(api.get(PATH, params={"email": ADA})) == (
        200,
        {"contact": about, "isSuppressed": False, "removalQuota": quota},
    )
    sandbox.suppress(user_id="u1")
    assert api.get(PATH, params={"userId": "u1"}).json()["isSuppressed"] is True
    left = {**quota, "remaining": quota["remaining"] - 1}
    assert answer(api.delete(PATH, params={"userId": "u1"})) == (
        200,
        {"success": True, "message": "Email removed from suppression list.", "removalQuota": left},
    )
    assert answer(api.delete(PATH, params={"email": ADA})) == (
        400,
        {"success": False, "message": "This contact is not suppressed."},
    )


def test_the_quota_is_that_of_thirty_days(sandbox: Sandbox, api: httpx.Client) -> None:
    update(api, email=ADA)
    (team,) = sandbox.teams.values()
    for _ in range(SuppressionRemovals.LIMIT):
        team.removals.add(sandbox.clock.unix())
    sandbox.suppress(email=ADA)
    assert api.delete(PATH, params={"email": ADA}).status_code == 400
    sandbox.clock.move(31 * 24 * 3600)
    assert api.delete(PATH, params={"email": ADA}).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "status", "said"),
    [
        ({}, 400, "An email or userId is required."),
        ({"email": ADA, "userId": "u1"}, 400, "Exactly one of email and userId is required."),
        ({"email": "no address"}, 400, "Invalid email address."),
        ({"userId": "nobody"}, 404, "This contact was not found."),
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_is_refused(api: httpx.Client, method: str, parameters: dict[str, str], status: int, said: str) -> None:
    assert answer(api.request(method, PATH, params=parameters)) == (status, {"success": False, "message": said})


def test_lists_and_properties_of_null_change_nothing(api: httpx.Client) -> None:
    assert update(api, email=ADA, mailingLists=None).status_code == 200
    body = {"email": ADA, "eventName": "E", "eventProperties": None, "mailingLists": None}
    assert api.post("/events/send", json=body).status_code == 200
