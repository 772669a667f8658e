"""What a backend service gets with `pip install segue`: the producer, small and quick to import."""

import json
import subprocess
import sys
from pathlib import Path
from venv import EnvBuilder

import pytest
from redis import Redis

from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.outbox.entry import read_entry

from .stack import KEYS

ROOT = Path(__file__).parents[2]
OF_THE_WORKER = {
    *("aiohttp", "httptools", "httpx", "liquid", "orjson", "pytimeparse"),
    *("rich", "ruamel", "starlette", "tenacity", "uvicorn"),
}
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
