"""What people do: retry, replay, drop, pause, preview, look up."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from fakeredis import FakeRedis
from redis.exceptions import ResponseError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from segue_worker.dashboard.context import Dashboard
from segue_worker.dashboard.jobs import Job, Jobs
from segue_worker.observing.status import utc_text
from segue_worker.operating.retry_now import retry_all_now, waiting_retries
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.pause import Pause

from .conftest import EMAIL, KEYS, NOW_MS, HttpVisitor

Bury = Callable[..., DeadLetter]
Park = Callable[..., None]


def test_a_parked_contact_is_due_now_and_a_hint_is_wanted_once(redis: FakeRedis, park: Park) -> None:
    park("u1", due=NOW_MS + 60_000)
    park("u2", due=NOW_MS + 60_000)
    assert next(retry_all_now(redis, "loops", ["u1"], now_ms=NOW_MS)) == ("now", True)
    assert redis.zscore(KEYS.due, "u1") == NOW_MS - 9000, "where it waited before"
    assert redis.zscore(KEYS.away, "u1") is None
    assert next(retry_all_now(redis, "loops", ["u2"], now_ms=NOW_MS)) == ("now", False)


def test_one_that_waits_for_its_turn_already_keeps_its_place(redis: FakeRedis, park: Park) -> None:
    park("u1")
    redis.zrem(KEYS.away, "u1")
    redis.zadd(KEYS.due, {"u1": NOW_MS - 5000})
    assert next(retry_all_now(redis, "loops", ["u1"], now_ms=NOW_MS))[0] == "now"
    assert redis.zscore(KEYS.due, "u1") == NOW_MS - 5000


def test_a_claimed_contact_is_left_to_its_run(redis: FakeRedis, park: Park) -> None:
    park("u1", due=NOW_MS + 30_000, lease="owner:0")
    assert next(retry_all_now(redis, "loops", ["u1"], now_ms=NOW_MS)) == ("claimed", False)
    assert redis.zscore(KEYS.away, "u1") == NOW_MS + 30_000


def test_a_contact_that_is_not_parked_is_never_touched(redis: FakeRedis) -> None:
    redis.zadd(KEYS.away, {"u1": NOW_MS + 30_000})
    for contact in ("u1", "u2"):
        assert next(retry_all_now(redis, "loops", [contact], now_ms=NOW_MS)) == ("gone", False)
    assert redis.zrange(KEYS.away, 0, -1, withscores=True) == [(b"u1", NOW_MS + 30_000)]


@pytest.mark.parametrize("key", [KEYS.run, KEYS.paused])
def test_no_hint_while_a_run_is_alive_or_the_destination_held(redis: FakeRedis, park: Park, key: str) -> None:
    park("u1")
    redis.set(key, "x")
    assert next(retry_all_now(redis, "loops", ["u1"], now_ms=NOW_MS)) == ("now", False)


def test_the_longest_waiting_comes_first_with_what_waits_behind_it(redis: FakeRedis, park: Park) -> None:
    for place in (3, 1, 2):
        park(f"u{place}", since=NOW_MS - 9000 + place)
    redis.rpush(KEYS.outbox + "u2", "{}", "{}")
    redis.zadd(KEYS.away, {"not-parked": NOW_MS * 2})
    found = waiting_retries(redis, "loops")
    assert [(each.contact, each.since, each.behind) for each in found] == [
        ("u1", NOW_MS - 8999, 0),
        ("u2", NOW_MS - 8998, 2),
        ("u3", NOW_MS - 8997, 0),
    ]


def test_one_whose_outbox_is_damaged_hides_no_other(redis: FakeRedis, park: Park) -> None:
    park("u1")
    park("u2")
    redis.delete(KEYS.outbox + "u1")
    redis.set(KEYS.outbox + "u1", "no list")
    assert {each.contact for each in waiting_retries(redis, "loops")} == {"u1", "u2"}
    redis.delete(KEYS.away)
    redis.set(KEYS.away, "no set")
    with pytest.raises(ResponseError):
        waiting_retries(redis, "loops")


async def test_a_row_says_since_when_why_how_often_when_next_and_what_is_behind(
    visitor: HttpVisitor, redis: FakeRedis, park: Park
) -> None:
    park("u1", due=NOW_MS * 2, since=NOW_MS - 7_200_000, because='503 {"message":"Service Unavailable"}')
    park("u2", due=NOW_MS - 1, since=NOW_MS - 60_000)
    redis.rpush(KEYS.outbox + "u1", "{}")
    rows = re.findall(r'<tr role="row" id="retry-\w+">(.*?)</tr>', (await visitor.get("/retries")).text, re.DOTALL)
    first, second = (" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows)
    assert first.startswith("u••• 2 h 0 min ago 503 Service Unavailable /events/send Send events 3 in ")
    assert first.endswith("UTC 1 Retry now")
    assert second == "u••• 1 min ago 503 /events/send Send events 3 when it is its turn 0 Retry now"
    await visitor.post("/pause/loops", {})
    assert (await visitor.get("/retries")).text.count("once resumed") == 2


async def test_retry_now_from_the_list(visitor: HttpVisitor, redis: FakeRedis, park: Park, hints: list[str]) -> None:
    park("u1")
    handle = _value((await visitor.get("/retries")).text, "handle")
    answer = await visitor.post("/retries/now", {"destination": "loops", "only": handle})
    assert answer.headers["location"] == "/retries?destination=loops&now=1"
    assert "1 request will be sent now." in (await visitor.get(answer.headers["location"])).text
    assert hints == ["loops"]
    assert redis.zscore(KEYS.due, "u1")
    answer = await visitor.post("/retries/now", {"destination": "loops", "only": "0" * 32})
    assert answer.headers["location"] == "/retries?destination=loops&gone=1"
    assert (await visitor.get("/retries?now=²&gone=99999999999")).status_code == 200


async def test_those_chosen_are_retried_and_no_others(
    visitor: HttpVisitor, redis: FakeRedis, park: Park, hints: list[str], dashboard: Dashboard
) -> None:
    for name in ("u1", "u2", "u3"):
        park(name)
    park("u4", due=NOW_MS * 2, lease="owner:0")
    handles = {name: dashboard.sessions.handle("loops", name) for name in ("u1", "u3", "u4")}
    await visitor.get("/retries")
    answer = await visitor.post("/retries/now", {"destination": "loops", "handle": [*handles.values(), "unknown"]})
    assert answer.headers["location"] == "/retries?destination=loops&now=2&claimed=1&gone=1"
    said = (await visitor.get(answer.headers["location"])).text
    assert (
        "2 requests will be sent now. Already being attempted: 1 request. No longer waiting (sent or given up): 1 request."
        in said
    )
    assert redis.zrange(KEYS.due, 0, -1) == [b"u1", b"u3"]
    assert hints == ["loops"]
    answer = await visitor.post("/retries/now", {"destination": "loops"})
    assert answer.headers["location"] == "/retries?destination=loops"


async def test_all_are_retried_with_progress(
    visitor: HttpVisitor, redis: FakeRedis, park: Park, dashboard: Dashboard
) -> None:
    for number in range(450):
        park(f"u{number}")
    await visitor.get("/retries")
    answer = await visitor.post("/retries/now", {"destination": "loops", "all": "1"})
    job = await finished(visitor, dashboard, answer)
    assert (dict(job.counts), job.total) == ({"now": 450}, 450)
    text = (await visitor.get(answer.headers["location"])).text
    assert "<b>450</b> will be sent now" in text
    assert "Back to the retries" in text
    assert redis.zcard(KEYS.due) == 450


async def test_all_that_wait_at_a_destination_are_reached_page_by_page(
    visitor: HttpVisitor, park: Park, dashboard: Dashboard
) -> None:
    for number in range(230):
        park(f"u{number}", since=NOW_MS - number)
    seen: list[str] = []
    for page in (1, 2, 3):
        seen += re.findall(r'id="retry-(\w+)"', (await visitor.get(f"/retries?page={page}")).text)
    assert seen == [dashboard.sessions.handle("loops", f"u{number}") for number in reversed(range(230))]


async def test_while_paused_retry_now_says_when_it_will_be(visitor: HttpVisitor, park: Park) -> None:
    park("u1")
    await visitor.post("/pause/loops", {"reason": "a reason"})
    handle = _value((await visitor.get("/retries")).text, "handle")
    answer = await visitor.post("/retries/now", {"destination": "loops", "only": handle})
    assert "as soon as the destination is resumed" in (await visitor.get(answer.headers["location"])).text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"a", "b", "c"}),
        ("reason=expired", {"b"}),
        ("event=Ordered", {"c"}),
        ("mapping=Send+events", {"b"}),
        ("since=1h", {"a", "c"}),
        ("reason=refused&since=1h&event=Signed+Up", {"a"}),
    ],
)
async def test_filters(visitor: HttpVisitor, bury: Bury, query: str, expected: set[str]) -> None:
    letters = {
        "a": bury(),
        "b": bury(reason="expired", at=NOW_MS - 2 * 3_600_000, mappings=("Send events",)),
        "c": bury(event="Ordered"),
    }
    text = (await visitor.get(f"/dead?{query}")).text
    assert {name for name, letter in letters.items() if letter.id in text} == expected


async def test_a_filter_that_makes_no_sense_is_named(visitor: HttpVisitor, bury: Bury) -> None:
    bury()
    answer = await visitor.get("/dead?since=yesterdayish")
    assert answer.status_code == 200
    assert "write a span of time" in answer.text
    assert (await visitor.post("/dead/confirm", _everything("replay", since="yesterdayish"))).status_code == 400


async def test_chosen_letters_are_replayed_after_a_question(
    visitor: HttpVisitor, redis: FakeRedis, bury: Bury, dashboard: Dashboard, hints: list[str]
) -> None:
    chosen, other = bury(contact="u1"), bury(contact="u2")
    fields = {"destination": "loops", "what": "replay", "id": chosen.id}
    question = await visitor.post("/dead/confirm", fields)
    assert "Replay <b>1</b> dead letter of" in question.text
    assert redis.hlen(KEYS.dead) == 2
    job = await finished(visitor, dashboard, await visitor.post("/dead/start", fields_of(question.text)))
    assert dict(job.counts) == {"replayed": 1}
    assert redis.hkeys(KEYS.dead) == [other.id.encode()]
    (entry,) = redis.lrange(KEYS.outbox + "u1", 0, -1)
    assert json.loads(entry)["replay"] == chosen.id
    assert hints == ["loops"]


async def test_all_that_match_are_dropped_but_none_that_died_since(
    visitor: HttpVisitor, redis: FakeRedis, bury: Bury, dashboard: Dashboard
) -> None:
    bury(at=NOW_MS - 10)
    kept = bury(reason="expired")
    question = await visitor.post("/dead/confirm", _everything("drop", reason="refused", since="1h"))
    late = bury(at=NOW_MS + 10)
    job = await finished(visitor, dashboard, await visitor.post("/dead/start", fields_of(question.text)))
    assert dict(job.counts) == {"deleted": 1}
    assert set(redis.hkeys(KEYS.dead)) == {kept.id.encode(), late.id.encode()}


async def test_what_cannot_be_replayed_is_named(visitor: HttpVisitor, bury: Bury, dashboard: Dashboard) -> None:
    letter = bury(mappings=("No longer there",))
    assert "no mapping &#39;No longer there&#39;" in (await visitor.get(f"/dead/loops/{letter.id}")).text
    question = await visitor.post("/dead/confirm", _everything("replay"))
    answer = await visitor.post("/dead/start", fields_of(question.text))
    job = await finished(visitor, dashboard, answer)
    assert dict(job.counts) == {"refused": 1}
    assert "No longer there" in (await visitor.get(answer.headers["location"])).text


async def test_letters_that_are_gone_are_no_error(visitor: HttpVisitor, redis: FakeRedis, bury: Bury) -> None:
    letter = bury()
    fields = {"destination": "loops", "what": "drop", "id": letter.id}
    redis.delete(KEYS.dead, KEYS.dead_at)
    assert "those that were chosen no longer exist" in (await visitor.post("/dead/confirm", fields)).text
    assert (await visitor.get(f"/dead/loops/{letter.id}")).status_code == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"what": "burn"},
        {"what": "drop", "until": "soon"},
        {"what": "drop", "until": "²"},
        {"what": "drop", "until": "9" * 5000},
        {"what": "drop", "destination": "elsewhere"},
    ],
)
async def test_a_form_that_means_nothing_does_nothing(
    visitor: HttpVisitor, redis: FakeRedis, bury: Bury, fields: dict[str, str]
) -> None:
    bury()
    answer = await visitor.post("/dead/start", {"destination": "loops", **fields})
    assert answer.status_code in {400, 404}
    assert redis.hlen(KEYS.dead) == 1


def test_a_job_that_breaks_off_says_so_without_details(caplog: pytest.LogCaptureFixture) -> None:
    def work() -> Any:
        yield "replayed", 1, None
        raise ConnectionError("redis://user:password@host")

    jobs = Jobs()
    job = Job("replay", "loops", 2)
    with caplog.at_level("CRITICAL"):
        jobs._run(job, work)
    assert (job.done, job.finished, job.error) == (1, True, "ConnectionError")


async def test_pause_and_resume(visitor: HttpVisitor, redis: FakeRedis, hints: list[str]) -> None:
    await visitor.post("/pause/loops", {"reason": "new key <soon>"})
    pause = Pause.from_json(redis.get(KEYS.paused) or b"")
    assert (pause.reason, pause.next_probe, pause.until) == ("new key <soon>", None, None)
    assert "new key &lt;soon&gt;" in (await visitor.get("/")).text
    await visitor.post("/resume/loops", {})
    assert not redis.exists(KEYS.paused)
    assert hints == ["loops"]
    assert (await visitor.post("/pause/elsewhere", {})).status_code == 404


async def test_a_pause_for_a_while_says_until_when(visitor: HttpVisitor, redis: FakeRedis) -> None:
    answer = await visitor.post("/pause/loops", {"reason": "a look <around>", "for": "soon"})
    assert "“For”: not a duration" in answer.text
    assert 'value="a look &lt;around&gt;"' in answer.text
    assert not redis.exists(KEYS.paused)
    await visitor.post("/pause/loops", {"reason": "a look around", "for": "30m"})
    until = Pause.from_json(redis.get(KEYS.paused) or b"").until
    assert until is not None
    assert f'until <time datetime="{utc_text(until)}">' in (await visitor.get("/")).text
    assert "It resumes by itself" in (await visitor.get("/pause/loops")).text


async def test_an_event_is_previewed(visitor: HttpVisitor) -> None:
    await visitor.get("/mappings")
    event = json.dumps({"type": "identify", "userId": "u1", "traits": {"email": EMAIL}})
    text = (await visitor.post("/mappings/preview", {"destination": "loops", "event": event})).text
    assert "PUT /contacts/update" in text
    assert "the mapping is disabled" in text
    text = (await visitor.post("/mappings/preview", {"destination": "loops", "event": "[1]"})).text
    assert "this is a list" in text.lower()


async def test_how_often_each_mapping_fired(visitor: HttpVisitor, redis: FakeRedis) -> None:
    redis.hset(KEYS.measures, mapping={"mapped": 1234, "fired:Sync contacts": 1000, "failed:Sync contacts": 4})
    text = (await visitor.get("/mappings")).text
    assert re.findall(r'class="number">([\d,]+)<', text)[:3] == ["1,000", "230", "4"]


async def test_a_messageid_is_looked_up(visitor: HttpVisitor, bury: Bury) -> None:
    letter = bury()
    await visitor.get("/lookup")
    assert letter.id in (await visitor.post("/lookup", {"query": "m1"})).text
    assert "Nothing was found" in (await visitor.post("/lookup", {"query": "m2"})).text


async def test_so_is_one_of_many_that_a_letter_names_but_does_not_hold_by_itself(
    visitor: HttpVisitor, bury: Bury
) -> None:
    ids = tuple(f"late-{number}" for number in range(100))
    letter = bury(reason="invalid", contact="", message_ids=("refused-0", *ids), events=("[]",))
    await visitor.get("/lookup")
    for name in ids[::33]:
        text = (await visitor.post("/lookup", {"query": name})).text
        assert letter.id in text
        assert "refused-0" not in text


def _everything(what: str, **chosen: str) -> dict[str, str]:
    return {"destination": "loops", "what": what, "everything": "1", **chosen}


def _value(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    assert found
    return found.group(1)


def fields_of(text: str) -> dict[str, str]:
    """The hidden fields of the page's own form."""
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text.split("<main", 1)[1]))


