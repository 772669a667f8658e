"""Faults on demand, without sockets (docs/loops.md#faults-that-happen)."""

from collections import Counter
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from segue_sandbox.core import Sandbox
from segue_sandbox.faults import InjectedFault
from segue_sandbox.switches import Switches
from tests.unit.sandbox.in_process import ManualClock, SandboxTransport

from .calls import ADA, find, send, update


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("json", "application/json"),
        ("html", "text/html; charset=utf-8"),
        ("text", "text/plain; charset=utf-8"),
        ("empty", None),
        ("quote", "application/json"),
    ],
)
def test_9_1_server_errors(
    sandbox: Sandbox, api: httpx.Client, status: int, body: Any, content_type: str | None
) -> None:
    sandbox.faults.add(InjectedFault(status=status, body=body, retry_after=3))
    response = send(api, "key", email=ADA)
    assert (response.status_code, response.headers.get("content-type")) == (status, content_type)
    assert response.headers["retry-after"] == "3"
    assert ("x-ratelimit-limit" in response.headers) == (body != "html")
    assert (response.content == b"") == (body == "empty")
    assert (ADA in response.text) == (body == "quote")
    assert (len(sandbox.team("acme").contacts), sandbox.ledger.entries[0].fault) == (0, f"status {status}")
    sandbox.faults.replace([])
    assert send(api, "key", email=ADA).status_code == 200


