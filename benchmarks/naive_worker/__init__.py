"""The yardstick: how the same job is usually done with Celery, one task for each event.

A sync httpx client kept for the life of the process, dedupe by SETNX, tenacity for retries, Celery on Redis. It maps by
hand, asks no limiter and keeps no order, all of which make it faster than it would be in earnest.

    celery -A benchmarks.naive_worker worker --concurrency 2
"""

import os
from functools import lru_cache
from typing import Any, Final

import httpx
import tenacity
from celery import Celery
from redis import Redis

API_KEY: Final = "sandbox-key"
DELIVER: Final = "naive.deliver"
_REMEMBERED_S: Final = 24 * 3600


def make_app(url: str) -> Celery:
    """The application on a broker; its one task is `naive.deliver`."""
    made = Celery("naive_worker", broker=url, set_as_current=False)
    made.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
    made.task(name=DELIVER)(deliver)
    return made


@lru_cache(maxsize=1)
def _redis() -> "Redis":
    return Redis.from_url(os.environ["NAIVE_REDIS_URL"])


@lru_cache(maxsize=1)
def _client() -> httpx.Client:
    return httpx.Client(
        base_url=os.environ["NAIVE_LOOPS_URL"], headers={"Authorization": f"Bearer {API_KEY}"}, trust_env=False
    )


def deliver(event: dict[str, Any]) -> None:
    """Deliver one event."""
    key = f"seen:{event['messageId']}"
    if not _redis().set(key, "1", nx=True, ex=_REMEMBERED_S):
        return
    try:
        _send(*request_of(event), idempotency_key=event["messageId"])
    except httpx.HTTPError:
        _redis().delete(key)
        raise


def request_of(event: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Method, path and body of the request for an event."""
    if event["type"] == "identify":
        return "PUT", "/contacts/update", {**event["traits"], "userId": event["userId"]}
    return "POST", "/events/send", {"userId": event["userId"], "eventName": event["event"], **_details(event)}


def _details(event: dict[str, Any]) -> dict[str, Any]:
    properties = dict(event["properties"])
    email = properties.pop("email", None)
    return {"eventProperties": properties, **({"email": email} if email else {})}


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(httpx.HTTPError),
    wait=tenacity.wait_random_exponential(multiplier=0.1, max=10),
    stop=tenacity.stop_after_attempt(5),
    reraise=True,
)
def _send(method: str, path: str, body: dict[str, Any], *, idempotency_key: str) -> None:
    headers = {"Idempotency-Key": idempotency_key} if method == "POST" else None
    answer = _client().request(method, path, json=body, headers=headers)
    if answer.status_code != httpx.codes.CONFLICT:
        answer.raise_for_status()


app = make_app(os.environ.get("NAIVE_REDIS_URL", "redis://localhost:6379/0"))
