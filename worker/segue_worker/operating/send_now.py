"""Sends requests to Loops at once, without the outbox: what `segue send` does."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from segue_worker.config import Destination
from segue_worker.delivery.requests import EVENTS_PATH, idempotency_key
from segue_worker.loops import Answer, LoopsClient, NoAnswerError
from segue_worker.mapping import Request, encode_body


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a request.

    Attributes:
        request: what was sent.
        key: its Idempotency-Key, or None.
        status: of the answer, or None where none came.
        text: the body of the answer, or why there is none.
        ms: how long it took until then.
        delivered: whether Loops accepted it.
    """

    request: Request
    key: str | None
    status: int | None
    text: str
    ms: int
    delivered: bool


async def send_now(destination: Destination, requests: Sequence[Request], message_id: str) -> list[Sent]:
    """Send requests one after the other, each once. If one fails, the next are sent nevertheless.

    Args:
        destination: the destination to send them to.
        requests: of one event.
        message_id: the event's. The Idempotency-Keys are derived from it and differ from call to call.
    """
    variant = uuid4().hex
    sent = []
    async with LoopsClient(
        destination.base_url, destination.api_key.get_secret_value(), timeout=destination.timeout.total_seconds()
    ) as client:
        for request in requests:
            key = None
            if request.path == EVENTS_PATH:
                key = idempotency_key(destination.name, request.mapping, message_id, variant)
            started = time.perf_counter()
            answer = await _answer(client, request, key)
            ms = round((time.perf_counter() - started) * 1000)
            if isinstance(answer, Answer):
                sent.append(Sent(request, key, answer.status, answer.text, ms, answer.delivered))
            else:
                sent.append(Sent(request, key, None, str(answer), ms, delivered=False))
    return sent


async def _answer(client: LoopsClient, request: Request, key: str | None) -> Answer | NoAnswerError:
    try:
        return await client.send(request.method, request.path, encode_body(request.body), idempotency_key=key)
    except NoAnswerError as error:
        return error