def test_9_2_delay_applies(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.faults.add(InjectedFault(kind="delay", delay_ms=60_000, count=1))
    with pytest.raises(httpx.ReadTimeout):
        send(api, "key", email=ADA)
    assert (len(sandbox.events), sandbox.ledger.entries[0].applied) == (1, True)
    assert send(api, "key", email=ADA).status_code == 409


def test_9_2_delay_before_apply(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.faults.add(InjectedFault(kind="delay_before_apply", delay_ms=60_000, count=1))
    sandbox.faults.add(InjectedFault(kind="delay_before_apply", delay_ms=10, count=1))
    with pytest.raises(httpx.ReadTimeout):
        send(api, "key", email=ADA)
    assert send(api, "key", email=ADA).status_code == 504
    assert sandbox.events == []
    assert send(api, "key", email=ADA).status_code == 200


def test_9_3_and_7_26_answer_lost_after_applying(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.faults.add(InjectedFault(kind="drop_after_apply", count=1))
    with pytest.raises(httpx.RemoteProtocolError):
        send(api, "key", email=ADA)
    record = next(sandbox.ledger.records())
    assert (record["status"], record["applied"], record["fault"]) == (None, True, "drop_after_apply")
    assert send(api, "key", email=ADA).status_code == 409
    assert len(sandbox.events) == 1


def test_dropped_before_applying(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.faults.add(InjectedFault(kind="drop_before_apply", count=1))
    with pytest.raises(httpx.RemoteProtocolError):
        send(api, "key", email=ADA)
    assert (len(sandbox.events), sandbox.ledger.entries[0].applied) == (0, False)
    assert send(api, "key", email=ADA).status_code == 200


def test_9_4_success_that_is_no_json(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.faults.add(InjectedFault(kind="invalid_json"))
    response = update(api, email=ADA)
    assert response.status_code == 200
    with pytest.raises(ValueError, match="Expecting value"):
        response.json()
    sandbox.faults.replace([])
    assert find(api, email=ADA)["email"] == ADA


def test_9_5_burst_of_429(sandbox: Sandbox, clock: ManualClock, api: httpx.Client) -> None:
    sandbox.faults.add(InjectedFault(status=429, for_seconds=2))
    seen = []
    for _ in range(4):
        response = api.get("/lists")
        seen.append((response.status_code, response.headers["x-ratelimit-remaining"] == "0"))
        clock.tick(0.75)
    assert seen == [(429, True), (429, True), (429, True), (200, False)]
    assert {entry.rate_limited for entry in sandbox.ledger.entries} == {False}


def test_9_6_401_from_a_moment_on(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.faults.add(InjectedFault(status=401))
    assert api.get("/lists").json()["message"] == "Invalid API key"


def test_9_7_accepted_and_never_mailed(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.faults.add(InjectedFault(kind="not_mailed", nth=2))
    assert [send(api, email=ADA).status_code for _ in range(3)] == [200] * 3
    assert [event.mailed for event in sandbox.events] == [True, False, True]


@pytest.mark.parametrize(
    "condition",
    [
        {"method": "POST"},
        {"path": "/events/send"},
        {"path": "/api/v1/events/send"},
        {"contact": ADA},
        {"contact": "u1"},
        {"event": "Signed Up"},
        {"body_matches": r'"amount":\s*7\b'},
        {"nth": 2},
        {"method": "POST", "event": "Signed Up", "contact": "u1"},
    ],
)
def test_conditions_choose_the_request(sandbox: Sandbox, api: httpx.Client, condition: Any) -> None:
    sandbox.faults.add(InjectedFault(status=503, **condition))
    seen = [
        update(api, email="b@example.com", amount=70).status_code,
        send(api, email=ADA, userId="u1", eventProperties={"amount": 7}).status_code,
        api.get("/lists").status_code,
    ]
    assert seen == [200, 503, 200]
    assert sandbox.faults.describe()[0]["fired"] == 1


def test_first_rule_that_fires_wins(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.faults.replace([InjectedFault(status=500, count=1, name="first"), InjectedFault(status=502)])
    assert [api.get("/lists").status_code for _ in range(3)] == [500, 502, 502]
    assert [entry.fault for entry in sandbox.ledger.entries] == ["first", "status 502", "status 502"]
    assert [(rule["matched"], rule["fired"]) for rule in sandbox.faults.describe()] == [(1, 1), (2, 2)]


def test_faulted_requests_use_quota(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.change_switches({"rate_limit": 2})
    sandbox.faults.add(InjectedFault(status=500, count=2))
    assert [api.get("/lists").status_code for _ in range(3)] == [500, 500, 429]


def test_over_the_limit_a_fault_of_the_answer_applies_nothing(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.change_switches({"rate_limit": 1})
    api.get("/lists")
    sandbox.faults.add(InjectedFault(kind="drop_after_apply"))
    with pytest.raises(httpx.RemoteProtocolError):
        send(api, email=ADA)
    assert (sandbox.events, sandbox.ledger.entries[-1].rate_limited) == ([], True)


@pytest.mark.parametrize(
    "fault", [{"kind": "explode"}, {"status": 200}, {"body_matches": "("}, {"nth": 0}, {"colour": "red"}]
)
def test_nonsense_is_refused(fault: Any) -> None:
    with pytest.raises(ValidationError):
        InjectedFault(**fault)


def outcomes(seed: int, *, rate: float = 0.3, requests: int = 400, extra: bool = False) -> list[str | None]:
    sandbox = Sandbox(Switches(rate_limit=10_000, fail=rate), seed=seed, clock=ManualClock())
    if extra:
        sandbox.faults.add(InjectedFault(path="/nowhere", probability=0.5))
    with httpx.Client(
        base_url="http://sandbox/api/v1",
        transport=SandboxTransport(sandbox),
        headers={"Authorization": "Bearer sandbox-acme"},
    ) as api:
        for _ in range(requests):
            try:
                api.get("/lists")
            except httpx.RemoteProtocolError:
                continue
    return [entry.fault for entry in sandbox.ledger.entries]


def test_random_failures_repeat_with_their_seed() -> None:
    assert outcomes(1) == outcomes(1) == outcomes(1, extra=True)
    assert outcomes(1) != outcomes(2)


def test_random_failures_have_their_share_and_every_kind() -> None:
    counts = Counter(outcomes(7, requests=2000))
    failed = 2000 - counts.pop(None)
    assert failed == pytest.approx(600, abs=90)
    kinds = {
        "status 429",
        "status 500",
        "status 502",
        "status 503",
        "status 504",
        "drop_before_apply",
        "drop_after_apply",
    }
    assert counts.keys() == kinds
    gateway = sum(counts[f"status {status}"] for status in (502, 503, 504))
    for share in (
        counts["status 429"],
        counts["status 500"],
        gateway,
        counts["drop_before_apply"],
        counts["drop_after_apply"],
    ):
        assert share == pytest.approx(failed / 5, rel=0.35)


def test_injected_probability() -> None:
    sandbox = Sandbox(Switches(rate_limit=10_000), seed=3, clock=ManualClock())
    sandbox.faults.add(InjectedFault(status=500, probability=0.25))
    with httpx.Client(
        base_url="http://sandbox/api/v1",
        transport=SandboxTransport(sandbox),
        headers={"Authorization": "Bearer sandbox-a"},
    ) as api:
        failed = sum(api.get("/lists").status_code == 500 for _ in range(1000))
    assert failed == pytest.approx(250, abs=60)
