"""What producers and workers read from the environment, and the Celery settings they must agree on."""

import os
from typing import Any, Final
from urllib.parse import urlsplit

DEFAULT_REDIS_URL: Final = "redis://localhost:6379/0"
_PORTS: Final = {"amqp": 5672, "amqps": 5671}
QUEUE: Final = "segue"
"""Celery queue of all Segue tasks, so that a broker shared with other applications keeps them apart."""

DELIVER: Final = "segue.deliver"
SWEEP: Final = "segue.sweep"
ENQUEUE: Final = "segue.enqueue"
HINT_EXPIRES_S: Final = 30
"""A hint older than this says nothing that a newer one, or the sweep, has not said."""


def redis_url(given: str | None = None) -> str:
    """The Redis URL: `given`, else `SEGUE_REDIS_URL`, else redis://localhost:6379/0."""
    return given or os.environ.get("SEGUE_REDIS_URL") or DEFAULT_REDIS_URL


def broker_url(given: str | None = None, *, redis: str | None = None) -> str:
    """The Celery broker URL: `given`, else `SEGUE_BROKER_URL`, else the Redis URL."""
    return given or os.environ.get("SEGUE_BROKER_URL") or redis_url(redis)


def where(url: str) -> str:
    """Host and port of a URL, for messages: without user, password and parameters."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname or 'localhost'}:{parts.port or _PORTS.get(parts.scheme, 6379)}"


def celery_settings(*, socket_timeout: float) -> dict[str, Any]:
    """Celery settings that both sides of the broker need.

    JSON only; a short socket timeout, keepalive and health checks, so that a half-open connection is noticed;
    and no results, which nobody reads and which would fill Redis.

    Args:
        socket_timeout: seconds to wait for the broker's socket.
    """
    return {
        "task_serializer": "json",
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "task_ignore_result": True,
        "result_backend": None,
        "task_default_queue": QUEUE,
        "task_store_errors_even_if_ignored": False,
        "broker_connection_timeout": socket_timeout,
        "broker_transport_options": {
            "socket_timeout": socket_timeout,
            "socket_connect_timeout": socket_timeout,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
    }
