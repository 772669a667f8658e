"""How a worker ends that cannot start."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("SEGUE_REDIS_URL", "redis://redis..internal"),
        ("SEGUE_REDIS_URL", "redis://h?foo=bar"),
        ("SEGUE_REDIS_URL", "redis://user:secret@h:99999"),
        ("SEGUE_REDIS_URL", "redis://h/segue"),
        ("SEGUE_BROKER_URL", "amqp://user:secret@h:99999"),
    ],
)
def test_a_url_that_cannot_be_used_ends_it_with_a_line(variable: str, url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "segue_worker", "worker"],
        env={**os.environ, variable: url},
        timeout=50,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert variable in done.stderr
    assert "secret" not in done.stderr
