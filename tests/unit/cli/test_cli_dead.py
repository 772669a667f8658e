"""`segue dead`."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from segue_producer.keys import DESTINATIONS, Keys
from segue_producer.values import write_json
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.cli import segue
from segue_worker.cli.dead import SHOWN
from segue_worker.outbox.dead_letter import DeadLetter

KEYS = Keys("loops")
PRIVATE = "a value of the event"
CONFIG = "destinations:\n  - {name: loops, api_key: '${LOOPS_API_KEY}'}\n"
Run = Callable[..., Result]
Bury = Callable[..., DeadLetter]


@pytest.fixture
def redis(redis_server: EmbeddedRedis) -> Iterator["Redis"]:
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
        client.hset(DESTINATIONS, "loops", 1)
        yield client


@pytest.fixture
def run(redis_server: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `segue dead` in an empty directory."""
    monkeypatch.chdir(tmp_path)
    environ = {
        "SEGUE_REDIS_URL": redis_server.url,
        "SEGUE_BROKER_URL": None,
        "SEGUE_CONFIG": None,
        "LOOPS_API_KEY": "sk-test-api-key",
    }

    def invoke(*arguments: str, answer: str = "") -> Result:
        return CliRunner().invoke(segue, ["dead", *arguments], env=environ, input=answer)

    return invoke


@pytest.fixture
def bury(redis: "Redis") -> Bury:
    """Record a dead letter of a track event."""

    def record(message_id: str = "m1", *, destination: str = "loops", **fields: Any) -> DeadLetter:
        event = {"type": "track", "userId": "u1", "event": "Signed Up", "messageId": message_id, "note": PRIVATE}
        chosen: dict[str, Any] = {
            "reason": "refused",
            "detail": "Loops answered 400",
            "contact": "u1",
            "mappings": ("Send events",),
            "message_ids": (message_id,),
            "events": (json.dumps(event),),
            "request": {"method": "POST", "path": "/events/send", "body": json.dumps({"note": PRIVATE})},
            "answer": {"status": 400, "text": "no"},
            "attempts": 2,
            "first_attempt": 1_700_000_000_000,
            "at": int(time.time() * 1000),
            **fields,
        }
        letter = DeadLetter(**chosen)
        keys = Keys(destination)
        redis.hset(keys.dead, letter.id, letter.to_json())
        redis.zadd(keys.dead_at, {letter.id: letter.at})
        return letter

    return record


def ids(result: Result) -> list[str]:
    assert result.exit_code == 0, result.stderr
    return [letter["id"] for letter in json.loads(result.stdout)]


def test_a_list_explains_each_letter_and_shows_no_body(run: Run, bury: Bury) -> None:
    letter = bury()
    (said,) = json.loads(run("list", "--json").stdout)
    assert said.pop("at").endswith("Z")
    assert said == {
        "id": letter.id,
        "destination": "loops",
        "reason": "refused",
        "detail": "Loops answered 400",
        "status": 400,
        "attempts": 2,
        "contact": "u•••",
        "mappings": ["Send events"],
        "messageIds": ["m1"],
    }
    table = run("list", "loops")
    assert table.exit_code == 0
    assert all(text in table.stdout for text in (letter.id, "refused", "u•••", "Send events", "Loops answered 400"))
    assert PRIVATE not in table.output + run("list", "--json").output


def test_a_list_reveals_contacts_and_what_answers_quote_where_that_is_asked_for(run: Run, bury: Bury) -> None:
    bury(contact="user-4711", detail="Loops answered 400 user-4711 is unknown")
    for options in ((), ("--json",)):
        assert "user-4711" not in run("list", *options).stdout
        assert run("list", "--reveal", *options).stdout.count("user-4711") == 2


