"""What a type checker says to those who use the producer: mistakes are errors before anything runs."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

HERE: Final = Path(__file__).parent


def errors_of(source: str, directory: Path) -> dict[int, str]:
    """What mypy, strict as an editor may be, finds in a program: number of the line, from 1, and what is said of it."""
    program = directory / "program.py"
    program.write_text(source)
    cache = HERE.parents[2] / ".mypy_cache"
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--config-file",
        "",
        "--cache-dir",
        str(cache),
    ]
    done = subprocess.run([*command, str(program)], capture_output=True, text=True, check=False, timeout=300)
    found = (line.split(":", 2) for line in done.stdout.splitlines() if ": error: " in line)
    return {int(number): said for _, number, said in found}


def test_what_is_right_passes(tmp_path: Path) -> None:
    assert errors_of((HERE / "right.txt").read_text(), tmp_path) == {}


@pytest.mark.parametrize("example", ["plain_script.py", "celery_client.py", "sentry_worker.py"])
def test_an_example_can_be_copied_into_code_that_is_checked(tmp_path: Path, example: str) -> None:
    assert errors_of((HERE.parents[2] / "examples" / example).read_text(), tmp_path) == {}


def test_each_mistake_is_an_error(tmp_path: Path) -> None:
    source = (HERE / "wrong.txt").read_text()
    lines = enumerate(source.splitlines(), 1)
    mistakes = {number for number, line in lines if line.startswith(("producer.", "event:", "    await"))}
    found = errors_of(source, tmp_path)
    assert found.keys() == mistakes
    assert any("propertys" in said for said in found.values())
