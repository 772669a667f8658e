"""`segue preview`."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.conformance.recorded import cases, same

from segue_worker.cli import segue

ENVIRON = {"LOOPS_API_KEY": "sk-test-api-key"}
CONFIG = """\
destinations:
  - name: loops
    api_key: ${LOOPS_API_KEY}
"""
IDENTIFY = {"type": "identify", "messageId": "m1", "userId": "u1", "traits": {"email": "ada@example.com", "n": 1.0}}
TRACK = {"type": "track", "messageId": "m2", "userId": "u1", "event": "Signed Up", "properties": {"a": {"b": 1}}}


@pytest.fixture(autouse=True)
def _in_a_directory_with_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEGUE_CONFIG", raising=False)
    Path("segue.yaml").write_text(CONFIG, encoding="utf-8")


def preview(*arguments: str, text: str | bytes = "") -> Result:
    result = CliRunner().invoke(segue, ["preview", *arguments], env=ENVIRON, input=text)
    assert ENVIRON["LOOPS_API_KEY"] not in result.output
    return result


def test_each_line_becomes_one_line_in_order() -> None:
    text = "\ufeff" + "\n".join([json.dumps(IDENTIFY), "", "no JSON", "[]", '{"event": 5}\r', json.dumps(TRACK)])
    result = preview("--json", text=text)
    assert (result.exit_code, result.stderr) == (0, "")
    first, empty, broken, a_list, odd, last = map(json.loads, result.stdout.splitlines())
    assert first == {
        "messageId": "m1",
        "requests": [
            {
                "mapping": "Sync contacts",
                "method": "PUT",
                "path": "/contacts/update",
                "body": {"email": "ada@example.com", "n": 1, "source": "Segment", "userId": "u1", "mailingLists": {}},
                "repaired": [],
            }
        ],
        "skipped": [{"mapping": "Send events", "reason": 'type = "track": found "identify"'}],
        "errors": [],
    }
    assert '"n":1,' in result.stdout
    assert empty == {"error": "the line is empty"}
    assert list(broken) == list(a_list) == ["error"]
    assert (odd["messageId"], odd["requests"], len(odd["skipped"])) == (None, [], 2)
    assert last["messageId"] == "m2"


def test_bytes_that_are_no_text_are_an_error_of_their_line() -> None:
    result = preview("--json", text=b'{"type": "\xff"}\n' + json.dumps(TRACK).encode() + b"\n")
    bad, good = map(json.loads, result.stdout.splitlines())
    assert list(bad) == ["error"]
    assert good["messageId"] == "m2"


def test_a_line_without_end_takes_no_more_memory_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue_worker.cli.event_input.MAX_LINE", 1000)
    result = preview("--json", text="x" * 2500 + "\n" + json.dumps(TRACK))
    bad, good = map(json.loads, result.stdout.splitlines())
    assert list(bad) == ["error"]
    assert good["messageId"] == "m2"


def test_no_events_are_no_lines() -> None:
    assert preview("--json").stdout == ""


def test_people_get_requests_reasons_and_warnings() -> None:
    Path("events.jsonl").write_text(f"{json.dumps(IDENTIFY)}\n{json.dumps(TRACK)}\nx\n", encoding="utf-8")
    result = preview("events.jsonl")
    assert result.exit_code == 0
    said = result.stdout
    assert "1. identify · u1 · m1\nPUT /contacts/update  Sync contacts\n{\n" in said
    assert "2. track · Signed Up · u1 · m2\nPOST /events/send  Send events\n" in said
    assert 'type = "identify": found "track"' in said
    assert "warning: eventProperties.a: left out: a property cannot hold an object" in said
    assert "3. not an event\nerror: not JSON" in said
    assert result.stderr == "loops: 3 events, 2 requests, 1 error\n"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([IDENTIFY, TRACK], indent=2),
        json.dumps([IDENTIFY, TRACK]),
        f"\n{json.dumps(IDENTIFY)}\n\n{json.dumps(TRACK)}\n",
        json.dumps([IDENTIFY | {"traits": {"bio": "cut off \ud83d"}}, TRACK]),
        json.dumps([IDENTIFY | {"traits": {"bio": "cut off \ud83d"}}, TRACK], indent=2),
    ],
)
def test_people_may_hand_over_any_kind_of_json(text: str) -> None:
    assert preview(text=text).stderr == "loops: 2 events, 2 requests, 0 errors\n"


def test_one_event_may_span_lines_and_broken_text_is_told_line_by_line() -> None:
    assert preview(text=json.dumps(TRACK, indent=1)).stderr == "loops: 1 event, 1 request, 0 errors\n"
    assert preview(text=f"x\n{json.dumps(TRACK)}\n[1").stderr == "loops: 3 events, 1 request, 2 errors\n"


def test_people_are_told_what_could_not_be_enqueued_and_no_control_character_reaches_them() -> None:
    said = preview(text=json.dumps({"type": "identify\u001b[31m", "userId": "u1"})).stdout
    assert "warning: this is not enqueued: type must be identify or track" in said
    assert "\u001b" not in said


@pytest.mark.parametrize("end", ["", "]"])
def test_people_see_the_event_as_it_is_sent(end: str) -> None:
    event = json.dumps({"type": "track", "userId": 123456789012345678901, "event": "Signed Up", "properties": []})
    said = preview(text=f"[{event}]" if end else event).stdout
    assert "1. track · Signed Up · 123456789012345678901\n" in said
    assert "\nPOST /events/send  Send events\n" in said
    assert '"userId": "123456789012345678901"' in said
    assert "the Tracking API repairs it: properties: must be an object" in said


def test_a_destination_must_be_chosen_among_several() -> None:
    other = "\n    mappings: [{name: Only events, action: sendEvent}]\n"
    Path("segue.yaml").write_text(
        CONFIG + CONFIG.partition("\n")[2].replace("loops", "other").rstrip() + other, "utf-8"
    )
    refused = preview("--json", text=json.dumps(TRACK))
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "choose one with --destination (loops, other)" in refused.stderr
    chosen = preview("--json", "--destination", "other", text=json.dumps(TRACK))
    assert json.loads(chosen.stdout)["requests"][0]["mapping"] == "Only events"
    wrong = preview("--destination", "third", text="")
    assert wrong.exit_code == 2
    assert "no such destination; it has loops, other" in wrong.stderr


def test_a_destination_that_is_not_enabled_is_previewed_with_a_remark() -> None:
    Path("segue.yaml").write_text(CONFIG + "    enabled: false\n", "utf-8")
    result = preview("--json", text=json.dumps(TRACK))
    assert len(json.loads(result.stdout)["requests"]) == 1
    assert result.stderr.startswith("loops is not enabled")


def test_a_missing_file_or_configuration_is_bad_usage() -> None:
    assert preview("missing.jsonl").exit_code == 2
    result = preview("--config", "missing.yaml")
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_file_that_cannot_be_read_is_a_line(options: list[str]) -> None:
    result = preview("/proc/self/mem", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "/proc/self/mem cannot be read: Input/output error; name another file\n"


def test_the_command_itself_agrees_with_recorded_cases() -> None:
    chosen = [case for case in cases("loops") if "docs" in case.tags]
    mappings = [
        {
            "name": f"Mapping {number}",
            "action": mapping["partnerAction"],
            "trigger": mapping["subscribe"],
            "defaults": False,
            "fields": mapping["mapping"],
        }
        for number, mapping in enumerate(chosen[0].input["mappings"])
    ]
    chosen = [case for case in chosen if case.input["mappings"] == chosen[0].input["mappings"]]
    config = {"destinations": [{"name": "loops", "api_key": "${LOOPS_API_KEY}", "mappings": mappings}]}
    # JSON is YAML.
    Path("case.yaml").write_text(json.dumps(config), encoding="utf-8")
    text = "".join(f"{json.dumps(case.input['event'], ensure_ascii=False)}\n" for case in chosen)
    command = [sys.executable, "-m", "segue_worker.cli", "preview", "--config", "case.yaml", "--json", "-"]
    outcome = subprocess.run(command, input=text.encode(), env=ENVIRON, capture_output=True, check=True)
    shown: list[dict[str, Any]] = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert len(chosen) > 2
    assert len(shown) == len(chosen)
    for line, case in zip(shown, chosen, strict=True):
        assert same([each["body"] for each in line["requests"]], [sent["body"] for sent in case.expected["requests"]])
