"""The commands on a terminal of 80 columns, and in a pipe whose reader has seen enough."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from contextlib import suppress

import pytest

from .commands import segue, start
from .stack import API_KEY, KEYS, MakeStack, Stack, wait_until

WIDTH = 80


def on_terminal(stack: Stack, *arguments: str) -> tuple[int, list[str]]:
    """What a command prints on a terminal, stderr included, line by line, and its exit code."""
    code, said = printed(stack, *arguments)
    return code, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said).replace("\r\n", "\n").split("\n")


def printed(stack: Stack, *arguments: str, **variables: str) -> tuple[int, str]:
    """The same as it comes, with what steers the terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    environ |= {"SEGUE_REDIS_URL": stack.server.url, **stack.broker_environ, "LOOPS_API_KEY": API_KEY}
    environ |= {"SEGUE_CONFIG": str(stack.config), "TERM": "xterm", **variables}
    command = [sys.executable, "-m", "segue_worker.cli", *arguments]
    said = b""
    with subprocess.Popen(command, env=environ, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        # A terminal ends with an error once nobody has it open any more.
        with suppress(OSError):
            while part := os.read(ours, 65536):
                said += part
        os.close(ours)
        code = process.wait(60)
    return code, said.decode()


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    """A stack with a dead letter and a parked event, both of one person."""
    stack = make_stack()
    stack.sandbox.faults([{"status": 400, "event": "Refused"}, {"status": 503, "event": "Failing"}])
    stack.worker()
    for name in ("Delivered", "Refused", "Failing"):
        stack.producer.track("ada", f"{name}", {"email": "ada@example.com"}, message_id=f"{name}-{'0' * 28}")
    wait_until(lambda: stack.redis.hlen(KEYS.parked) == 1 and stack.redis.hlen(KEYS.dead) == 1)
    return stack


def test_every_view_fits_80_columns_and_breaks_no_id(stack: Stack) -> None:
    (letter,) = segue(stack, "dead", "list", "--json")
    views = {
        ("status",): ("loops",),
        ("check",): ("loops",),
        ("doctor",): (),
        ("tail", "--since", "1h", "--until", "0s"): (letter["id"], *letter["messageIds"]),
        ("trace", letter["messageIds"][0]): (letter["id"], *letter["messageIds"]),
        ("trace", "--contact", "ada"): (letter["id"], *letter["messageIds"]),
        ("dead", "list"): (letter["id"],),
        ("dead", "list", "--reveal"): (letter["id"], "ada"),
        ("dead", "show", letter["id"]): (letter["id"], *letter["messageIds"]),
        ("pause", "loops", "--reason", "a reason of quite a few words, so that it does not fit one line"): ("loops",),
        ("trace", "--contact", "nobody@example.com"): (),
    }
    for arguments, ids in views.items():
        _, lines = on_terminal(stack, *arguments)
        # A word that is longer, such as the path of a file, stays whole.
        assert [line for line in lines if len(line) > WIDTH and " " in line.strip()] == [], arguments
        words = re.split(r"[\s()',;]+", "\n".join(lines))
        assert set(ids) <= set(words), arguments


def test_irreversible_commands_ask_and_without_a_terminal_want_yes(stack: Stack) -> None:
    (letter,) = segue(stack, "dead", "list", "--json")
    for arguments in (("dead", "drop", letter["id"]), ("dead", "drop", "--all"), ("forget", "ada")):
        with start(stack, *arguments) as process:
            _, stderr = process.communicate(timeout=60)
        assert (process.returncode, "Add --yes" in stderr) == (2, True), arguments
    assert stack.redis.hlen(KEYS.dead) == 1
    segue(stack, "dead", "drop", letter["id"], "--yes")
    assert stack.redis.hlen(KEYS.dead) == 0


def test_a_reader_who_has_seen_enough_ends_a_command_quietly(stack: Stack) -> None:
    for arguments in (
        ("tail", "--since", "1h"),
        ("tail", "--since", "1h", "--json"),
        ("trace", "--contact", "ada"),
        ("dead", "list"),
        ("status", "--watch"),
        ("status", "--json"),
        ("metrics",),
        ("--help",),
    ):
        with start(stack, *arguments) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            stack.producer.track("ada", "Delivered")
            said = process.stderr.read()
            process.wait(60)
        assert not re.search(r"Traceback|[Ee]rror|d(?:id|oes) not answer", said), (arguments, said)


def test_colours_are_left_out_where_they_are_not_wanted(stack: Stack) -> None:
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b[" not in printed(stack, "doctor", **variables)[1]
    assert "\x1b[32m" in printed(stack, "doctor")[1]


def test_a_closed_stream_is_no_fault_of_a_command(stack: Stack) -> None:
    environ = os.environ | {"SEGUE_REDIS_URL": stack.server.url, "SEGUE_CONFIG": str(stack.config)}
    for arguments, closed, code in (
        ("status", ">&-", 0),
        ("status --json", "<&- >&- 2>&-", 0),
        ("dead drop loops --all", "<&-", 2),
        ("pause nowhere", "2>&-", 2),
    ):
        command = f'"{sys.executable}" -m segue_worker.cli {arguments} {closed}'
        done = subprocess.run(["/bin/sh", "-c", command], env=environ, stderr=subprocess.PIPE, timeout=60, check=False)
        assert (done.returncode, b"Traceback" in done.stderr) == (code, False), (arguments, closed)


def test_a_terminal_that_cannot_be_steered_shows_each_second_of_a_watch(stack: Stack) -> None:
    ours, theirs = pty.openpty()
    environ = os.environ | {"SEGUE_REDIS_URL": stack.server.url, "SEGUE_CONFIG": str(stack.config), "TERM": "dumb"}
    command = [sys.executable, "-m", "segue_worker.cli", "status", "--watch"]
    said = b""
    with subprocess.Popen(command, env=environ, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        while said.count(b"in bulk") < 2:
            said += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        with suppress(OSError):
            while os.read(ours, 65536):
                pass
    os.close(ours)