async def test_a_form_that_is_sent_again_says_that_its_letters_are_gone(
    visitor: HttpVisitor, dashboard: Dashboard, bury: Callable[..., DeadLetter]
) -> None:
    letter = bury()
    fields = {"destination": "loops", "what": "drop", "id": letter.id, "until": str(NOW_MS)}
    assert (await finished(visitor, dashboard, await visitor.post("/dead/start", fields))).counts == {"deleted": 1}
    for what in ("drop", "replay"):
        answer = await visitor.post("/dead/start", {**fields, "what": what})
        job = await finished(visitor, dashboard, answer)
        assert (job.counts, job.done, job.total) == ({"gone": 1}, 1, 1)
        assert "<b>1</b> no longer existed" in (await visitor.get(answer.headers["location"])).text


async def finished(visitor: HttpVisitor, dashboard: Dashboard, answer: Any) -> Job:
    assert answer.status_code == 303
    job = dashboard.jobs.find(answer.headers["location"].removeprefix("/jobs/"))
    assert job is not None

    @retry(
        retry=retry_if_exception_type(AssertionError), stop=stop_after_delay(10), wait=wait_fixed(0.01), reraise=True
    )
    def over() -> None:
        assert job.finished

    over()
    assert "Finished." in (await visitor.get(answer.headers["location"])).text
    return job
