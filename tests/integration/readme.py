"""README.md as a program: its blocks in order, in a fresh copy of the repository."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from segue_sandbox.embedded_redis import free_port

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
PORTS: Final = ("6379", "8700", "8710", "8720")
"""Ports that README uses; others may have taken them here."""
_NOT_OF_A_CLONE: Final = shutil.ignore_patterns(
    ".venv",
    ".git",
    ".*_cache",
    ".hypothesis",
    "__pycache__",
    "*.egg-info",
    "node_modules",
    "site",
    "redis-data",
    "segue.yaml",
)
LONGEST_S: Final = 600


def blocks(*languages: str) -> list[tuple[str, str]]:
    """Language and text of the fenced blocks, in order; of all languages where none is named."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [(language, text) for language, text in found if not languages or language in languages]


def program() -> str:
    """A script for bash that does what somebody does who pastes every block in order.

    A configuration is compared with the file it shows. Before it goes on after a part that runs on, it waits as a reader
    does who watches it start. Blocks for Docker are left out: `make containers` runs its services.
    """
    pasted = (_pasted(language, text) for language, text in blocks() if not text.startswith("docker "))
    return "\n".join(chain(["set -euo pipefail"], pasted))


def _pasted(language: str, text: str) -> str:
    if language == "python":
        return f"python - <<'PYTHON'\n{text}PYTHON\n"
    if language == "yaml":
        return f"diff segue.yaml - <<'YAML'\n{text}YAML\n"
    lines = [part for line in text.splitlines() for part in (line, *_waits(line))]
    return "\n".join([*lines, ""])


def _waits(line: str) -> Iterator[str]:
    """Lines that wait until what a line starts is there, or has ended."""
    if not line.endswith(" &"):
        return
    port = re.search(r"--port (\d+)", line)
    log = re.search(r"--logfile (\S+)", line)
    if port:
        yield f"until (exec 3<>/dev/tcp/127.0.0.1/{port[1]}) 2>/dev/null; do kill -0 $!; sleep 0.1; done"
    elif log:
        yield f"until grep -qs ' ready' {log[1]}; do kill -0 $!; sleep 0.1; done"
        yield "until segue health --sweep 2>/dev/null; do kill -0 $!; done"
    else:
        raise ValueError(f"nothing tells when it is ready: {line}")


@dataclass(frozen=True, slots=True)
class FirstHour:
    """The outcome of README's blocks, while what they started runs on.

    Attributes:
        directory: the fresh copy.
        variables: the environment to call its commands in, which SEGUE_REDIS_URL is part of.
        sandbox: address of the sandbox.
        code: how the script ended.
        said: what it printed.
    """

    directory: Path
    variables: Mapping[str, str]
    sandbox: str
    code: int
    said: str


@contextmanager
def first_hour(directory: Path) -> Iterator[FirstHour]:
    """Live README's first hour in a directory to be made; ends every part it started."""
    shutil.copytree(ROOT, directory, ignore=_NOT_OF_A_CLONE)
    ports = {port: str(free_port()) for port in PORTS}
    script = re.sub(rf"\b({'|'.join(PORTS)})\b", lambda match: ports[match[0]], program())
    variables = {**_fresh_environment(), "SEGUE_REDIS_URL": f"redis://localhost:{ports['6379']}/0"}
    log = directory / "said.txt"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=directory,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        code = process.wait(LONGEST_S)
        said = log.read_text(encoding="utf-8", errors="replace")
        yield FirstHour(directory, variables, f"http://127.0.0.1:{ports['8700']}/api/v1", code, said)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _fresh_environment() -> Mapping[str, str]:
    """The variables of somebody who has never heard of Segue, with the Python that runs the tests."""
    known = ("SEGUE_", "LOOPS_", "TRACKING_API_", "VIRTUAL_ENV", "PYTEST")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(known)}
    ours = str(Path(sys.executable).parent)
    path = os.pathsep.join(each for each in kept["PATH"].split(os.pathsep) if each != ours)
    python = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    return {**kept, "PATH": path, "PYTHON": str(python)}
