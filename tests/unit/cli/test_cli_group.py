"""The command itself: help, late imports, exit codes."""

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from segue_producer.errors import AddressError
from segue_worker.cli import segue
from segue_worker.cli.group import CommandGroup
from segue_worker.cli.options import config_option, json_option, redis_option
from segue_worker.cli.output import emit_json, emit_table, remark
from segue_worker.errors import ConfigError, LoopsError


def test_every_listed_command_can_be_imported_and_has_an_example() -> None:
    names = segue.list_commands(click.Context(segue))
    assert "check" in names
    for name in names:
        result = CliRunner().invoke(segue, [name, "--help"])
        assert result.exit_code == 0
        assert f"segue {name}" in result.stdout
        assert "xample" in result.stdout


def test_help_lists_the_commands_and_imports_none() -> None:
    program = (
        "import sys; from segue_worker.cli import segue; segue(['--help'], standalone_mode=False); print(*sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    usage, modules = output.rsplit("\n", 2)[:2]
    assert "check  " in usage
    assert not {"segue_worker.cli.check", "segue_worker.config", "rich", "starlette"} & set(modules.split())


def test_checking_needs_no_http_server() -> None:
    program = "import sys; import segue_worker.cli.check; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert not {"starlette", "uvicorn", "aiohappyeyeballs"} & set(modules.split())


def test_the_module_is_the_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "segue_worker.cli", "--version"], check=True, capture_output=True, text=True
    )
    assert result.stdout.startswith("segue, version ")


def test_a_wrong_name_is_told_the_nearest_one() -> None:
    result = CliRunner().invoke(segue, ["chekc"])
    assert result.exit_code == 2
    assert "check" in result.stderr


@click.command
@click.argument("how")
def failing(how: str) -> None:
    if how == "config":
        raise ConfigError(("segue.yaml:1: a: b", "segue.yaml:2: c: d"))
    if how == "loops":
        raise LoopsError("Loops did not answer")
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "pipe":
        raise BrokenPipeError(32, "Broken pipe")
    if how == "full":
        raise OSError(28, "No space left on device")
    if how == "file":
        raise OSError(5, "Input/output error", "export.json")
    if how == "address":
        raise AddressError("URL of Redis: it is none")
    raise click.exceptions.Exit(0)


GROUP = CommandGroup(name="test", commands_in={"failing": (f"{__name__}:failing", "Fails.")})


@pytest.mark.parametrize(
    ("how", "exit_code", "stderr"),
    [
        ("ok", 0, ""),
        ("config", 2, "segue.yaml:1: a: b\nsegue.yaml:2: c: d\n"),
        ("loops", 1, "Loops did not answer\n"),
        ("interrupt", 1, "\nAborted!\n"),
        ("pipe", 1, ""),
        (
            "full",
            1,
            "The command could not read or print: No space left on device. Correct that, then give the command again\n",
        ),
        ("file", 1, "export.json: Input/output error. Correct that, then give the command again\n"),
        ("address", 2, "URL of Redis: it is none\n"),
    ],
)
def test_an_error_becomes_a_message_and_an_exit_code(how: str, exit_code: int, stderr: str) -> None:
    result = CliRunner().invoke(GROUP, ["failing", how])
    assert (result.exit_code, result.stderr, result.stdout) == (exit_code, stderr, "")


def test_shared_options_hand_over_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command
    @config_option
    @json_option
    @redis_option
    def show(**given: object) -> None:
        emit_json({name: str(value) for name, value in given.items()})

    for name in ("SEGUE_CONFIG", "SEGUE_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    runner = CliRunner()
    plain = {"as_json": "False", "config": "segue.yaml", "redis_url": "redis://localhost:6379/0"}
    assert json.loads(runner.invoke(show, []).stdout) == plain
    environ = {"SEGUE_CONFIG": "x.yaml", "SEGUE_REDIS_URL": "redis://h/1"}
    given = {"as_json": "True", "config": "x.yaml", "redis_url": "redis://h/1"}
    assert json.loads(runner.invoke(show, ["--json"], env=environ).stdout) == given


def test_data_goes_to_stdout_as_it_is_and_remarks_to_stderr() -> None:
    @click.command
    def speak() -> None:
        emit_table(("name", "count"), [("[bold]a[/] :smile: " + "x" * 120, 1), ("b", 22)], numbers=["count"])
        remark("a remark")

    result = CliRunner().invoke(speak)
    assert result.stderr == "a remark\n"
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["name", "count"],
        ["[bold]a[/]", ":smile:", "x" * 120, "1"],
        ["b", "22"],
    ]
