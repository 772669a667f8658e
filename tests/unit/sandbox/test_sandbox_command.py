"""`segue sandbox` as a process, and what it says about bad usage."""

import signal
import socket
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from segue_sandbox.spawn import SandboxProcess, SandboxStartError
from segue_worker.cli import segue
from segue_worker.cli.sandbox import sandbox as command

from .calls import ADA


def test_process_from_start_to_stop() -> None:
    with SandboxProcess(
        rate_limit=3, window="fixed", latency_ms=1, api_keys=["secret=beta"], switches={"unknown_list": "ignore"}
    ) as sandbox:
        headers = {"Authorization": "Bearer secret"}
        body = {"email": ADA, "mailingLists": {"nope": True}}
        answer = httpx.put(f"{sandbox.base_url}/contacts/update", json=body, headers=headers, trust_env=False)
        assert (answer.status_code, answer.headers["x-ratelimit-limit"]) == (200, "3")
        assert sandbox.requests()[0]["team"] == "beta"
        switches = sandbox.switches()
        assert (switches["window"], switches["latency_ms"], switches["unknown_list"]) == ("fixed", 1, "ignore")
        sandbox.faults([{"status": 503}])
        assert httpx.get(f"{sandbox.base_url}/lists", headers=headers, trust_env=False).status_code == 503
        assert sandbox.summary()["by_status"] == {"200": 1, "503": 1}
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{sandbox.base_url}/lists", trust_env=False)


def test_a_taken_port_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(command, ["--port", str(port)])
        with pytest.raises(SandboxStartError, match=f"cannot listen on 127.0.0.1:{port}"):
            SandboxProcess(port=port)
    assert (result.exit_code, result.exception.__class__) == (1, SystemExit)
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another --port" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--switch", "nope=1"], "nope: no such switch; known are"),
        (["--switch", "drain"], "write NAME=VALUE"),
        (["--switch", "unknown_list=maybe"], "unknown_list: Input should be"),
        (["--fail", "2"], "--fail"),
        (["--window", "round"], "--window"),
        (["--rate-limit", "0"], "--rate-limit"),
        (["--port", "70000"], "--port"),
    ],
)
def test_bad_usage_ends_with_2(arguments: list[str], problem: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert problem in result.stderr


def test_help_has_an_example_and_the_key_rule() -> None:
    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0
    assert "segue sandbox --port 8700 --rate-limit 10" in result.stdout
    assert "sandbox-" in result.stdout


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("uvicorn", "segue_sandbox.server"))]:
        monkeypatch.delitem(sys.modules, name)
    find_spec = PathFinder.find_spec
    monkeypatch.setattr(
        PathFinder, "find_spec", lambda name, *rest: None if name == "uvicorn" else find_spec(name, *rest)
    )
    result = CliRunner().invoke(segue, ["sandbox", "--port", "0"])
    assert result.exit_code == 2
    assert result.stderr.startswith("uvicorn is not installed; this needs: ")
    assert result.stderr.endswith(' -m pip install "segue[worker,http]"\n')


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_without_a_word(end: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "segue_worker.cli", "sandbox", "--port", "0"], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        assert process.stderr.readline().startswith("listening on http://127.0.0.1:")
        process.send_signal(end)
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_the_core_needs_no_server_library() -> None:
    code = (
        "import sys; import segue_worker.cli.sandbox, segue_sandbox.core; "
        "print(sorted({'uvicorn', 'starlette', 'httptools', 'httpx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"
