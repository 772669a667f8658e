"""What README.md shows works as written."""

import re
import shlex
import subprocess
import sys
import textwrap
from os import environ
from pathlib import Path
from typing import Final

import click
import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.cli import segue
from segue_worker.config import load_config
from segue_worker.config.schema import DestinationShape, MappingShape

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL_ONLY: Final = {"export", "echo", "."}
"""Words a line may begin with that are the shell's own."""


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", README, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(text) for _, text in found]


def shell_commands() -> list[list[str]]:
    """Every command of every sh block, as words; the parts of a pipe each."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(part) for line in lines for part in line.split(" | ")]


def examples() -> list[Path]:
    return sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("text", blocks("yaml"))
def test_configurations_load(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPS_API_KEY", "key")
    path = tmp_path / "segue.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_config(path).destinations


@pytest.mark.parametrize("text", blocks("python"))
def test_python_runs(text: str, redis_server: EmbeddedRedis) -> None:
    variables = {**environ, "SEGUE_REDIS_URL": redis_server.url, "SEGUE_BROKER_URL": redis_server.url}
    done = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", "-c", text],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["plain_script.py", "celery_client.py"])
def test_examples_without_a_framework_run(name: str, redis_server: EmbeddedRedis) -> None:
    variables = {**environ, "SEGUE_REDIS_URL": redis_server.url, "SEGUE_BROKER_URL": redis_server.url}
    subprocess.run([sys.executable, ROOT / "examples" / name], env=variables, timeout=60, check=True)


@pytest.mark.parametrize("path", examples(), ids=lambda path: path.name)
def test_examples_compile_and_are_linked(path: Path) -> None:
    compile(path.read_text(encoding="utf-8"), path.name, "exec")
    assert f"(examples/{path.name})" in README


def test_links_lead_to_files() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


@pytest.mark.parametrize("words", shell_commands(), ids=" ".join)
def test_shell_commands_exist(words: list[str]) -> None:
    program, *rest = words
    if program == "segue":
        assert_segue_takes(rest)
    elif program == "make":
        assert re.search(rf"^{rest[0]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    elif program == "cp":
        assert (ROOT / rest[0]).exists()
    elif program == "celery":
        subprocess.run([sys.executable, "-m", "celery", *rest, "--help"], capture_output=True, timeout=60, check=True)
    elif program == "docker":
        assert rest[0] == "compose"
        services = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
        assert rest[rest.index("--scale") + 1].partition("=")[0] in services
    else:
        assert program in SHELL_ONLY


def test_commands_in_the_text_exist() -> None:
    for line in re.findall(r"`segue ([a-z][^`]*)`", README):
        assert_segue_takes(shlex.split(line))


def assert_segue_takes(words: list[str]) -> None:
    """Let click read the words as the command would, without running it."""
    context = click.Context(segue, info_name="segue")
    command: click.Command = segue
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None, name
        context = click.Context(found, parent=context, info_name=name)
        command = found
        if not words:
            return
    command.parse_args(context, list(words))


@pytest.mark.parametrize("shape", [DestinationShape, MappingShape])
def test_every_configuration_key_is_in_the_table(shape: type[BaseModel]) -> None:
    for name in shape.model_fields:
        assert f"`{name}`" in README
