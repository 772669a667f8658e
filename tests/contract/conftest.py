"""The same expectations against the sandbox and, with LOOPS_API_KEY set, against Loops itself.

Against Loops: use a key of a team kept for tests. Every contact made has an `@example.com` address and is deleted
afterwards; events are all named `Segue contract test`, so have no workflow listen to that name.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest

from segue_sandbox.switches import Switches
from tests.sandbox_server import SandboxServer

LOOPS_KEY = os.environ.get("LOOPS_API_KEY")
LOOPS_URL = os.environ.get("LOOPS_BASE_URL", "https://app.loops.so/api/v1")
LOOPS_SPACING_S = 0.2
TARGETS = ["sandbox", "loops"] if LOOPS_KEY else ["sandbox"]


@pytest.fixture(scope="session", params=TARGETS)
def api(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    if request.param == "loops":
        # Half the documented limit: the team's other senders share it.
        pace = {"request": [lambda _: time.sleep(LOOPS_SPACING_S)]}
        headers = {"Authorization": f"Bearer {LOOPS_KEY}"}
        with httpx.Client(base_url=LOOPS_URL, headers=headers, timeout=30, event_hooks=pace) as client:
            yield client
        return
    with SandboxServer(Switches(rate_limit=10_000)) as server:
        headers = {"Authorization": "Bearer sandbox-contract"}
        with httpx.Client(base_url=server.base_url, headers=headers, trust_env=False) as client:
            yield client


@pytest.fixture
def new_email(api: httpx.Client) -> Iterator[Callable[[], str]]:
    made: list[str] = []

    def make() -> str:
        made.append(f"segue-contract-{uuid.uuid4().hex}@example.com")
        return made[-1]

    yield make
    for email in made:
        api.post("/contacts/delete", json={"email": email})


@pytest.fixture
def email(new_email: Callable[[], str]) -> str:
    return new_email()


@pytest.fixture
def user_id() -> str:
    return f"segue-contract-{uuid.uuid4().hex}"
