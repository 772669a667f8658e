"""Every Celery application of Segue is made here. Apart from Redis clients, because importing Celery takes half a second."""

from typing import Any

from celery import Celery

from segue_producer.settings import QUEUE


def celery_app(name: str, broker: str, *, timeout: float, **options: Any) -> Celery:
    """A Celery application with the settings that both sides of the broker need.

    JSON only; a short socket timeout, keepalive and health checks, so that a half-open connection is noticed;
    and no results, which nobody reads and which would fill Redis.

    Args:
        name: of the application.
        broker: as `broker_url` gives it.
        timeout: seconds to wait for the broker's socket.
        options: further arguments of `Celery`.
    """
    app = Celery(name, broker=broker, **options)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        result_accept_content=["json"],
        task_ignore_result=True,
        result_backend=None,
        task_default_queue=QUEUE,
        task_store_errors_even_if_ignored=False,
        broker_connection_timeout=timeout,
        broker_transport_options={
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
    )
    return app
