import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from segue_sandbox.embedded_redis import EmbeddedRedis
from tests import needs

from .browser import DashboardProcess, open_browser
from .stack import Stack


@pytest.fixture
def make_stack(redis_server: EmbeddedRedis, tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Make the one stack of a test."""
    with ExitStack() as exits:

        def make(**options: Any) -> Stack:
            return exits.enter_context(Stack(redis_server, tmp_path, **options))

        yield make


@pytest.fixture
def dashboard(stack: Stack) -> Iterator[DashboardProcess]:
    """The dashboard of a module's own stack."""
    with DashboardProcess(stack) as process:
        yield process


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and certificates of a server called localhost and of a client."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run([needs.OPENSSL, *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    usage = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test", *usage)
    for name in ("server", "client"):
        names = ("-addext", "subjectAltName=DNS:localhost")
        openssl("req", *key[:-2], "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}", *names)
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy", "-days", "2")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)
    return folder
