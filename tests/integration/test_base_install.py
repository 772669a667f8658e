"""What a backend service gets with `pip install segue`: the producer, small and quick to import."""

import json
import re
import shlex
import subprocess
import sys
from os import environ
from pathlib import Path
from venv import EnvBuilder

import pytest
from redis import Redis

from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.outbox.entry import read_entry

from .stack import KEYS

ROOT = Path(__file__).parents[2]
OF_THE_WORKER = {
    *("aiohappyeyeballs", "httptools", "httpx", "liquid", "pytimeparse"),
    *("rich", "ruamel", "starlette", "tenacity", "uvicorn"),
}
WITHOUT_THEIR_EXTRA = [
    ("segue", "status", "worker"),
    ("segue", "tracking-api", "worker,http"),
    ("segue", "sandbox", "worker,http"),
    ("segue", "dashboard", "dashboard"),
    ("segue", "import main.tf", "worker,import"),
    ("segue", "demo", "demo"),
    ("celery", "-A segue_worker worker", "worker"),
    ("celery", "-A segue_worker beat", "worker"),
]
RUNS = 5
SLOWEST_IMPORT_S = 0.5

LOADED = "import json, sys, segue_producer; print(json.dumps(list(sys.modules)))"
EXTRA_IMPORT_TIME = """\
import time, celery, redis
before = time.perf_counter()
import segue_producer
print(time.perf_counter() - before)
"""
ENQUEUE = """\
import sys
from segue_producer import Producer
with Producer(sys.argv[1]) as producer:
    print(producer.identify("u1", {"email": "ada@example.com"}))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a virtual environment with nothing but the base install."""
    directory = tmp_path_factory.mktemp("base")
    EnvBuilder(symlinks=True).create(directory)
    installed = directory / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(installed), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--constraint", str(ROOT / "constraints.txt"), str(ROOT)], check=True)
    return installed


def run(python: Path, program: str, *arguments: str) -> str:
    done = subprocess.run(
        [python, "-I", "-c", program, *arguments], check=True, capture_output=True, text=True, cwd=python.parent
    )
    return done.stdout.strip()


def test_the_producer_needs_and_loads_nothing_of_the_worker(python: Path) -> None:
    loaded = {name.partition(".")[0] for name in json.loads(run(python, LOADED))}
    assert "segue_producer" in loaded
    assert not loaded & {"segue_worker", *OF_THE_WORKER}
    find = "import importlib.util, sys; print(*(n for n in sys.argv[1:] if importlib.util.find_spec(n)))"
    assert run(python, find, *sorted(OF_THE_WORKER)) == ""


def test_the_producer_enqueues(python: Path, redis_server: EmbeddedRedis) -> None:
    with Redis.from_url(redis_server.url) as redis:
        redis.flushall()
        message_id = run(python, ENQUEUE, redis_server.url)
        (entry,) = redis.lrange(KEYS.outbox + "u1", 0, -1)
    assert isinstance(entry, bytes)
    assert read_entry(entry).message_id == message_id


def test_the_producer_imports_quickly(python: Path) -> None:
    seconds = min(float(run(python, EXTRA_IMPORT_TIME)) for _ in range(RUNS))
    assert seconds < SLOWEST_IMPORT_S


@pytest.mark.parametrize(("program", "arguments", "extras"), WITHOUT_THEIR_EXTRA)
def test_what_needs_an_extra_says_in_one_line_how_to_install_it(
    python: Path, program: str, arguments: str, extras: str
) -> None:
    done = subprocess.run(
        [python.parent / program, *arguments.split()], capture_output=True, text=True, cwd=python.parent, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    missing, _, command = done.stderr.partition("; this needs: ")
    assert re.fullmatch(r"\w+ is not installed", missing), done.stderr
    assert command == f'pip --python {python} install "segue[{extras}]"\n'


def test_the_command_it_says_installs_what_is_missing(python: Path) -> None:
    status = [str(python.parent / "segue"), "status"]
    said = subprocess.run(status, capture_output=True, text=True, check=False).stderr
    command = shlex.split(said.partition("; this needs: ")[2])
    in_path = {**environ, "PATH": f"{Path(sys.executable).parent}:{environ['PATH']}"}
    done = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, env=in_path, check=True)
    would = done.stdout.partition("Would install ")[2].split()
    assert {name.rpartition("-")[0] for name in would} >= {"rich", "ruamel.yaml", "aiohappyeyeballs"}
    assert not [name for name in would if name.startswith("segue-")]


def test_the_base_install_shows_the_commands_there_are(python: Path) -> None:
    done = subprocess.run(
        [python.parent / "segue", "--help"], capture_output=True, text=True, cwd=python.parent, check=True
    )
    assert "tracking-api" in done.stdout
