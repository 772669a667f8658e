"""Files that people name, whatever they name."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from segue_worker.cli import segue
from segue_worker.cli.event_input import MAX_DOCUMENT
from segue_worker.config import inspect_config, read_bounded


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_pipe_is_refused_and_not_waited_for(pipe: Path, tmp_path: Path) -> None:
    (problem,) = inspect_config(pipe).problems
    assert "it is a pipe" in str(problem)
    config = tmp_path / "segue.yaml"
    config.write_text("destinations: [{name: loops, api_key_file: pipe}]")
    assert "it is a pipe" in str(inspect_config(config).problems[0])
    for arguments in (
        ["check", "--config", str(pipe)],
        ["dashboard", "--token-file", str(pipe), "--config", str(config)],
    ):
        outcome = CliRunner().invoke(segue, arguments)
        assert (outcome.exit_code, "pipe" in outcome.stderr) == (2, True)


def test_no_more_than_asked_for_is_read() -> None:
    assert read_bounded("/dev/zero", 10) == bytes(11)
    assert read_bounded("/dev/null", 10) == b""


@pytest.mark.parametrize("arguments", [["import", "/dev/zero"], ["check", "--config", "/dev/zero"]])
def test_what_never_ends_is_refused(arguments: list[str]) -> None:
    outcome = CliRunner().invoke(segue, arguments)
    assert (outcome.exit_code, "larger than" in outcome.stderr) == (2, True)


def test_a_line_that_never_ends_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "segue.yaml"
    config.write_text("destinations: [{name: loops, api_key: sandbox-key}]")
    outcome = CliRunner().invoke(segue, ["preview", "--config", str(config), "/dev/zero"])
    assert (outcome.exit_code, f"more than {MAX_DOCUMENT // 1_000_000} MB" in outcome.stderr) == (2, True)


@pytest.mark.parametrize(
    "span", ["9" * 30 + "d", "99999999999999999w", "9" * 39 + "d", "9" * 400 + "d", "-5d", "0.0001s"]
)
@pytest.mark.parametrize("key", ["retry: {max_age: %s}", "dedupe_window: %s", "timeout: %s", "dead_letter: {keep: %s}"])
def test_durations_of_absurd_size_are_refused_with_their_bounds(tmp_path: Path, key: str, span: str) -> None:
    config = tmp_path / "segue.yaml"
    config.write_text("destinations: [{name: loops, api_key: sandbox-key, " + key % f"'{span}'" + "}]")
    (problem,) = inspect_config(config).problems
    assert "must be between" in str(problem) or "not a duration" in str(problem)
