"""The examples for Django: what was written with the data is enqueued in order, and has its effect once."""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
import redis

from segue_producer.keys import Keys
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.outbox.entry import read_entry
from tests.integration.stack import wait_until

HERE: Final = Path(__file__).parent
EXAMPLES: Final = HERE.parents[1] / "examples"
PACKAGES: Final = ("django==5.2.*", "txoutbox==0.2.2")


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Django and the outbox in it, apart from what the project depends on."""
    target = tmp_path_factory.mktemp("django")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(target)]
    subprocess.run([*pip, *PACKAGES], check=True, capture_output=True, timeout=180)
    return target


@contextmanager
def handing_on(environ: dict[str, str]) -> Iterator[None]:
    """The relay as people run it; killed at the end."""
    process = subprocess.Popen([sys.executable, str(EXAMPLES / "django_outbox.py")], env=environ)
    try:
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def enqueued(store: "redis.Redis") -> dict[str, list[str]]:
    """Types and names of the events that wait, by contact; each messageId once."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for key in store.keys(Keys("loops").outbox + "*"):
        for raw in store.lrange(key, 0, -1):
            entry = read_entry(raw if isinstance(raw, bytes) else raw.encode())
            found[str(key)].setdefault(entry.message_id, (entry.event or {}).get("event", "identify"))
    return {contact: list(names.values()) for contact, names in found.items()}


def test_what_is_written_with_the_data_arrives_in_order_and_once(libraries: Path, tmp_path: Path) -> None:
    database = tmp_path / "db.sqlite3"
    path = os.pathsep.join(map(str, (EXAMPLES, libraries)))
    with EmbeddedRedis(tmp_path) as server, redis.Redis.from_url(server.url) as store:
        environ = {**os.environ, "PYTHONPATH": path, "DATABASE": str(database), "SEGUE_REDIS_URL": server.url}
        server.kill()
        site = [sys.executable, str(HERE / "django_site.py"), str(database)]
        done = subprocess.run(site, env=environ, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        with handing_on(environ):
            server.start()
            wait_until(lambda: sum(map(len, enqueued(store).values())) >= 5)
        # It was killed in the middle, or at the end: the next one goes on, and what it hands on again is the same event.
        with handing_on(environ):
            wait_until(lambda: sum(map(len, enqueued(store).values())) == 20, within_s=120)
        assert list(enqueued(store).values()) == [["identify", "User Registered"]] * 10
