"""`segue tracking-api` and bad usage."""

import socket
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest
from click.testing import CliRunner

from segue_worker.cli import segue

NO_SOURCES = "destinations: [{name: loops, api_key: secret-api-key}]"
ONE_SOURCE = f"{NO_SOURCES}\nsources: [{{write_key: secret-write-key, destinations: [loops]}}]"


def run(tmp_path: Path, config: str, *options: str) -> tuple[int, str]:
    path = tmp_path / "segue.yaml"
    path.write_text(config, encoding="utf-8")
    result = CliRunner().invoke(segue, ["tracking-api", "--config", str(path), *options])
    assert "Traceback" not in result.output
    assert "secret" not in result.output
    return result.exit_code, result.stderr


def test_without_a_write_key_there_is_nothing_to_serve(tmp_path: Path) -> None:
    code, said = run(tmp_path, NO_SOURCES)
    assert code == 2
    assert "has no `sources`" in said


def test_a_configuration_with_problems_is_refused(tmp_path: Path) -> None:
    code, said = run(tmp_path, ONE_SOURCE.replace("[loops]", "[other]"))
    assert code == 2
    assert "segue.yaml:2: sources[0].destinations" in said


def test_a_write_key_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGUE_WRITE_KEY", raising=False)
    code, said = run(tmp_path, ONE_SOURCE.replace("secret-write-key", "'${SEGUE_WRITE_KEY}'"))
    assert code == 2
    assert "sources[0].write_key: the environment variable SEGUE_WRITE_KEY is not set" in said


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = run(tmp_path, ONE_SOURCE, "--port", str(port))
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another --port" in said


def test_a_url_of_redis_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    code, said = run(tmp_path, ONE_SOURCE, "--redis-url", "redis://user:secret@127.0.0.1:99999")
    assert (code, said.count("\n")) == (2, 1)
    assert "SEGUE_REDIS_URL" in said


@pytest.mark.parametrize("options", [("--port", "70000"), ("--max-batch-bytes", "0"), ("--max-batch-bytes", "4MB")])
def test_values_out_of_range_are_refused(tmp_path: Path, options: tuple[str, str]) -> None:
    code, said = run(tmp_path, ONE_SOURCE, *options)
    assert code == 2
    assert options[0] in said


def test_the_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    for name in [name for name in sys.modules if name.startswith(("segue_tracking_api", "uvicorn"))]:
        monkeypatch.delitem(sys.modules, name)
    find = PathFinder.find_spec
    monkeypatch.setattr(
        PathFinder,
        "find_spec",
        lambda name, *rest: None if name.startswith("uvicorn") else find(name, *rest),
    )
    code, said = run(tmp_path, ONE_SOURCE)
    assert code == 2
    assert said.startswith("uvicorn is not installed; this needs: ")
    assert said.endswith(' -m pip install "segue[worker,http]"\n')


def test_help_has_an_example() -> None:
    result = CliRunner().invoke(segue, ["tracking-api", "--help"])
    assert result.exit_code == 0
    assert "curl http://127.0.0.1:8710/v1/track" in result.output
