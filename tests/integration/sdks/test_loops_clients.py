"""Clients for Loops, as published, against the sandbox: what they send is taken, what they read is there."""

from collections.abc import Iterator

import pytest

from segue_sandbox.switches import Switches
from tests import needs
from tests.sandbox_server import SandboxServer

from .installed import LOOPS_CLIENTS, Installed, Sdk, finish


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with SandboxServer(Switches(rate_limit=10_000)) as server:
        yield server.base_url.removesuffix("v1")


@pytest.mark.parametrize(
    "client",
    [each if each.is_python else pytest.param(each, marks=needs.node) for each in LOOPS_CLIENTS],
    ids=lambda client: client.name,
)
def test_every_documented_call_succeeds_or_gives_the_documented_error(
    installed: Installed, url: str, client: Sdk
) -> None:
    finish(installed.start(client, url, "sandbox-clients", client.slug))
