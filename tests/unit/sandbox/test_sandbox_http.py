"""The sandbox over real sockets, in a thread of this process, and its control endpoints."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from segue_sandbox.client import SandboxClient, SandboxControlError
from segue_sandbox.switches import Switches
from tests.sandbox_server import SandboxServer

from .calls import ADA, NEWS, find, send, update

KEY = "sandbox-acme"


@pytest.fixture(scope="module")
def shared_server() -> Iterator[SandboxServer]:
    with SandboxServer(Switches(rate_limit=1000)) as server:
        yield server


@pytest.fixture
def server(shared_server: SandboxServer) -> SandboxServer:
    shared_server.sandbox.reset()
    return shared_server


@pytest.fixture
def control(server: SandboxServer) -> Iterator[SandboxClient]:
    with SandboxClient(server.base_url) as client:
        yield client


@pytest.fixture
def http(server: SandboxServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, headers={"Authorization": f"Bearer {KEY}"}, trust_env=False) as client:
        yield client


def test_ledger_over_http(control: SandboxClient, http: httpx.Client) -> None:
    update(http, email=ADA)
    send(http, "key-1", email=ADA)
    http.get("/contacts/find?userId=u1")
    http.put("/contacts/update", content=b"{nonsense", headers={"Content-Type": "text/plain"})
    first, second, third, fourth = control.requests(schema=True)
    assert [each["n"] for each in (first, second, third, fourth)] == [1, 2, 3, 4]
    assert (first["method"], first["path"], first["body"]) == ("PUT", "/contacts/update", {"email": ADA})
    assert (first["team"], first["status"], first["applied"], first["fault"]) == ("acme", 200, True, None)
    assert (second["headers"]["idempotency-key"], second["idempotency_key"]) == ("key-1", "key-1")
    assert second["contact_id"] == first["contact_id"] == control.contacts()[0]["id"]
    assert (third["path"], third["query"], third["body"], third["applied"]) == (
        "/contacts/find",
        "userId=u1",
        None,
        False,
    )
    assert (fourth["body"], fourth["status"]) == ("{nonsense", 400)
    assert first["ended_at"] is not None
    assert first["at"] < first["ended_at"] < second["at"]
    assert KEY not in repr(control.requests(schema=True))


def test_ledger_pages(control: SandboxClient, http: httpx.Client) -> None:
    for number in range(3):
        http.get("/lists", params={"number": number})
    http.get("/lists", headers={"Authorization": "Bearer sandbox-other"})
    assert [each["n"] for each in control.requests(since=1, schema=True)] == [2, 3, 4]
    assert [each["n"] for each in control.requests(since=1, limit=2, schema=True)] == [2, 3]
    assert [each["n"] for each in control.requests(limit=0, schema=True)] == []
    assert [each["n"] for each in control.requests(team="other", schema=True)] == [4]
    assert [each["n"] for each in control.requests(since=9, schema=True)] == []


@pytest.mark.parametrize("count", [499, 500, 501, 1000])
def test_long_ledgers_come_whole(server: SandboxServer, control: SandboxClient, http: httpx.Client, count: int) -> None:
    http.get("/lists")
    server.ledger.entries.extend([server.ledger.entries[0]] * (count - 1))
    assert len(control.requests(schema=True)) == count


def test_events_over_http(control: SandboxClient, http: httpx.Client) -> None:
    send(http, "key-1", email=ADA, userId="u1", eventProperties={"amount": 7})
    (event,) = control.events()
    assert (event["eventName"], event["eventProperties"], event["idempotency_key"]) == (
        "Signed Up",
        {"amount": 7},
        "key-1",
    )
    assert (event["email"], event["userId"], event["team"], event["mailed"]) == (ADA, "u1", "acme", True)
    assert control.events(team="other") == []


def test_summary_counts(control: SandboxClient, http: httpx.Client) -> None:
    control.switches(rate_limit=2)
    for _ in range(4):
        update(http, email=ADA)
    control.add_fault(kind="drop_before_apply", count=1)
    with pytest.raises(httpx.RemoteProtocolError):
        http.get("/lists")
    summary = control.summary()
    assert summary["by_status"] == {"200": 2, "429": 2, "dropped": 1}
    assert (summary["received"], summary["accepted"], summary["applied"], summary["rate_limited"]) == (5, 2, 2, 2)
    assert (summary["max_received_per_second"], summary["max_accepted_per_second"]) == (5, 2)
    assert (summary["by_fault"], summary["contacts"], summary["events"]) == ({"drop_before_apply": 1}, 1, 0)
    assert (summary["used_of_rate"] or 0) > 1
    assert control.summary(team="other")["received"] == 0


def test_control_does_not_count(control: SandboxClient, http: httpx.Client) -> None:
    control.switches(rate_limit=1)
    for _ in range(20):
        control.summary()
    assert http.get("/lists").headers["x-ratelimit-remaining"] == "0"
    assert control.summary()["received"] == 1


@pytest.mark.parametrize("kind", ["drop_before_apply", "drop_after_apply"])
@pytest.mark.parametrize("delay_ms", [0, 20])
def test_a_drop_is_a_closed_connection(
    control: SandboxClient, http: httpx.Client, capfd: pytest.CaptureFixture[str], kind: str, delay_ms: int
) -> None:
    control.faults([{"kind": kind, "count": 1, "delay_ms": delay_ms}])
    with pytest.raises(httpx.RemoteProtocolError, match="Server disconnected without sending a response"):
        send(http, email=ADA)
    assert send(http, email=ADA).status_code == 200
    assert len(control.events()) == (2 if kind == "drop_after_apply" else 1)
    assert capfd.readouterr() == ("", "")


def test_a_drop_sends_no_byte(server: SandboxServer, control: SandboxClient) -> None:
    control.faults([{"kind": "drop_after_apply"}])
    address = urlsplit(server.base_url)
    assert address.hostname
    assert address.port
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(b"GET /api/v1/lists HTTP/1.1\r\nHost: sandbox\r\n\r\n")
        assert connection.recv(1000) == b""


def test_who_gives_up_waiting_is_seen(control: SandboxClient, http: httpx.Client) -> None:
    control.faults([{"kind": "delay", "delay_ms": 600_000}])
    with pytest.raises(httpx.ReadTimeout):
        http.put("/contacts/update", json={"email": ADA}, timeout=0.05)
    while control.requests(schema=True)[0]["ended_at"] is None:
        pass
    (record,) = control.requests(schema=True)
    assert (record["status"], record["applied"]) == (200, True)


def test_stopping_does_not_wait_for_late_answers(capfd: pytest.CaptureFixture[str]) -> None:
    with SandboxServer(Switches(latency_ms=600_000)) as server, ThreadPoolExecutor() as pool:
        waiting = pool.submit(httpx.get, f"{server.base_url}/lists", timeout=60, trust_env=False)
        while not server.ledger.entries:
            pass
        server.stop()
        with pytest.raises(httpx.RemoteProtocolError):
            waiting.result()
    assert capfd.readouterr() == ("", "")


def test_latency(control: SandboxClient, http: httpx.Client) -> None:
    control.switches(latency_ms=30)
    http.get("/lists")
    (record,) = control.requests(schema=True)
    # Event loop timers are allowed to be a millisecond early.
    assert (record["ended_at"] or 0) - record["at"] >= 0.028


def test_large_bodies(control: SandboxClient, http: httpx.Client) -> None:
    control.switches(max_body_bytes=100_000)
    body = b'{"email":"ada@example.com"}'
    assert http.put("/contacts/update", content=body.ljust(100_000)).status_code == 200
    assert http.put("/contacts/update", content=body.ljust(1_000_000)).status_code == 413
    assert http.put("/contacts/update", content=body).status_code == 200


def test_leave_list_and_lists(control: SandboxClient, http: httpx.Client) -> None:
    control.lists([{"id": "vip", "name": "VIPs", "isPublic": False}])
    assert http.get("/lists").json()[-1] == {"id": "vip", "name": "VIPs", "description": None, "isPublic": False}
    update(http, email=ADA, userId="u1", mailingLists={"vip": True, NEWS: True})
    control.leave_list("vip", user_id="u1")
    update(http, email=ADA, mailingLists={"vip": True})
    (contact,) = control.contacts()
    assert (contact["mailingLists"], contact["leftLists"], contact["team"]) == ({NEWS: True}, ["vip"], "acme")


def test_clock_frees_keys_and_gives_no_quota(control: SandboxClient, http: httpx.Client) -> None:
    control.switches(rate_limit=3)
    statuses = [send(http, "key", email=ADA).status_code for _ in range(2)]
    control.move_clock(24 * 3600)
    statuses += [send(http, "key", email=ADA).status_code for _ in range(2)]
    assert statuses == [200, 409, 200, 429]
    first, second = control.events()
    assert second["at"] - first["at"] >= 24 * 3600


def test_revoke_restore_and_reset(control: SandboxClient, http: httpx.Client) -> None:
    seen = [http.get("/api-key").status_code]
    control.revoke(KEY)
    seen.append(http.get("/api-key").status_code)
    control.restore(KEY)
    seen.append(http.get("/api-key").status_code)
    control.revoke(KEY)
    control.switches(rate_limit=7)
    control.add_fault(status=500)
    control.lists([{"id": "vip", "name": "VIPs"}])
    control.move_clock(5)
    control.reset()
    assert (control.requests(schema=True), control.contacts(), control.fired()) == ([], [], [])
    assert control.switches()["rate_limit"] == 1000
    seen.append(http.get("/api-key").status_code)
    assert seen == [200, 401, 200, 200]
    assert len(http.get("/lists").json()) == 3


def test_faults_are_replaced_added_and_cleared(control: SandboxClient) -> None:
    control.faults([{"status": 500}, {"kind": "delay", "delay_ms": 5}])
    control.add_fault(status=502, nth=3)
    assert [(each["kind"], each["status"]) for each in control.fired()] == [
        ("status", 500),
        ("delay", 500),
        ("status", 502),
    ]
    control.faults([])
    assert control.fired() == []


@pytest.mark.parametrize(
    ("path", "body", "problem"),
    [
        ("faults", [{"kind": "explode"}], "kind"),
        ("faults", {"status": 200}, "status"),
        ("switches", {"nope": 1}, "nope: no such switch"),
        ("switches", [1], "valid dictionary"),
        ("clock", {"seconds": -1}, "seconds"),
        ("clock", {}, "seconds"),
        ("revoke", {"key": "x"}, "api_key"),
        ("lists", [{"id": "x"}], "name"),
        ("leave-list", {"list": NEWS, "email": "nobody@example.com"}, "no contact has that email or userId"),
    ],
)
def test_bad_commands_are_explained(server: SandboxServer, path: str, body: Any, problem: str) -> None:
    answer = httpx.post(server.base_url.replace("/api/v1", f"/_sandbox/{path}"), json=body, trust_env=False)
    assert answer.status_code == 400
    assert problem in answer.json()["error"]


@pytest.mark.parametrize("query", ["since=x", "limit=-1"])
def test_bad_queries_are_explained(server: SandboxServer, query: str) -> None:
    url = server.base_url.replace("/api/v1", f"/_sandbox/requests?{query}")
    assert "whole number" in httpx.get(url, trust_env=False).json()["error"]


def test_no_json_is_explained(server: SandboxServer) -> None:
    url = server.base_url.replace("/api/v1", "/_sandbox/clock")
    assert httpx.post(url, content=b"{", trust_env=False).json() == {"error": "the body is not JSON"}


def test_the_client_raises_what_the_sandbox_says(control: SandboxClient) -> None:
    with pytest.raises(SandboxControlError, match=r"/_sandbox/clock: 400 .*seconds"):
        control.move_clock(-1)


@pytest.mark.parametrize("path", ["/", "/api/v2/lists", "/_sandbox/nope"])
def test_other_paths_are_404_html(server: SandboxServer, path: str) -> None:
    answer = httpx.get(server.base_url.replace("/api/v1", path), trust_env=False)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_contact_found_over_http_as_without(http: httpx.Client) -> None:
    update(http, email=ADA, firstName="\udc00 lone half, ünïcode \U0001f600".replace("\udc00", "x"))
    assert find(http, email=ADA)["firstName"] == "x lone half, ünïcode \U0001f600"