def test_each_filter_narrows_the_list(run: Run, bury: Bury) -> None:
    old = bury("old", at=1_700_000_000_000)
    other = bury("other", reason="expired", contact="ada@example.com", mappings=("Sync contacts",), events=("{}",))
    new = bury("new", at=other.at + 1)
    everything = run("list", "--json")
    assert ids(everything) == [old.id, other.id, new.id]
    for options, expected in {
        ("--reason", "expired"): [other],
        ("--since", "2h"): [other, new],
        ("--since", "2020-01-01"): [old, other, new],
        ("--event", "Signed Up"): [old, new],
        ("--contact", "Ada@example.com"): [other],
        ("--mapping", "Sync contacts"): [other],
        ("--limit", "2"): [old, other],
        ("--since", "2h", "--event", "Signed Up"): [new],
    }.items():
        assert ids(run("list", "--json", *options)) == [letter.id for letter in expected], options


def test_an_empty_list_is_data_too(run: Run, redis: "Redis") -> None:
    assert redis.exists(KEYS.dead) == 0
    assert json.loads(run("list", "--json").stdout) == []
    result = run("list")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "loops: there are no dead letters\n")
    assert run("list", "--reason", "refused").stderr == "loops: no dead letter matches\n"


def test_a_long_table_says_that_there_is_more(run: Run, bury: Bury) -> None:
    for place in range(SHOWN + 1):
        bury(f"m{place}")
    result = run("list")
    assert len(result.stdout.splitlines()) == SHOWN + 1
    assert "the oldest 100 are shown" in result.stderr
    assert len(run("list", "--limit", "150").stdout.splitlines()) == SHOWN + 2


