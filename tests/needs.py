"""What some tests need of the machine: where it is missing they are skipped, and the summary says what would help."""

import os
import shutil
import subprocess
from typing import Final

import pytest


def _program(*names: str) -> str:
    """The first of the programs that is on PATH, or ""."""
    return next(filter(None, map(shutil.which, names)), "")


def _rabbitmq_server() -> str:
    """The server itself: what is on PATH changes to a user of its own first, and so needs root."""
    debian = "/usr/lib/rabbitmq/bin/rabbitmq-server"
    return debian if os.access(debian, os.X_OK) else _program("rabbitmq-server")


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
REDIS_SERVER: Final = _program("redis-server")
OPENSSL: Final = _program("openssl")
RABBITMQ_SERVER: Final = _rabbitmq_server()

chromium = pytest.mark.skipif(not CHROMIUM, reason="needs chromium (Debian's package chromium)")
node = pytest.mark.skipif(not (NODE and NPM), reason="needs node and npm (Debian's packages nodejs and npm)")
curl = pytest.mark.skipif(not CURL, reason="needs curl (Debian's package curl)")
promtool = pytest.mark.skipif(not PROMTOOL, reason="needs promtool (Debian's package prometheus)")
openssl = pytest.mark.skipif(not OPENSSL, reason="needs openssl (Debian's package of that name)")
redis_with_tls = pytest.mark.skipif(
    not (REDIS_SERVER and OPENSSL), reason="needs redis-server and openssl (Debian's packages of these names)"
)
rabbitmq = pytest.mark.skipif(not RABBITMQ_SERVER, reason="needs rabbitmq-server (Debian's package of that name)")
docker_compose = pytest.mark.skipif(not _has_docker_compose(), reason="needs docker compose (Docker's own package)")
