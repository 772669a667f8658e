"""`segue send`, with answers made up here."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from segue_worker.cli import segue
from segue_worker.loops import LoopsClient

API_KEY = "sk-test-api-key"
CONFIG = """\
destinations:
  - name: loops
    api_key: ${LOOPS_API_KEY}
    base_url: https://loops.example.com/api/v1
    mappings:
      - {name: Contacts, action: createOrUpdateContact, trigger: type = "identify" or traits.both = true}
      - {name: Events, action: sendEvent}
      - name: Again
        action: sendEvent
        trigger: type = "track" and properties.twice = true
        fields: {eventName: again}
      - name: Needs a name
        action: createOrUpdateContact
        trigger: type = "track" and properties.strict = true
        fields: {userId: {"@path": $.properties.missing}}
"""


class Loops:
    """Answers with what it is told to, and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answer: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(200, json={"success": True})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(request)

    @property
    def keys(self) -> list[str | None]:
        return [request.headers.get("idempotency-key") for request in self.requests]


@pytest.fixture
def loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loops:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEGUE_CONFIG", raising=False)
    Path("segue.yaml").write_text(CONFIG, encoding="utf-8")
    loops = Loops()
    client = partial(LoopsClient, transport=httpx.MockTransport(loops))
    monkeypatch.setattr("segue_worker.operating.send_now.LoopsClient", client)
    return loops


def send(*arguments: str, text: str = "") -> Result:
    result = CliRunner().invoke(segue, ["send", *arguments], env={"LOOPS_API_KEY": API_KEY}, input=text)
    assert API_KEY not in result.output
    return result


def test_a_delivered_event_shows_request_and_answer(loops: Loops) -> None:
    result = send("--yes", "--identify", "u1", "--traits", '{"email": "ada@example.com"}')
    assert result.exit_code == 0
    (request,) = loops.requests
    assert (request.method, str(request.url)) == ("PUT", "https://loops.example.com/api/v1/contacts/update")
    assert request.headers["authorization"] == f"Bearer {API_KEY}"
    assert json.loads(request.content)["email"] == "ada@example.com"
    assert "PUT /contacts/update  Contacts\n{\n" in result.stdout
    assert 'type = "track": found "identify"' in result.stdout
    assert result.stdout.endswith('PUT /contacts/update  Contacts\n  {"success":true}\n')


def test_sending_twice_sends_twice(loops: Loops) -> None:
    event = json.dumps(
        {"type": "track", "messageId": "m1", "userId": "u1", "event": "x", "properties": {"twice": True}}
    )
    assert send("--yes", "--event-json", event).exit_code == 0
    assert send("--yes", text=event).exit_code == 0
    assert len(set(loops.keys)) == len(loops.requests) == 4
    assert all(key and key.startswith("segue-") for key in loops.keys)


def test_data_is_one_line_of_json(loops: Loops) -> None:
    result = send("--yes", "--json", "--track", "u1", "Signed Up", "--properties", '{"a": 1.0}')
    assert (result.exit_code, result.stderr, result.stdout.count("\n")) == (0, "", 1)
    said: dict[str, Any] = json.loads(result.stdout)
    (request,) = said.pop("requests")
    assert request.pop("ms") >= 0
    assert request == {
        "mapping": "Events",
        "method": "POST",
        "path": "/events/send",
        "body": {"eventName": "Signed Up", "userId": "u1", "eventProperties": {"a": 1}},
        "repaired": [],
        "idempotencyKey": loops.keys[0],
        "delivered": True,
        "status": 200,
        "answer": '{"success":true}',
    }
    assert (said["destination"], len(said["messageId"]), said["errors"]) == ("loops", 36, [])
    assert len(said["skipped"]) == 3


def test_a_refusal_is_shown_and_does_not_stop_the_next_request(loops: Loops) -> None:
    statuses = iter([400, 200])
    loops.answer = lambda _: httpx.Response(next(statuses), text=f"no\nlike, {API_KEY}")
    result = send("--yes", "--track", "u1", "x", "--properties", '{"twice": true}')
    assert result.exit_code == 1
    assert "400 in " in result.stdout
    assert "200 in " in result.stdout
    assert "  no like, (the API key)\n" in result.stdout


def test_no_answer_is_a_failure(loops: Loops) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    loops.answer = fail
    result = send("--yes", "--json", "--track", "u1", "x")
    assert result.exit_code == 1
    (request,) = json.loads(result.stdout)["requests"]
    assert (request["status"], request["delivered"]) == (None, False)
    assert request["answer"] == "connection failed (ConnectError)"


def test_an_event_no_mapping_takes_fails_with_the_reasons(loops: Loops) -> None:
    Path("segue.yaml").write_text(CONFIG.replace("      - {name: Events, action: sendEvent}\n", ""), encoding="utf-8")
    result = send("--track", "u1", "x")
    assert (result.exit_code, loops.requests) == (1, [])
    assert "properties.twice = true: found nothing" in result.stdout
    assert result.stderr == "Nothing was sent: no mapping makes a request of this event\n"


def test_a_mapping_that_fails_is_a_failure_though_another_delivers(loops: Loops) -> None:
    result = send("--yes", "--track", "u1", "x", "--properties", '{"strict": true}')
    assert (result.exit_code, len(loops.requests)) == (1, 1)
    assert "error: Needs a name: userId is missing." in result.stdout


@pytest.mark.parametrize(("answer", "exit_code", "sent"), [("y\n", 0, 1), ("\n", 0, 1), ("n\n", 1, 0), ("", 1, 0)])
def test_it_asks_first(loops: Loops, answer: str, exit_code: int, sent: int) -> None:
    result = send("--track", "u1", "x", text=answer)
    assert (result.exit_code, len(loops.requests)) == (exit_code, sent)
    assert "Send 1 request to https://loops.example.com/api/v1 (loops)?" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        (["--identify", "u1", "--track", "u1", "x"], "", "given: --identify and --track"),
        (["--identify", "u1", "--properties", "{}"], "", "--properties belongs to --track"),
        (["--track", "u1", "x", "--traits", "{}"], "", "--traits belongs to --identify"),
        (
            ["--track", "u1", "x", "--properties", "[]"],
            "",
            "--properties: an event is a JSON object, but this is a list",
        ),
        (["--event-json", "{"], "", "--event-json: not JSON"),
        (["--event-json", '{"type": "page", "userId": "u1"}'], "", "type must be identify or track"),
        (["-"], "x", "not JSON"),
        (["-"], '{"type": "identify", "userId": "u1"}', "leaves no way to ask: add --yes"),
        ([], "", "the line is empty"),
        (["--destination", "other", "--track", "u1", "x"], "", "no such destination"),
        (["missing.json"], "", "missing.json"),
        (["/proc/self/mem"], "", "/proc/self/mem cannot be read: Input/output error"),
    ],
)
def test_bad_usage_sends_nothing(loops: Loops, arguments: list[str], text: str, said: str) -> None:
    result = send(*arguments, text=text)
    assert (result.exit_code, loops.requests) == (2, [])
    assert said in result.stderr
