"""The SDKs that people have, as published, against a live Tracking API, a worker and a Loops sandbox."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from segue_sandbox.embedded_redis import EmbeddedRedis, free_port
from tests import needs
from tests.integration.stack import API_KEY, Stack, wait_until
from tests.integration.tracking import WRITE_KEY, TrackingApiProcess, write_config

from .installed import NODE_SDKS, PYTHON_SDKS, Installed, Sdk, finish

COUNT: Final = 25
"""Events each SDK tracks: more than one batch for some."""

each_sdk = pytest.mark.parametrize(
    "sdk",
    [*PYTHON_SDKS, *(pytest.param(sdk, marks=needs.node) for sdk in NODE_SDKS)],
    ids=lambda sdk: sdk.name,
)


class Route:
    """The whole way: Tracking API, Redis, worker, sandbox; and the SDKs at its beginning."""

    def __init__(self, directory: Path, exits: ExitStack, installed: Installed) -> None:
        self.installed = installed
        self.redis = exits.enter_context(EmbeddedRedis())
        self.stack = exits.enter_context(Stack(self.redis, directory, rate_limit=1000, coalesce="off"))
        self.stack.worker(wait=False)
        self.page_port = free_port()
        self.config = write_config(directory, base_url=self.stack.sandbox.base_url, api_key=API_KEY)
        origin = f"http://127.0.0.1:{self.page_port}"
        self.api = exits.enter_context(TrackingApiProcess(self.config, self.redis.url, "--cors-origin", origin))

    def arrived(self, user: str) -> list[dict[str, Any]]:
        """The requests about a user, in order of arrival."""
        return [dict(each) for each in self.stack.sandbox.requests() if (each["body"] or {}).get("userId") == user]

    def assert_arrived(self, user: str, count: int) -> None:
        """Everything arrived as Segment's destination would send it; nothing is lost, and nothing doubled.

        In no order: SDKs send batches at the same time.
        """
        wait_until(lambda: len(self.arrived(user)) >= count + 1)
        wait_until(lambda: self.stack.pending == 0)
        arrived = self.arrived(user)
        (contact,) = (each["body"] for each in arrived if each["path"] == "/contacts/update")
        expected = {"email": f"{user}@example.com", "userId": user, "firstName": "Ada", "plan": "Pro"}
        assert {name: contact.get(name) for name in expected} == expected
        events = [each["body"] for each in arrived if each["path"] == "/events/send"]
        assert {each["eventName"] for each in events} == {"Order Completed"}
        properties = sorted((each["eventProperties"] for each in events), key=lambda each: each["number"])
        assert properties == [{"number": number, "price": 12.5} for number in range(count)]


@pytest.fixture(scope="module")
def route(tmp_path_factory: pytest.TempPathFactory, installed: Installed) -> Iterator[Route]:
    with ExitStack() as exits:
        yield Route(tmp_path_factory.mktemp("route"), exits, installed)


@each_sdk
def test_what_an_sdk_sends_arrives(route: Route, sdk: Sdk) -> None:
    user = f"{sdk.slug}-gzip"
    finish(route.installed.start(sdk, route.api.url, WRITE_KEY, user, str(COUNT)))
    route.assert_arrived(user, COUNT)


@each_sdk
def test_what_an_sdk_lets_through_is_taken(route: Route, sdk: Sdk) -> None:
    """Ids that are numbers, half a surrogate pair, a choice that is none, and in Node a time in words."""
    user = f"odd-{sdk.slug}"
    finish(route.installed.start(sdk, route.api.url, WRITE_KEY, user, "1"))
    # SDKs for Python send 777.0 as the text "777.0", which is another id than "777".
    python = {"9007199254740992": 1, "9007199254740993": 1, "777": 2, "777.0": 1}
    expected = Counter(python if sdk.is_python else {"9007199254740992": 1, "777": 3})

    def found() -> Counter[str]:
        sent = [each["body"] or {} for each in route.stack.sandbox.requests()]
        odd = [body for body in sent if body.get("eventName") == user]
        assert {body["eventProperties"]["text"] for body in odd} <= {"a\ufffdb"}
        return Counter(body["userId"] for body in odd)

    wait_until(lambda: found() == expected)


@each_sdk
def test_an_outage_loses_and_doubles_nothing(route: Route, sdk: Sdk) -> None:
    user = f"{sdk.slug}-outage"
    # One of its own, since it says only once in a while that events are refused.
    with TrackingApiProcess(route.config, route.redis.url) as api:
        route.redis.kill()
        process = route.installed.start(sdk, api.url, WRITE_KEY, user, str(COUNT))
        try:
            wait_until(lambda: any("Refusing events" in line for line in api.said))
        finally:
            route.redis.start()
            finish(process)
    route.assert_arrived(user, COUNT)


@needs.node
@needs.chromium
def test_a_page_sends_from_another_origin(route: Route) -> None:
    user = "browser"
    arguments = (needs.CHROMIUM, str(route.page_port), route.api.url, WRITE_KEY, user)
    seen = json.loads(finish(route.installed.start_node("browser.mjs", *arguments)))
    assert seen["problems"] == []
    assert sorted(seen["answers"]) == [["/v1/i", 200], ["/v1/p", 200], ["/v1/t", 200]]
    assert set(seen["preflights"]) == {"/v1/i", "/v1/p", "/v1/t"}
    route.assert_arrived(user, 1)
