import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from fakeredis import FakeRedis, FakeServer

from segue_producer.keys import Keys
from segue_worker.dashboard import Dashboard, create_app
from segue_worker.dashboard.sessions import Sessions
from segue_worker.dashboard.throttle import Throttle
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.outgoing import Outgoing, Parked, Ref

KEYS: Final = Keys("loops")
TOKEN: Final = "a-token-for-tests-only"  # noqa: S105 - nothing to protect
ORIGIN: Final = "http://dashboard.test"
NOW_MS: Final = 1_700_000_000_000
EMAIL: Final = "ada@example.com"
CONFIG: Final = """
destinations:
  - name: loops
    api_key: an-api-key-nobody-may-see
    mappings:
      - {name: Sync contacts, action: createOrUpdateContact, trigger: 'type = "track" or type = "identify"'}
      - {name: Send events, action: sendEvent, enabled: false}
"""


class FrozenClock:
    def __init__(self) -> None:
        self.now = NOW_MS / 1000

    def __call__(self) -> float:
        return self.now


class HttpVisitor:
    """A browser, as far as forms and cookies go."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.csrf = ""

    async def get(self, path: str) -> httpx.Response:
        return self._seen(await self.client.get(path))

    async def post(self, path: str, fields: dict[str, Any], *, origin: str | None = ORIGIN) -> httpx.Response:
        headers = {} if origin is None else {"origin": origin}
        return self._seen(await self.client.post(path, data={"csrf": self.csrf, **fields}, headers=headers))

    async def sign_in(self, token: str = TOKEN, **fields: str) -> httpx.Response:
        await self.get("/sign-in")
        return await self.post("/sign-in", {"token": token, **fields})

    def _seen(self, answer: httpx.Response) -> httpx.Response:
        if found := re.search(r'name="csrf" value="(\w+)"', answer.text):
            self.csrf = found.group(1)
        return answer


@pytest.fixture
def server() -> FakeServer:
    return FakeServer(version=(6, 2))


@pytest.fixture
def redis(server: FakeServer) -> Iterator[FakeRedis]:
    with FakeRedis(server=server) as client:
        yield client


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def hints() -> list[str]:
    return []


@pytest.fixture
def dashboard(redis: FakeRedis, tmp_path: Path, clock: FrozenClock, hints: list[str]) -> Dashboard:
    config = tmp_path / "segue.yaml"
    config.write_text(CONFIG)
    sessions = Sessions(TOKEN, clock=clock)
    return Dashboard(redis, config, sessions, hints.append, throttle=Throttle(clock=clock), clock=clock)


@pytest.fixture
async def stranger(dashboard: Dashboard) -> AsyncIterator[HttpVisitor]:
    """Somebody who has not signed in."""
    transport = httpx.ASGITransport(create_app(dashboard), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield HttpVisitor(client)


@pytest.fixture
async def visitor(stranger: HttpVisitor) -> HttpVisitor:
    """Somebody who has."""
    await stranger.sign_in()
    await stranger.get("/")
    return stranger


@pytest.fixture
def park(redis: FakeRedis) -> Callable[..., None]:
    """Park a contact."""

    def record(
        contact: str = EMAIL,
        *,
        due: int = NOW_MS * 2,
        lease: str = "",
        because: str = "503",
        since: int = NOW_MS - 9000,
    ) -> None:
        body = f'{{"email":"{EMAIL}","eventName":"Signed Up"}}'.encode()
        request = Outgoing("POST", "/events/send", body, "a-key", (Ref(0, "Send events"),))
        redis.hset(KEYS.parked, contact, Parked(3, NOW_MS, due, because, request, since).to_json())
        redis.zadd(KEYS.away, {contact: due})
        redis.rpush(
            KEYS.outbox + contact, f'{{"type":"track","event":"Signed Up","messageId":"m1","userId":"{contact}"}}'
        )
        if lease:
            redis.hset(KEYS.lease, contact, lease)

    return record


@pytest.fixture
def bury(redis: FakeRedis) -> Callable[..., DeadLetter]:
    """Record a dead letter."""

    def record(
        *, contact: str = EMAIL, at: int = NOW_MS, reason: str = "refused", event: str = "Signed Up", **fields: Any
    ) -> DeadLetter:
        text = f'{{"type":"track","event":"{event}","messageId":"m1","userId":"{contact}"}}'
        request = {"method": "POST", "path": "/events/send", "body": f'{{"email":"{EMAIL}","plan":"Pro"}}'}
        answer = {"status": 400, "text": f'{{"message":"{EMAIL} is wrong"}}'}
        known = {"mappings": ("Sync contacts",), "message_ids": ("m1",), "request": request, "answer": answer}
        known |= {"detail": f"Loops answered 400 for {EMAIL}", "events": (text,)}
        letter = DeadLetter(reason=reason, contact=contact, at=at, **{**known, **fields})
        redis.hset(KEYS.dead, letter.id, letter.to_json())
        redis.zadd(KEYS.dead_at, {letter.id: at})
        return letter

    return record
