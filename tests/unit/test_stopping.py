"""A worker's stop that hangs is ended."""

import subprocess
import sys
from pathlib import Path

HANGS = """
import signal, time
from segue_worker import celery

celery.RUN_S = celery.SHUTDOWN_S = 0
celery.config()
celery._stop()
assert celery.stopping()
until, _ = signal.getitimer(signal.ITIMER_REAL)
assert 0 < until <= 1, until
time.sleep(60)
"""


def test_a_stop_that_hangs_is_ended_as_asked_and_said(tmp_path: Path) -> None:
    config = tmp_path / "segue.yaml"
    config.write_text(
        "destinations: [{name: a, api_key: k, timeout: 1s}, {name: b, api_key: l, timeout: 1s}]", encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-c", HANGS],
        env={"SEGUE_CONFIG": str(config)},
        timeout=50,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stderr == (
        "The shutdown took too long (is Redis down?), so the worker exits now; other workers continue its work\n"
    )
    assert done.returncode == 0
