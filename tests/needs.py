"""What some tests need of the machine: where it is missing they are skipped, and the summary says what would help."""

import shutil
import subprocess
from typing import Final

import pytest


def _program(*names: str) -> str:
    """The first of the programs that is on PATH, or ""."""
    return next(filter(None, map(shutil.which, names)), "")


def _has_docker_compose() -> bool:
    docker = _program("docker")
    return (
        bool(docker) and not subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode
    )


CHROMIUM: Final = _program("chromium", "chromium-browser", "google-chrome")
NODE: Final = _program("node")
NPM: Final = _program("npm")
CURL: Final = _program("curl")
PROMTOOL: Final = _program("promtool")

chromium = pytest.mark.skipif(not CHROMIUM, reason="needs chromium (Debian's package chromium)")
node = pytest.mark.skipif(not (NODE and NPM), reason="needs node and npm (Debian's packages nodejs and npm)")
curl = pytest.mark.skipif(not CURL, reason="needs curl (Debian's package curl)")
promtool = pytest.mark.skipif(not PROMTOOL, reason="needs promtool (Debian's package prometheus)")
docker_compose = pytest.mark.skipif(not _has_docker_compose(), reason="needs docker compose (Docker's own package)")
