"""The `segue` command as people run it: a process of its own."""

import json
import os
import subprocess
import sys
from typing import Any

from .stack import API_KEY, Stack


def start(stack: Stack, *arguments: str) -> "subprocess.Popen[str]":
    """Start `segue` against a stack."""
    environ = {
        "SEGUE_REDIS_URL": stack.server.url,
        **stack.broker_environ,
        "SEGUE_CONFIG": str(stack.config),
        "LOOPS_API_KEY": API_KEY,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "segue_worker.cli", *arguments],
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def segue(stack: Stack, *arguments: str) -> Any:
    """Run `segue` to its end, which must be a good one. Returns the JSON it prints, if it prints any."""
    with start(stack, *arguments) as process:
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    return json.loads(stdout) if stdout else None
