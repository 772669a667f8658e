"""Handles a request with events, from its arrival to its answer."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from segue_producer.append import BATCH
from segue_producer.async_producer import AsyncProducer
from segue_producer.errors import EnqueueError, OutboxFull, OutboxUnavailable, UnknownDestination
from segue_producer.refusals import Refused, bury
from segue_producer.tracing import enqueueing
from segue_tracking_api import body, write_keys
from segue_tracking_api.answers import RequestRefused, error_response, refusal_response, success_response
from segue_tracking_api.counters import Counters
from segue_tracking_api.group_commit import GroupCommit
from segue_tracking_api.intake import Intake, MessageSorter, messages, pieces
from segue_tracking_api.limits import DISCARDED_BYTES, MAX_EVENTS, Limits
from segue_tracking_api.origins import Origins
from segue_tracking_api.write_keys import WriteKeys, WriteKeySource

log = logging.getLogger(__name__)

BUSY_RETRY_S: Final = 1
UNAVAILABLE_RETRY_S: Final = 5
FULL_RETRY_S: Final = 30


class RequestHandler:
    """Puts the events of requests into the outbox, and answers the requests.

    Args:
        keys: the write keys that are accepted.
        limits: limits of a request and of the process.
        counters: counts every request.
        client: client of the Redis that holds the outbox.
        origins: whose pages may send.
        redis_url: URL of the Redis that holds the outbox.
        broker_url: URL of the Celery broker for hints.
    """

    def __init__(  # noqa: PLR0913 - what a request needs, once
        self,
        keys: WriteKeys,
        limits: Limits,
        counters: Counters,
        client: Redis,
        *,
        origins: Origins,
        redis_url: str | None,
        broker_url: str | None,
    ) -> None:
        self._keys = keys
        self._spared = (0.0, 0)
        self._limits = limits
        self._counters = counters
        self._redis = client
        self._origins = origins
        self._in_flight = 0
        self._is_outbox_well = True
        self._producers = {
            (names, lane): AsyncProducer(redis_url, names, broker_url=broker_url, lane=lane)
            for names, lane in keys.targets
        }
        self._commits = {target: GroupCommit(each.enqueue_prepared) for target, each in self._producers.items()}

    async def take_batch(self, request: Request) -> Response:
        """Handle a batch of messages."""
        return await self._answer(request, None)

    async def take_call(self, request: Request, *, call: str) -> Response:
        """Handle a single message. Its type is `call`, whatever the message itself says."""
        return await self._answer(request, call)

    async def close(self) -> None:
        """Close the connections to Redis and to the broker."""
        for producer in self._producers.values():
            await producer.close()

    async def _answer(self, request: Request, call: str | None) -> Response:
        try:
            self._check_origin(request)
            # It takes a place only once it has arrived: who sends slowly keeps nobody out.
            sent = await self._read(request)
            intake = await self._in_its_place(request, call, sent)
        except RequestRefused as refused:
            self._counters.refused(refused.code)
            return refusal_response(refused)
        except ClientDisconnect:
            return error_response(HTTPStatus.BAD_REQUEST, "disconnected", "the request did not arrive completely")
        self._counters.took(intake)
        return success_response(intake.details())

    def _check_origin(self, request: Request) -> None:
        if not self._origins.let_in(request.headers.get("origin", ""), request.headers.get("host", "")):
            message = "pages of this origin may not send; name it with --cors-origin"
            raise RequestRefused(HTTPStatus.FORBIDDEN, "origin_not_allowed", message)

    async def _in_its_place(self, request: Request, call: str | None, sent: bytearray) -> Intake:
        if self._in_flight >= self._limits.in_flight:
            raise _unavailable("overloaded", "too many requests at once; try again shortly", BUSY_RETRY_S)
        self._in_flight += 1
        try:
            return await self._take(request, call, sent)
        finally:
            self._in_flight -= 1

    async def _take(self, request: Request, call: str | None, sent: bytearray) -> Intake:
        received_at = datetime.now(UTC)
        key = write_keys.from_header_or_query(request.headers.get("authorization", ""), request.query_params)
        source = self._keys.source(key) if key else None
        encoding = request.headers.get("content-encoding", "")
        content = body.decode(sent, encoding, limit=self._limits.batch_bytes)
        parsed = body.parse(content)
        if source is None:
            source = self._keys.source(write_keys.from_body(parsed))
        if call is None:
            intake = await self._sort_batch(parsed, received_at, source)
        else:
            self._check_size(content)
            sorter = MessageSorter(received_at, self._limits, source=source.id)
            sorter.sort(0, {**parsed, "type": call})
            intake = sorter.intake
        if intake.accepted:
            await self._commit(intake, source)
        if intake.rejected:
            refused = [each.refused for each in intake.rejected]
            if source.public:
                refused = refused[: self._spare(len(refused))]
                gone = len(intake.rejected) - len(refused)
                # The last of them stands for all that were not listed.
                intake.discarded = gone and gone + intake.unlisted
            await self._bury(dict.fromkeys(source.destinations, refused))
        return intake

    async def _sort_batch(self, batch: Mapping[str, object], received_at: datetime, source: WriteKeySource) -> Intake:
        listed = messages(batch)
        sorter = MessageSorter(received_at, self._limits, batch, source=source.id)
        for piece in pieces(listed, BATCH):
            for index, message in piece:
                sorter.sort(index, message)
            # Let other requests have a turn.
            await asyncio.sleep(0)
        if len(listed) > MAX_EVENTS:
            sorter.reject_rest(MAX_EVENTS, listed[MAX_EVENTS:])
        return sorter.intake

    async def _commit(self, intake: Intake, source: WriteKeySource) -> None:
        """Put the events into the outboxes. What a full one is owed, while another has room, is kept for it.

        Were the client told to come again instead, its next events would have to wait with it, for all destinations.
        """
        try:
            # Here, because those of several requests are sent together.
            with enqueueing(intake.accepted, source.destinations) as events:
                await self._commits[source.destinations, source.lane].commit(events)
        except EnqueueError as error:
            if not error.owed or len(error.owed) == len(source.destinations):
                raise self._trouble(error) from None
            await self._bury({name: _owed(intake, ids, str(error)) for name, ids in error.owed.items()})
        if not self._is_outbox_well:
            log.warning("Accepting events again")
        self._is_outbox_well = True

    def _spare(self, count: int) -> int:
        """How many of what public keys send may still be kept this minute: they must not push out all other letters."""
        minute, kept = self._spared
        now = time.monotonic() // 60
        kept = kept if minute == now else 0
        allowed = min(count, self._limits.public_letters - kept)
        self._spared = (now, kept + allowed)
        return allowed

    async def _bury(self, refused: Mapping[str, Sequence[Refused]]) -> None:
        """Make dead letters, by destination."""
        try:
            for name, some in refused.items():
                for step in bury(self._redis, name, some):
                    await step
        except (RedisError, OSError) as error:
            raise self._trouble(
                OutboxUnavailable(f"Redis did not take dead letters ({type(error).__name__})")
            ) from None

    def _trouble(self, error: EnqueueError) -> RequestRefused:
        if self._is_outbox_well:
            log.error("Refusing events until this is over: %s", error)
        self._is_outbox_well = False
        return _backpressure(error)

    async def _read(self, request: Request) -> bytearray:
        """Return the whole body. One that is too large is discarded as it comes: clients that write read no answer."""
        limit = self._limits.batch_bytes
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > DISCARDED_BYTES:
            raise body.too_large(limit)
        content, size = bytearray(), 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                content.clear()
            else:
                content += chunk
        if size > limit:
            raise body.too_large(limit)
        return content

    def _check_size(self, content: bytes | bytearray) -> None:
        if len(content) > self._limits.event_bytes:
            message = f"the event has {len(content)} bytes, of which at most {self._limits.event_bytes} are allowed"
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "event_too_large", message)


def _owed(intake: Intake, message_ids: Sequence[str], detail: str) -> list[Refused]:
    """The accepted events that a destination is owed."""
    wanted = set(message_ids)
    return [
        Refused(each.message_id, orjson.loads(each.json), detail, "full", "full", each.source)
        for each in intake.accepted
        if each.message_id in wanted
    ]


def _backpressure(error: EnqueueError) -> RequestRefused:
    """Tell a client to try again, and nothing about the servers behind this one."""
    if isinstance(error, OutboxFull):
        return _unavailable("outbox_full", "too many events are waiting already; try again later", FULL_RETRY_S)
    if isinstance(error, UnknownDestination):
        return _unavailable(
            "unknown_destination", "no worker serves the destination yet; try again later", FULL_RETRY_S
        )
    return _unavailable(
        "outbox_unavailable", "events cannot be stored at the moment; try again shortly", UNAVAILABLE_RETRY_S
    )


def _unavailable(code: str, message: str, retry_after: int) -> RequestRefused:
    return RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, code, message, retry_after=retry_after)
