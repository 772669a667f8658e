"""Every page of a large installation is small enough to be looked at, and rendered again every few seconds."""

import html
import logging
import re
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from segue_worker.dashboard import create_app

from .browser import TOKEN, DashboardProcess
from .dashboard_store import ALWAYS_THERE, DESTINATIONS, MAPPINGS, fill
from .stack import KEYS, MakeStack, Stack

log = logging.getLogger(__name__)
LARGEST = 200_000
"""Bytes, before any compression."""
TIMES = 3
"""How often a page is asked for; the fastest counts, for what is printed."""


class Reader:
    """Somebody who has signed in, and notes how large each page was, and how long the server took for it."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60, headers={"origin": url})
        self.url = url
        self.csrf = ""
        self.seen: dict[str, tuple[int, float]] = {}
        self.get("/sign-in")
        self.post("/sign-in", token=TOKEN)
        self.get("/")

    def get(self, path: str) -> str:
        return self._seen(path, lambda: self.http.get(path))

    def post(self, path: str, **fields: str) -> str:
        shown = f"POST {path} {' '.join(f'{name}={value[:20]}' for name, value in fields.items() if name != 'token')}"
        return self._seen(shown, lambda: self.http.post(path, data={"csrf": self.csrf, **fields}))

    def _seen(self, name: str, ask: Callable[[], httpx.Response]) -> str:
        took = []
        for _ in range(TIMES if name.startswith("/") else 1):
            began = time.perf_counter()
            answer = ask()
            took.append(time.perf_counter() - began)
        assert answer.status_code in {200, 303}, (name, answer.status_code)
        if answer.headers.get("content-type", "").startswith("text/html"):
            self.seen[name] = len(answer.content), min(took)
        if found := re.search(r'name="csrf" value="(\w+)"', answer.text):
            self.csrf = found[1]
        return str(answer.headers.get("location", answer.text))


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    stack = make_stack(mappings=MAPPINGS)
    fill(stack)
    return stack


def link(text: str, start: str) -> str:
    return next(part.split('"')[0] for part in text.split('href="')[1:] if part.startswith(start))


def visit(reader: Reader) -> Iterator[tuple[str, str]]:
    """Every page, in the ways in which it may become large: the route, and what was answered."""
    for path in ("/", "/?page=6", "/?search=team", "/?destination=loops", "/?destination=loops&range=7d"):
        yield "/", reader.get(path)
    for span in ("1h", "24h", "7d"):
        yield "/numbers/{destination}", reader.get(f"/numbers/loops?range={span}")
        yield "/series/{destination}", reader.get(f"/series/loops?range={span}")
    for query in (
        "",
        "destination=loops",
        "destination=loops&event=Event+1",
        "outcome=dead",
        "status=4xx",
        "event=None",
    ):
        yield "/events", reader.get(f"/events?{query}")
    yield (
        "/events",
        reader.get(html.unescape(link(reader.get("/events?destination=loops"), "/events?destination=loops&amp;"))),
    )
    retries = reader.get("/retries")
    yield "/retries", retries
    yield "/retries", reader.get("/retries?destination=loops")
    path = link(retries, "/retries/loops/")
    yield "/retries/{destination}/{handle}", reader.get(path)
    yield "/retries/{destination}/{handle}", reader.post(path)
    letters = reader.get("/dead?destination=loops")
    yield "/dead", letters
    for query in ("reason=refused", "event=Event+1", "mapping=Send+event+1", "since=1h", "event=None"):
        yield "/dead", reader.get(f"/dead?destination=loops&{query}")
    path = link(letters, "/dead/loops/")
    yield "/dead/{destination}/{letter}", reader.get(path)
    yield "/dead/{destination}/{letter}", reader.post(path)
    yield "/dead/confirm", reader.post("/dead/confirm", destination="loops", what="drop", everything="1")
    job = reader.post("/dead/start", destination="loops", what="drop", id=path.rpartition("/")[2])
    yield "/dead/start", job
    yield "/jobs/{job}", reader.get(job)
    for query in ("", "?page=20", "?search=loops", "?destination=loops"):
        yield "/mappings", reader.get(f"/mappings{query}")
    yield "/mappings/{destination}", reader.get("/mappings/loops?mapping=Sync%20contacts")
    event = '{"type": "track", "event": "x", "userId": "u1", "properties": {"note": "%s"}}' % ("n" * 30_000)
    yield "/mappings/preview", reader.post("/mappings/preview", destination="loops", by="file", event=event)
    yield "/schema", reader.get("/schema")
    yield "/lookup", reader.get("/lookup")
    for query in (ALWAYS_THERE, ALWAYS_THERE.upper(), "user-00001", "m-5000", "d-5000", "nobody"):
        yield "/lookup", reader.post("/lookup", query=query)
        yield "/lookup", reader.post("/lookup", query=query, shown="1")
    yield "/pause/{destination}", reader.get("/pause/loops")
    yield "/sign-in", reader.get("/sign-in")
    yield "/healthz", reader.get("/healthz")
    yield "/metrics", reader.get("/metrics")


NOT_PAGES = {"/retries/now", "/resume/{destination}", "/sign-out"}
"""Routes that answer with another page."""


def test_every_page_of_a_large_installation_is_small(
    stack: Stack, record_property: Callable[[str, object], None]
) -> None:
    routes = {route.path for route in create_app(None).routes if hasattr(route, "methods")}  # type: ignore[arg-type, attr-defined]
    with DashboardProcess(stack) as dashboard:
        reader = Reader(dashboard.url)
        assert f"{DESTINATIONS} destinations" in reader.get("/")
        visited = {route for route, _ in visit(reader)}
        reader.http.close()
    for name, (size, seconds) in reader.seen.items():
        record_property(name, f"{size / 1000:.1f} KB in {seconds * 1000:.0f} ms")
        log.info("%7.1f KB %7.0f ms  %s", size / 1000, seconds * 1000, name)
    assert visited == routes - NOT_PAGES
    assert {name: size for name, (size, _) in reader.seen.items() if size > LARGEST} == {}
    assert stack.redis.hlen(KEYS.dead) > 0
