"""`segue demo` as a newcomer runs it, interrupted, and with a part that dies."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from segue_sandbox.demo.scenario import Chapter, Planned, identify
from segue_sandbox.demo.verdicts import judge

from .stack import wait_until

COMMAND = (sys.executable, "-m", "segue_worker.cli", "demo")
PROCESS = re.compile(r"process (\d+): ")


@contextmanager
def running_demo(*options: str) -> Iterator["subprocess.Popen[str]"]:
    """The demo in a process group of its own, with both outputs in one pipe."""
    with subprocess.Popen(
        [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def read_until(process: "subprocess.Popen[str]", text: str) -> str:
    """What the demo says up to the line that has the text."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{text!r} was never said:\n{said}")


def started(said: str) -> list[int]:
    """Process ids of Redis, the sandbox and the worker."""
    pids = [int(pid) for pid in PROCESS.findall(said)]
    assert len(pids) == 3
    return pids


def group_is_gone(pid: int) -> bool:
    """Whether neither the process nor any of its group is left."""
    for probe in (os.kill, os.killpg):
        try:
            probe(pid, 0)
        except ProcessLookupError:
            continue
        return False
    return True


def assert_nothing_left(pids: list[int]) -> None:
    wait_until(lambda: all(map(group_is_gone, pids)), within_s=10)


def test_the_demo_keeps_every_promise_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        COMMAND, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for line in (
        r"67 +events enqueued",
        r"43 took effect",
        r"19 +requests saved by merging updates",
        r"4 +requests saved by dropping duplicates",
        r"1 +answers? 429",
        r"1 +dead letter, kept with its reason",
        r"delivered: 20 in one request",
        r"delivered after 2 retries",
        r"dropped: a duplicate",
        r"dead letter: Loops answered 400",
        r"500 \(injected\)",
        r"429 \(injected\)",
        r"Every event was delivered once and in order, or is explained",
        r"worker stopped\nLoops stopped\nRedis stopped",
        r"Where to go next",
    ):
        assert re.search(line, done.stdout), line
    assert_nothing_left(started(done.stdout))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("send", "number"),
    [
        pytest.param(os.killpg, signal.SIGINT, id="Ctrl-C in a terminal"),
        pytest.param(os.kill, signal.SIGTERM, id="kill"),
    ],
)
def test_an_interrupted_demo_stops_everything_and_says_so(
    send: Callable[[int, int], None], number: signal.Signals
) -> None:
    with running_demo() as process:
        said = read_until(process, "One contact's events stay in order")
        send(process.pid, number)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "The demo was stopped; nothing is left running" in rest
    assert "Traceback" not in rest
    assert_nothing_left([*started(said), process.pid])


def test_the_demo_fails_with_a_message_when_its_worker_dies() -> None:
    with running_demo() as process:
        said = read_until(process, "worker  process")
        os.killpg(started(said)[2], signal.SIGKILL)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the worker ended. The end of its log:" in rest
    assert "Traceback" not in rest
    assert_nothing_left([*started(said), process.pid])


def test_the_demo_kept_running_says_how_to_use_it_and_ends_well() -> None:
    with running_demo("--keep") as process:
        said = read_until(process, "Ctrl-C stops it all")
        url = re.search(r"export SEGUE_REDIS_URL=(\S+)", said)
        assert url
        enqueue = f"from segue_producer import Producer; Producer({url[1]!r}).track('adam', 'Clicked')"
        subprocess.run([sys.executable, "-c", enqueue], check=True, timeout=30)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert_nothing_left([*started(said), process.pid])


def test_a_missing_extra_is_named() -> None:
    hide = "import sys; sys.modules['uvicorn'] = None; from segue_worker.cli import segue; segue.main(['demo'])"
    done = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("uvicorn is not installed; this needs: ")
    assert done.stderr.endswith(' -m pip install "segue[demo]"\n')


def record(n: int, body: dict[str, Any], *, status: int = 200) -> Any:
    """A contact update as the sandbox's ledger has it."""
    return {
        "n": n,
        "path": "/contacts/update",
        "body": body,
        "status": status,
        "applied": status == 200,
        "idempotency_key": None,
    }


ADA = {"userId": "ada", "email": "ada@example.com", "plan": "trial"}
ADA_LATER = {"userId": "ada", "plan": "pro"}
TWO_UPDATES = Chapter(
    title="",
    text="",
    planned=(
        Planned(identify("ada", "m1", email="ada@example.com", plan="trial")),
        Planned(identify("ada", "m2", plan="pro")),
    ),
    effects=2,
)


def test_the_demo_believes_what_loops_received() -> None:
    assert judge(TWO_UPDATES, [record(1, ADA), record(2, ADA_LATER)], [], []).problems == ()


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ([record(1, ADA)], "m2: should be delivered, but is unknown"),
        ([record(1, ADA), record(2, ADA_LATER, status=500)], "m2: should be delivered, but is unknown"),
        ([record(1, ADA_LATER), record(2, ADA)], "m2: left after a later event of the same contact"),
        ([record(1, ADA), record(2, ADA_LATER), record(3, ADA_LATER)], "requests that took effect at Loops: 3"),
        ([record(1, {**ADA, "plan": "pro"})], "m1: should be delivered, but is merged"),
    ],
)
def test_the_demo_notices_what_was_lost_doubled_or_out_of_order(records: list[Any], problem: str) -> None:
    assert any(problem in each for each in judge(TWO_UPDATES, records, [], []).problems)
