"""`segue init`."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from segue_worker.cli import segue
from segue_worker.config import load_config

ENVIRON = {"LOOPS_API_KEY": "sk-test-api-key", "SEGUE_WRITE_KEY": "test-write-key"}


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SEGUE_CONFIG", *ENVIRON):
        monkeypatch.delenv(name, raising=False)


def init(*arguments: str) -> Result:
    return CliRunner().invoke(segue, ["init", *arguments])


def on_a_terminal(*answers: str) -> int:
    """Run `segue init` on a terminal, and give its questions these answers. Returns its exit code."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "segue_worker.cli", "init"], stdin=theirs, stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(theirs)
        os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
        process.communicate(timeout=60)
    os.close(ours)
    return process.returncode


def test_without_a_terminal_it_takes_the_defaults_and_says_what_to_do_next() -> None:
    result = init()
    assert (result.exit_code, result.stdout) == (0, "")
    (destination,) = load_config("segue.yaml", ENVIRON).destinations
    assert (destination.name, destination.base_url) == ("loops", "https://app.loops.so/api/v1")
    assert destination.api_key.get_secret_value() == ENVIRON["LOOPS_API_KEY"]
    assert [mapping.trigger.text for mapping in destination.mappings] == ['type = "identify"', 'type = "track"']
    for line in ("export LOOPS_API_KEY=", "segue check --online", "segue send ", "celery -A segue_worker worker -B"):
        assert f"  {line}" in result.stderr


def test_every_part_can_be_chosen() -> None:
    Path("key.txt").write_text("sk-from-a-file\n", encoding="utf-8")
    url = "http://127.0.0.1:8700/api/v1"
    result = init("--name", "123", "--api-key-file", "key.txt", "--base-url", url, "--source", "A", "--source", "B")
    assert result.exit_code == 0, result.stderr
    config = load_config("segue.yaml", {"A": "write-key-a", "B": "write-key-b"})
    (destination,) = config.destinations
    assert (destination.name, destination.base_url) == ("123", url)
    assert destination.api_key.get_secret_value() == "sk-from-a-file"
    assert [source.write_key.get_secret_value() for source in config.sources] == ["write-key-a", "write-key-b"]
    assert "sk-from-a-file" not in Path("segue.yaml").read_text(encoding="utf-8")


def test_a_mapping_can_be_added_at_the_end_whatever_was_chosen() -> None:
    assert init("--source", "SEGUE_WRITE_KEY").exit_code == 0
    with Path("segue.yaml").open("a", encoding="utf-8") as file:
        file.write("      - name: Another\n        action: sendEvent\n")
    assert len(load_config("segue.yaml", ENVIRON).destinations[0].mappings) == 3


def test_a_key_file_that_is_not_there_yet_is_said() -> None:
    result = init("--api-key-file", "missing.txt")
    assert result.exit_code == 1
    assert "segue.yaml:4: destinations[0].api_key_file: the file cannot be read" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--api-key-variable", "f00dcafe1234"], "The key itself does not belong in the file"),
        (["--source", "f00dcafe1234"], "The key itself does not belong in the file"),
        (["--name", "My Team"], "lower case letters"),
        (["--config", "missing/segue.yaml"], "cannot be written"),
    ],
)
def test_bad_usage_writes_nothing(arguments: list[str], said: str) -> None:
    result = init(*arguments)
    assert result.exit_code in (1, 2)
    assert said in " ".join(result.stderr.split())
    assert not Path("segue.yaml").exists()


def test_a_file_is_written_over_only_when_asked_to() -> None:
    Path("segue.yaml").write_text("mine\n", encoding="utf-8")
    refused = init("--name", "other")
    assert refused.exit_code == 2
    assert "segue.yaml exists" in refused.stderr
    assert on_a_terminal("n") == 1
    assert Path("segue.yaml").read_text(encoding="utf-8") == "mine\n"
    assert init("--name", "other", "--yes").exit_code == 0
    assert load_config("segue.yaml", ENVIRON).destinations[0].name == "other"


def test_on_a_terminal_it_asks_and_asks_again_where_a_key_is_given() -> None:
    answers = ("team-a", "", "sk-pasted-by-mistake", "TEAM_A_KEY", "y", "")
    assert on_a_terminal(*answers) == 0
    config = load_config("segue.yaml", {**ENVIRON, "TEAM_A_KEY": "sk-a"})
    assert config.destinations[0].name == "team-a"
    assert config.destinations[0].api_key.get_secret_value() == "sk-a"
    assert config.sources[0].write_key.get_secret_value() == ENVIRON["SEGUE_WRITE_KEY"]
    assert "pasted" not in Path("segue.yaml").read_text(encoding="utf-8")


def test_on_a_terminal_a_key_file_may_be_chosen() -> None:
    Path("loops_api_key").write_text("sk-from-a-file", encoding="utf-8")
    assert on_a_terminal("", "file", "", "n") == 0
    config = load_config("segue.yaml", {})
    assert config.destinations[0].api_key.get_secret_value() == "sk-from-a-file"
    assert config.sources == ()
