"""`segue send` as people run it: its own process, over HTTP, to a sandbox that judges the requests."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from segue_sandbox.spawn import SandboxProcess

API_KEY = "sandbox-acme"


@pytest.fixture
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


def send(
    sandbox: SandboxProcess, directory: Path, *arguments: str, text: str = "", values: str = "repair"
) -> tuple[int, str]:
    config = directory / "segue.yaml"
    destination = f"name: loops, api_key: '${{LOOPS_API_KEY}}', base_url: '{sandbox.base_url}', values: {values}"
    config.write_text(f"destinations:\n  - {{{destination}}}\n", "utf-8")
    command = [sys.executable, "-m", "segue_worker.cli", "send", "--config", str(config), "--yes", *arguments]
    environ = {**os.environ, "LOOPS_API_KEY": API_KEY}
    outcome = subprocess.run(command, input=text, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert API_KEY not in outcome.stdout + outcome.stderr
    return outcome.returncode, outcome.stdout


def test_an_event_arrives_each_time_it_is_sent(sandbox: SandboxProcess, tmp_path: Path) -> None:
    event = json.dumps({"type": "identify", "messageId": "m1", "userId": "u1", "traits": {"email": "ada@example.com"}})
    code, said = send(sandbox, tmp_path, "-", text=event)
    assert code == 0
    assert '"success":true' in said
    (contact,) = sandbox.contacts()
    assert (contact["email"], contact["userId"], contact["source"]) == ("ada@example.com", "u1", "Segment")

    track = json.dumps({"type": "track", "messageId": "m2", "userId": "u1", "event": "Signed Up"})
    answers = [json.loads(send(sandbox, tmp_path, "--json", "--event-json", track)[1]) for _ in range(2)]
    assert [answer["requests"][0]["status"] for answer in answers] == [200, 200]
    assert [event["eventName"] for event in sandbox.events()] == ["Signed Up", "Signed Up"]


def test_what_loops_refuses_is_shown_as_it_says_it(sandbox: SandboxProcess, tmp_path: Path) -> None:
    code, said = send(sandbox, tmp_path, "--track", "u1", "x", "--properties", '{"list": [1]}', values="keep")
    assert code == 1
    assert "warning: Loops refuses eventProperties.list" in said
    assert "400 in " in said
    assert sandbox.events() == []
