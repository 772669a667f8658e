from collections.abc import Iterator

import httpx
import pytest

from segue_sandbox.core import Sandbox
from segue_sandbox.switches import Switches
from tests.unit.sandbox.in_process import ManualClock, SandboxTransport


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sandbox(clock: ManualClock) -> Sandbox:
    return Sandbox(Switches(rate_limit=1000), clock=clock)


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    headers = {"Authorization": "Bearer sandbox-acme"}
    with httpx.Client(base_url="http://sandbox/api/v1", transport=SandboxTransport(sandbox), headers=headers) as client:
        yield client
