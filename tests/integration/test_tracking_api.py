"""The Tracking API with a real Redis: what it takes, what it refuses, and what it survives."""

import gzip
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import redis

from segue_producer import Producer
from segue_producer.entries import read_source, read_stamp, source_of
from segue_producer.keys import TRACKING_TOTALS, Keys
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.observing.metrics.exposition import render
from segue_worker.observing.trace import read_trails
from segue_worker.operating.dead_letters import replay
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.entry import read_entry
from segue_worker.outbox.outbox import digest

from .stack import KEYS, wait_until
from .tracking import PUBLIC_KEY, WRITE_KEY, TrackingApiProcess, write_config

TRACK = {"type": "track", "userId": "u1", "event": "E"}
SUCCESS = (200, b'{"success":true}')


@pytest.fixture(scope="module")
def api(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingApiProcess]:
    config = write_config(tmp_path_factory.mktemp("tracking"), "loops", "second")
    with TrackingApiProcess(config, redis_server.url) as process:
        yield process


@pytest.fixture
def store(redis_server: EmbeddedRedis) -> Iterator["redis.Redis"]:
    with closing(redis.Redis.from_url(redis_server.url)) as client:
        client.flushall()
        yield client


@pytest.fixture
def client(api: TrackingApiProcess, store: "redis.Redis") -> Iterator[httpx.Client]:
    del store
    with api.client() as client:
        yield client


def waiting(store: "redis.Redis", contact: str = "u1", destination: str = "loops") -> list[dict[str, Any]]:
    entries = store.lrange(Keys(destination).outbox + contact, 0, -1)
    return [json.loads(read_source(read_stamp(entry)[0])[0]) for entry in entries if isinstance(entry, bytes)]