@pytest.mark.parametrize("command", ["list", "replay", "drop"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "yesterday"], "like 2h or 7d, or a date and time"),
        (["lops", "--reason", "refused"], "There is no destination 'lops'; there are: loops"),
    ],
)
@pytest.mark.usefixtures("redis")
def test_a_wrong_word_is_bad_usage(run: Run, command: str, arguments: list[str], said: str) -> None:
    result = run(command, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_a_destination_must_be_named_where_there_are_several(run: Run, redis: "Redis", bury: Bury) -> None:
    redis.hset(DESTINATIONS, "beta", 1)
    letter = bury(destination="beta")
    result = run("list", "--json")
    assert (result.exit_code, result.stderr) == (2, "Name the destination; there are: beta, loops\n")
    assert ids(run("list", "beta", "--json")) == [letter.id]
    assert json.loads(run("show", letter.id, "--json").stdout)[0]["destination"] == "beta"


def test_show_tells_everything(run: Run, bury: Bury) -> None:
    letter = bury()
    (said,) = json.loads(run("show", letter.id, "--json").stdout)
    assert said["request"]["path"] == "/events/send"
    assert said["answer"] == {"status": 400, "text": "no"}
    assert said["first_attempt"] == "2023-11-14T22:13:20Z"
    assert said["events"][0]["note"] == PRIVATE
    page = run("show", letter.id, "--utc").stdout
    for text in ("refused", "Loops answered 400", "POST /events/send", PRIVATE, "400 no", "m1", "2023-11-14T22:13:20Z"):
        assert text in page


def test_show_prints_an_event_that_is_nested_as_deep_as_one_may_be(run: Run, bury: Bury) -> None:
    deep: dict[str, Any] = {}
    for _ in range(251):
        deep = {"a": deep}
    event = write_json({"type": "track", "properties": deep}).decode()
    letter = bury(events=(event,))
    (said,) = json.loads(run("show", letter.id, "--json").stdout)
    assert said["events"] == [json.loads(event)]
    assert '"a":{"a":' in run("show", letter.id).stdout


def test_what_a_sender_wrote_does_not_steer_the_terminal(run: Run, bury: Bury) -> None:
    letter = bury(contact="u\x1b[2J1", answer={"status": 400, "text": "no\r\nyes"})
    for output in (run("list", "--reveal").stdout, run("show", letter.id).stdout):
        assert "u\\x1b[2J1" in output
        assert not {"\x1b", "\r"} & set(output)


def test_what_is_no_dead_letter_is_an_error_and_the_others_are_shown(run: Run, bury: Bury) -> None:
    letter = bury(reason="unreadable", request=None, answer=None, first_attempt=None, events=("no event",))
    result = run("show", letter.id, "0" * 32)
    assert result.exit_code == 1
    assert "event          no event" in result.stdout
    assert result.stderr == f"there is no dead letter {'0' * 32}\n"
    assert run("show", "loops").exit_code == 2
    assert run("show", "--json", "1" * 32).stdout == "[]\n"


def test_replay_by_filter(run: Run, redis: "Redis", bury: Bury) -> None:
    bury("a", at=1000)
    bury("b", at=2000)
    kept = bury("c", reason="expired")
    result = run("replay", "--reason", "refused")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.endswith("Replayed 2 dead letters\n")
    entries = redis.lrange(KEYS.outbox + "u1", 0, -1)
    assert [json.loads(json.loads(entry)["event"])["messageId"] for entry in entries] == ["a", "b"]
    assert redis.hkeys(KEYS.dead) == [kept.id.encode()]


def test_replay_by_id_names_what_it_did(run: Run, redis: "Redis", bury: Bury) -> None:
    chosen, other, broken = bury("a"), bury("b"), bury("c", reason="unreadable", events=("no event",))
    result = run("replay", chosen.id, broken.id, "0" * 32, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "dry_run": False,
        "replayed": [chosen.id],
        "gone": [],
        "refused": [{"id": broken.id, "reason": "it holds no event that this version of Segue can read; delete it"}],
        "outdated": [],
    }
    assert f"there is no dead letter {'0' * 32}" in result.stderr
    assert set(redis.hkeys(KEYS.dead)) == {other.id.encode(), broken.id.encode()}


def test_replay_refuses_a_mapping_the_configuration_has_no_more(run: Run, bury: Bury) -> None:
    Path("segue.yaml").write_text(CONFIG, encoding="utf-8")
    letter, good = bury(mappings=("Old",)), bury("m2")
    result = run("replay", "--all")
    assert result.exit_code == 1
    assert f"{letter.id} cannot be replayed: the configuration has no mapping 'Old'" in result.stderr
    assert result.stderr.endswith("Replayed 1 dead letter\n")
    assert ids(run("list", "--json")) == [letter.id]
    assert good.id not in result.stderr


@pytest.mark.parametrize(
    ("command", "said"), [("replay", "1 dead letter would be replayed"), ("drop", "2 dead letters would be deleted")]
)
def test_a_dry_run_changes_nothing(run: Run, redis: "Redis", bury: Bury, command: str, said: str) -> None:
    bury()
    bury("m2", reason="unreadable", events=("no event",))
    result = run(command, "--all", "--dry-run")
    assert result.stderr.endswith(f"{said}\n")
    assert (redis.hlen(KEYS.dead), redis.exists(KEYS.totals, KEYS.pending)) == (2, 0)
    assert json.loads(run(command, "--all", "--dry-run", "--json").stdout)["dry_run"] is True


@pytest.mark.parametrize("command", ["replay", "drop"])
def test_nothing_is_done_to_all_without_all(run: Run, redis: "Redis", bury: Bury, command: str) -> None:
    letter = bury()
    for arguments in ([], ["loops"], [letter.id, "--all"], [letter.id, "--reason", "refused"], ["loops", "beta"]):
        assert run(command, *arguments).exit_code == 2
    assert redis.hlen(KEYS.dead) == 1
    assert run(command, "--all", "--yes").exit_code == 0
    assert redis.hlen(KEYS.dead) == 0


@pytest.mark.parametrize(("command", "verb"), [("replay", "Replay"), ("drop", "Delete")])
def test_a_person_is_asked_first(  # noqa: PLR0913, PLR0917 - fixtures
    run: Run, redis: "Redis", bury: Bury, monkeypatch: pytest.MonkeyPatch, command: str, verb: str
) -> None:
    for module in ("dead", "output"):
        monkeypatch.setattr(f"segue_worker.cli.{module}.at_terminal", lambda: True)
    bury()
    refused = run(command, "--all", answer="n\n")
    assert refused.exit_code == 1
    assert f"{verb} 1 dead letter of loops?" in refused.stderr
    assert redis.hlen(KEYS.dead) == 1
    assert run(command, "--all", answer="y\n").exit_code == 0
    assert redis.hlen(KEYS.dead) == 0
    bury()
    assert "?" not in run(command, "--all", "--yes").stderr
    assert redis.hlen(KEYS.dead) == 0
    assert "?" not in run(command, "--all").stderr, "there is nothing to ask about"


def test_drop_forgets_and_counts(run: Run, redis: "Redis", bury: Bury) -> None:
    letter, other = bury(), bury("m2", reason="invalid")
    assert json.loads(run("drop", "--reason", "invalid", "--yes", "--json").stdout) == {"dry_run": False, "dropped": 1}
    assert ids(run("list", "--json")) == [letter.id]
    result = run("drop", letter.id, other.id, "--yes")
    assert (result.exit_code, "Deleted 1 dead letter" in result.stderr) == (1, True)
    assert redis.exists(KEYS.dead, KEYS.dead_at, KEYS.pending) == 0


def test_groups_say_of_what_causes_letters_died(run: Run, bury: Bury) -> None:
    first = bury("m1", detail="Loops answered 400 ada@example.com is wrong", at=int(time.time() * 1000) - 90_000_000)
    second = bury("m2", detail="Loops answered 400 bob@example.com is wrong")
    other = bury("m3", reason="mapping", detail="no such directive", request=None, answer=None)
    found = json.loads(run("groups", "--json").stdout)
    assert [(each["reason"], each["count"], each["example"]) for each in found] == [
        ("refused", 2, second.id),
        ("mapping", 1, other.id),
    ]
    assert sum(found[0].pop("per_hour")) == 1
    assert found[0].pop("first") < found[0].pop("last")
    assert len(found[0].pop("group")) == 8
    assert found[0] == {
        "destination": "loops",
        "reason": "refused",
        "detail": "Loops answered 400 \N{BULLET}\N{BULLET}\N{BULLET} is wrong",
        "status": 400,
        "mappings": ["Send events"],
        "events": ["Signed Up"],
        "count": 2,
        "example": second.id,
    }
    assert found[1]["status"] is None
    table = run("groups", "loops").stdout
    assert "refused 400, Send events, Signed Up: Loops answered 400" in " ".join(table.split())
    assert "example.com" not in table
    assert PRIVATE not in table
    assert first.id not in table


def test_a_group_is_listed_replayed_and_dropped(run: Run, bury: Bury, redis: "Redis") -> None:
    letters = [bury(f"m{at}", at=at, reason="refused" if at < 3 else "expired") for at in (1, 2, 3)]
    refused, expired = (each["group"] for each in json.loads(run("groups", "--json").stdout))
    assert ids(run("list", "--group", refused, "--json")) == [each.id for each in letters[:2]]
    assert ids(run("list", "--group", refused, "--contact", "nobody", "--json")) == []
    assert json.loads(run("replay", "loops", "--group", refused, "--json").stdout)["replayed"] == [
        each.id for each in letters[:2]
    ]
    assert json.loads(run("drop", "--group", expired, "--yes", "--json").stdout) == {"dry_run": False, "dropped": 1}
    assert redis.hlen(KEYS.dead) == 0
    assert "there are no dead letters" in run("groups").stderr
    assert "no dead letter matches" in run("groups", "--event", "identify").stderr
    assert "no dead letter matches" in run("list", "--group", "00000000").stderr
