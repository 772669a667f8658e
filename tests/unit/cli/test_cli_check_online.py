"""`segue check --online`: against the sandbox, and against answers made up here."""

import json
from functools import partial
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from tests.sandbox_server import SandboxServer

from segue_sandbox.client import SandboxClient
from segue_worker.cli import segue
from segue_worker.loops import LoopsClient

API_KEY = "sandbox-ada.secret"


def check(tmp_path: Path, base_url: str, *arguments: str, keys: tuple[str, ...] = (API_KEY,)) -> Result:
    path = tmp_path / "segue.yaml"
    path.write_text(
        "destinations:\n"
        + "".join(
            f"  - {{name: loops{n}, api_key: {key}, base_url: '{base_url}', enabled: {str(n < 2).lower()}}}\n"
            for n, key in enumerate(keys)
        ),
        encoding="utf-8",
    )
    result = CliRunner().invoke(segue, ["check", "--online", "--config", str(path), *arguments])
    assert not any(key in result.output for key in keys)
    return result


def test_a_good_key_is_told_by_its_teams_name_and_asked_about_once(tmp_path: Path) -> None:
    with SandboxServer() as server, SandboxClient(server.base_url) as sandbox:
        result = check(tmp_path, sandbox.base_url, keys=(API_KEY, API_KEY, "sandbox-off"))
        (asked,) = sandbox.requests()
    assert result.exit_code == 0, result.stderr
    assert result.stdout.endswith(
        "loops0: Loops accepts the API key; team: ada\nloops1: Loops accepts the API key; team: ada\n"
    )
    assert (asked["method"], asked["path"]) == ("GET", "/api-key")


def test_a_refused_key_is_a_finding_with_what_to_do(tmp_path: Path) -> None:
    with SandboxServer() as server, SandboxClient(server.base_url) as sandbox:
        sandbox.revoke(API_KEY)
        said = check(tmp_path, sandbox.base_url)
        data = check(tmp_path, sandbox.base_url, "--json")
    assert (said.exit_code, data.exit_code) == (1, 1)
    assert "loops0: Loops refuses the API key (401); create a key" in said.stderr
    (found,) = json.loads(data.stdout)["online"]
    assert (found["destination"], found["team"], found["problem"]) == ("loops0", "", "Loops refuses the API key (401)")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(404, html="<h1>no</h1>"), "correct `base_url`"),
        (httpx.Response(301, headers={"location": "https://www.example.com/"}), "correct `base_url`"),
        (httpx.Response(200, html="<h1>welcome</h1>"), "correct `base_url`"),
        (httpx.Response(200, json=[]), "correct `base_url`"),
        (httpx.Response(429, text="slow down"), "try again"),
        (httpx.Response(503, text=API_KEY), "try again"),
    ],
)
def test_another_answer_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: httpx.Response, said: str
) -> None:
    client = partial(LoopsClient, transport=httpx.MockTransport(lambda _: answer))
    monkeypatch.setattr("segue_worker.schema.known.LoopsClient", client)
    result = check(tmp_path, "https://loops.example.com/api/v1")
    assert result.exit_code == 1
    assert said in result.stderr
    assert f"({answer.status_code})" in result.stderr


def test_a_teams_name_does_not_speak_to_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = httpx.Response(200, json={"success": True, "teamName": "Ada\x1b[2J\nLtd."})
    client = partial(LoopsClient, transport=httpx.MockTransport(lambda _: answer))
    monkeypatch.setattr("segue_worker.schema.known.LoopsClient", client)
    result = check(tmp_path, "https://loops.example.com/api/v1")
    assert result.exit_code == 0
    assert r"team: Ada\x1b[2J\nLtd." in result.stdout


def test_nobody_at_the_address_is_a_finding(tmp_path: Path) -> None:
    result = check(tmp_path, "http://127.0.0.1:1/api/v1")
    assert result.exit_code == 1
    assert "connection failed" in result.stderr
    assert "check the network" in result.stderr


def test_a_faulty_configuration_asks_nobody(tmp_path: Path) -> None:
    result = CliRunner().invoke(segue, ["check", "--online", "--json", "--config", str(tmp_path / "missing.yaml")])
    assert result.exit_code == 2
    assert json.loads(result.stdout)["online"] == []