def outcome(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an error, which has a message too."""
    body = answer.json()
    assert body["message"]
    assert body["success"] is False
    return answer.status_code, body["code"]


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch", "/v1/batch/"])
def test_a_batch_is_in_the_outbox_of_every_destination_when_it_is_answered(
    client: httpx.Client, store: "redis.Redis", path: str
) -> None:
    ids = [str(number) for number in range(300)]
    answer = client.post(path, json={"batch": [{**TRACK, "messageId": each} for each in ids]})
    assert (answer.status_code, answer.content) == SUCCESS
    for destination in ("loops", "second"):
        assert [event["messageId"] for event in waiting(store, destination=destination)] == ids


@pytest.mark.parametrize("path", ["/v1/identify", "/v1/i", "/v1/track", "/v1/t/"])
def test_a_single_event_has_the_type_of_its_path(client: httpx.Client, store: "redis.Redis", path: str) -> None:
    answer = client.post(path, json={"userId": "u1", "event": "E", "type": "page"})
    assert (answer.status_code, answer.content) == SUCCESS
    assert waiting(store)[0]["type"] == ("identify" if path.startswith("/v1/i") else "track")


@pytest.mark.parametrize("name", ["page", "screen", "group", "alias", "p", "s", "g", "a"])
def test_calls_without_an_action_are_dropped(client: httpx.Client, store: "redis.Redis", name: str) -> None:
    answer = client.post(f"/v1/{name}", json={"userId": "u1"})
    assert answer.status_code == 200
    assert sum(answer.json()["dropped"].values()) == 1
    assert not store.exists(KEYS.pending)


@pytest.mark.parametrize(
    "request_with_key",
    [
        {"auth": (WRITE_KEY, "")},
        {"headers": {"Authorization": f"Bearer {WRITE_KEY}"}},
        {"params": {"writeKey": WRITE_KEY}},
        {"json": {"writeKey": WRITE_KEY, "batch": [TRACK]}},
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_the_key_may_be_anywhere_and_the_content_type_anything(
    api: TrackingApiProcess, store: "redis.Redis", request_with_key: dict[str, Any], content_type: str
) -> None:
    given = {**request_with_key}
    body = gzip.compress(json.dumps(given.pop("json", {"batch": [TRACK]})).encode())
    headers = {**given.pop("headers", {}), "Content-Type": content_type, "Content-Encoding": "gzip"}
    answer = httpx.post(f"{api.url}/v1/batch", content=body, headers=headers, trust_env=False, **given)
    assert (answer.status_code, answer.content) == SUCCESS
    assert len(waiting(store)) == 1
    assert "writeKey" not in waiting(store)[0]


def test_one_bad_event_does_not_fail_its_batch_mates(tmp_path: Path) -> None:
    bad = {**TRACK, "userId": {"email": "ada@example.com"}, "messageId": "bad"}
    batch = [{**TRACK, "messageId": "a"}, bad, {"type": "page"}, {**TRACK, "messageId": "b"}]
    # A Redis of its own: other processes write their counts when they come to it.
    with EmbeddedRedis() as server, closing(redis.Redis.from_url(server.url)) as store:
        with TrackingApiProcess(write_config(tmp_path), server.url) as api, api.client() as client:
            answer = client.post("/v1/batch", json={"batch": batch})
        assert [event["messageId"] for event in waiting(store)] == ["a", "b"]
        counted = store.hgetall(TRACKING_TOTALS)
        (trail,) = read_trails(store, "loops", "bad")
        assert (trail.outcome, trail.source) == ("dead", source_of(WRITE_KEY))
        letter_id = trail.steps[-1].details["letter"].encode()
        letter = DeadLetter.from_json(store.hget(KEYS.dead, letter_id) or b"")
        assert (letter.reason, letter.detail) == ("invalid", "userId: must be text or a number")
        assert json.loads(letter.events[0]) == bad
        metrics = render(store, ["loops"]).decode()
        assert 'segue_rejected_events_total{destination="loops",reason="malformed"} 1.0' in metrics
    reason = "userId: must be text or a number"
    rejected = {"index": 1, "messageId": "bad", "code": "invalid_event", "message": reason}
    assert answer.json() == {"success": True, "accepted": 2, "dropped": {"page": 1}, "rejected": [rejected]}
    assert counted == {b"requests": b"1", b"accepted": b"2", b"dropped_page": b"1", b"rejected": b"1"}
    assert any("Rejected events" in line for line in api.said)
    assert not any("example.com" in line for line in api.said)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"url": "/v1/batch", "content": b"{"}, (400, "invalid_json")),
        ({"url": "/v1/batch", "json": {}}, (400, "invalid_batch")),
        ({"url": "/v1/track", "json": {**TRACK, "properties": {"text": "x" * 40_000}}}, (400, "event_too_large")),
        ({"url": "/v1/track", "content": '{"userId": "é", "event": "E"}'.encode("latin-1")}, (400, "invalid_json")),
        ({"url": "/v1/track", "content": json.dumps(TRACK).encode("utf-16")}, (400, "invalid_json")),
        ({"url": "/v1/batch", "content": b"[" * 400_000}, (400, "invalid_json")),
        ({"url": "/v1/batch", "content": b"x" * 10_000_000}, (413, "payload_too_large")),
        ({"url": "/v1/track", "json": TRACK, "auth": ("wrong", "")}, (401, "invalid_write_key")),
        ({"url": "/v1/track", "json": TRACK, "auth": ("", "")}, (401, "invalid_write_key")),
        ({"url": "/v1/nothing", "json": TRACK}, (404, "not_found")),
        ({"url": "/", "json": TRACK}, (404, "not_found")),
    ],
)
def test_every_error_has_a_code_and_a_message(
    client: httpx.Client, store: "redis.Redis", request_: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert outcome(client.post(**request_)) == expected
    assert not store.exists(KEYS.pending)


def test_another_method_is_refused_and_the_right_one_named(client: httpx.Client) -> None:
    answer = client.get("/v1/batch")
    assert (*outcome(answer), answer.headers["Allow"]) == (405, "method_not_allowed", "POST")


def test_no_web_page_may_send_unless_its_origin_is_allowed(api: TrackingApiProcess, tmp_path: Path) -> None:
    asked = {"Origin": "https://www.example.com", "Access-Control-Request-Method": "POST"}
    headers = {**asked, "Access-Control-Request-Headers": "authorization,content-type,x-retry-count"}
    assert httpx.options(f"{api.url}/v1/t", headers=headers, trust_env=False).status_code == 405
    with api.client() as client:
        plain = {"Content-Type": "text/plain", "Origin": "https://www.example.com"}
        assert outcome(client.post("/v1/t", json=TRACK, headers=plain)) == (403, "origin_not_allowed")
    redis_url = "redis://127.0.0.1:9/0"
    option = ("--cors-origin", "https://www.example.com")
    with TrackingApiProcess(write_config(tmp_path), redis_url, *option) as open_api, open_api.client() as client:
        answer = client.options("/v1/t", headers=headers)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "https://www.example.com"
        assert answer.headers["Access-Control-Allow-Headers"] == "authorization,content-type,x-retry-count"
        refused = client.post("/v1/t", content=b"{", headers={"Origin": "https://www.example.com"})
        assert refused.headers["Access-Control-Allow-Origin"] == "https://www.example.com"
        # A page's text/plain comes without being asked about first.
        plain = {"Content-Type": "text/plain", "Origin": "https://other.example.com"}
        assert outcome(client.post("/v1/t", json=TRACK, headers=plain)) == (403, "origin_not_allowed")
        stranger = client.options("/v1/t", headers={**headers, "Origin": "https://other.example.com"})
        assert "Access-Control-Allow-Origin" not in stranger.headers


def test_a_full_outbox_is_answered_with_when_to_come_again(client: httpx.Client, store: "redis.Redis") -> None:
    for name in ("loops", "second"):
        store.hset(Keys(name).settings, "max_pending", 1)
    answer = client.post("/v1/batch", json={"batch": [TRACK, TRACK]})
    assert (*outcome(answer), answer.headers["Retry-After"]) == (503, "outbox_full", "30")
    assert client.post("/v1/track", json=TRACK).status_code == 200


def test_a_full_destination_is_kept_what_it_is_owed_while_another_takes_it(
    client: httpx.Client, store: "redis.Redis"
) -> None:
    store.hset(Keys("second").settings, "max_pending", 1)
    batch = {"batch": [{**TRACK, "messageId": "a"}, {**TRACK, "messageId": "b"}]}
    for _ in range(3):
        answer = client.post("/v1/batch", json=batch)
        assert (answer.status_code, answer.content) == SUCCESS
    assert [event["messageId"] for event in waiting(store)] == ["a", "b"]
    letters = [DeadLetter.from_json(raw) for raw in store.hvals(Keys("second").dead)]
    assert sorted((letter.reason, letter.message_ids, letter.contact) for letter in letters) == [
        ("full", ("a",), "u1"),
        ("full", ("b",), "u1"),
    ]
    (trail,) = read_trails(store, "second", "a")
    assert trail.outcome == "dead"
    store.delete(Keys("second").settings)
    replayed = replay(store, "second", letters, send_hint=lambda _: None)
    assert [each.outcome for each in replayed] == ["replayed", "replayed"]
    assert len(store.lrange(Keys("second").outbox + "u1", 0, -1)) == 2


def test_ids_are_exact_and_one_person_is_one_contact(client: httpx.Client, store: "redis.Redis") -> None:
    ids = ["9007199254740992", "9007199254740993", "777", "777.0", '"777"']
    events = ",".join(f'{{"type":"identify","userId":{each},"messageId":"m{each.strip(chr(34))}"}}' for each in ids)
    assert client.post("/v1/batch", content=f'{{"batch":[{events}]}}'.encode()).status_code == 200
    assert client.post("/v1/i", content=b'{"userId":777}').status_code == 200
    contacts = {key.decode().rpartition(":")[2] for key in store.keys(KEYS.outbox + "*") if isinstance(key, bytes)}
    assert contacts == {"9007199254740992", "9007199254740993", "777"}
    assert {event["userId"] for event in waiting(store, "777")} == {"777"}
    assert len(waiting(store, "777")) == 4


def test_a_public_key_cannot_silence_the_backend_nor_flood_dead_letters(
    client: httpx.Client, store: "redis.Redis", redis_server: EmbeddedRedis
) -> None:
    page: dict[str, Any] = {"params": {"writeKey": PUBLIC_KEY}, "auth": None}
    early = {**TRACK, "userId": "u777", "messageId": "registered-u777"}
    assert client.post("/v1/t", json=early, **page).status_code == 200
    Producer(redis_server.url).track("u777", "Registered", message_id="registered-u777")
    entries = [read_entry(each) for each in store.lrange(KEYS.outbox + "u777", 0, -1) if isinstance(each, bytes)]
    assert [entry.source for entry in entries] == [source_of(PUBLIC_KEY), ""]
    assert len({digest(entry.identity) for entry in entries}) == 2
    assert client.post("/v1/b", json={"batch": [{"type": "group"}, {"type": "page"}]}, **page).json()["accepted"] == 0
    flood = [{"type": "track", "messageId": str(number)} for number in range(1000)]
    assert len(client.post("/v1/b", json={"batch": flood}, **page).json()["rejected"]) == 1000
    assert store.hlen(KEYS.dead) == 100


def test_everything_that_a_batch_has_too_many_is_kept_and_found(client: httpx.Client, store: "redis.Redis") -> None:
    late = [{**TRACK, "messageId": each, "writeKey": WRITE_KEY} for each in ("late-1", "late-2", 77, "\ud800abc")]
    # A batch of so many fits into a body only where its events are short.
    batch = [{"type": "track", "userId": "u", "event": "E"}] * 2500
    answer = client.post("/v1/batch", content=json.dumps({"batch": [*batch, *late]}))
    assert (answer.status_code, answer.json()["accepted"]) == (200, 2500)
    for name in ("late-1", "late-2", "77", "\ufffdabc"):
        (trail,) = read_trails(store, "loops", name)
        assert (trail.outcome, trail.steps[-1].details["reason"]) == ("dead", "invalid")
    (raw,) = store.hvals(KEYS.dead)
    assert WRITE_KEY not in str(raw)
    assert len(json.loads(DeadLetter.from_json(raw).events[0])) == len(late)


def test_events_that_are_nested_too_deep_are_all_kept(client: httpx.Client, store: "redis.Redis") -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    batch = [{"type": "track", "userId": name, "event": "E", "properties": deep} for name in ("u1", "u2", "u3")]
    answer = client.post("/v1/batch", json={"batch": batch})
    ids = [each["messageId"] for each in answer.json()["rejected"]]
    assert len(set(ids)) == len(ids) == store.hlen(KEYS.dead) == 3
    letters = [DeadLetter.from_json(raw) for raw in store.hvals(KEYS.dead)]
    assert sorted(letter.contact for letter in letters) == ["u1", "u2", "u3"]


def test_redis_goes_away_and_comes_back(tmp_path: Path) -> None:
    with (
        EmbeddedRedis() as server,
        TrackingApiProcess(write_config(tmp_path), server.url) as api,
        api.client() as client,
    ):
        assert client.post("/v1/track", json={**TRACK, "messageId": "before"}).status_code == 200
        assert client.get("/readyz").status_code == 200
        server.kill()
        answer = client.post("/v1/track", json={**TRACK, "messageId": "meanwhile"})
        assert (*outcome(answer), answer.headers["Retry-After"]) == (503, "outbox_unavailable", "5")
        assert outcome(client.get("/readyz")) == (503, "outbox_unavailable")
        assert client.get("/healthz").status_code == 200
        server.start()
        wait_until(lambda: client.get("/readyz").status_code == 200)
        assert client.post("/v1/track", json={**TRACK, "messageId": "after"}).status_code == 200
        with closing(redis.Redis.from_url(server.url)) as store:
            assert [event["messageId"] for event in waiting(store)] == ["before", "after"]


def test_stopping_drops_no_accepted_event(redis_server: EmbeddedRedis, store: "redis.Redis", tmp_path: Path) -> None:
    accepted: list[str] = []
    api = TrackingApiProcess(write_config(tmp_path), redis_server.url)

    def send(worker: int) -> None:
        with api.client() as client:
            for number in range(100_000):
                name = f"{worker}-{number}"
                try:
                    answer = client.post("/v1/track", json={**TRACK, "messageId": name})
                except httpx.TransportError:
                    return
                assert answer.status_code == 200
                accepted.append(name)

    with ThreadPoolExecutor(8) as pool:
        senders = [pool.submit(send, number) for number in range(8)]
        wait_until(lambda: len(accepted) > 100)
        exit_code = api.stop()
        for sender in senders:
            sender.result()
    assert exit_code == 0
    assert set(accepted) <= {event["messageId"] for event in waiting(store)}


def test_hostile_clients_do_not_make_it_grow(api: TrackingApiProcess, client: httpx.Client) -> None:
    gzipped = {"Content-Encoding": "gzip"}
    bomb = gzip.compress(b"\0" * 400_000_000, 1)[:400_000]
    deep = b'{"batch": [' + b'{"a":' * 80_000 + b"1" + b"}" * 80_000 + b"]}"
    wide = json.dumps({"context": {"a": "x" * 30_000}, "batch": [{"type": "track"}] * 10_000}).encode()
    hostile: list[tuple[bytes, dict[str, str]]] = [(b"x" * 10_000_000, {}), (bomb, gzipped), (deep, {}), (wide, {})]
    for content, headers in hostile:
        client.post("/v1/batch", content=content, headers=headers)
    before = api.peak_memory_mb
    address = ("127.0.0.1", urlsplit(api.url).port)
    with ThreadPoolExecutor(16) as pool:
        sent = [pool.submit(client.post, "/v1/batch", content=each, headers=head) for each, head in hostile * 16]
        idle = [socket.create_connection(address) for _ in range(200)]
        statuses = {each.result().status_code for each in sent}
        for connection in idle:
            connection.close()
    assert statuses <= {200, 400, 413}
    assert api.peak_memory_mb - before < 64
    assert client.get("/healthz").status_code == 200


def test_its_page_needs_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/docs").text
    assert "/v1/batch" in page
    assert "http:" not in page
    assert "https:" not in page
    assert client.get("/openapi.json").json()["paths"].keys() >= {"/v1/batch", "/v1/track", "/readyz"}
