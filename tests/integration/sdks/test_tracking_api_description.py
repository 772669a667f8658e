"""schemathesis, which reads the OpenAPI description and tries to make the Tracking API break it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from segue_sandbox.embedded_redis import EmbeddedRedis
from tests.integration.tracking import WRITE_KEY, TrackingApiProcess, write_config

CHECKS: Final = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,allow_header_conformance,unsupported_method"
)
SLOWEST_ANSWER_S: Final = 10
PATHS: Final = ("/v1/batch", "/v1/identify", "/v1/track", "/v1/page", "/healthz", "/readyz")
"""One of each kind: the others are the same under another name."""


@pytest.fixture(scope="module")
def schemathesis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with schemathesis in it, apart from what the project depends on."""
    target = tmp_path_factory.mktemp("schemathesis")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(target)]
    subprocess.run([*pip, "schemathesis==4.32.5"], check=True, capture_output=True, timeout=180)
    return target


@pytest.fixture
def api(redis_server: EmbeddedRedis, tmp_path: Path) -> Iterator[TrackingApiProcess]:
    with TrackingApiProcess(write_config(tmp_path), redis_server.url) as process:
        yield process


@pytest.mark.parametrize(("user", "paths"), [(WRITE_KEY, PATHS), ("wrong", PATHS[:1])], ids=["let in", "kept out"])
def test_every_answer_is_as_described(
    api: TrackingApiProcess, schemathesis: Path, tmp_path: Path, user: str, paths: tuple[str, ...]
) -> None:
    options = ["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--seed", "1"]
    # How quickly it thinks of requests says nothing of the answers.
    options += ["--suppress-health-check", "too_slow"]
    options += ["--request-timeout", str(SLOWEST_ANSWER_S), "--auth", f"{user}:", "--generation-database", "none"]
    options += [part for path in paths for part in ("--include-path", path)]
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"{api.url}/openapi.json", *options, "--no-color"],
        env={**os.environ, "PYTHONPATH": str(schemathesis), "NO_PROXY": "127.0.0.1"},
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"{len(paths)} selected" in done.stdout
    assert api.process.poll() is None
    assert not any("a request failed" in line for line in api.said)
