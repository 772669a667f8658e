"""Every Celery application of Segue is made here. Apart from Redis clients, because importing Celery takes half a second."""

from typing import Any
from urllib.parse import quote, urlsplit

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES
from redis.connection import parse_url

from segue_producer import urls
from segue_producer.errors import AddressError
from segue_producer.settings import QUEUE


def celery_app(name: str, broker: str, *, timeout: float, **options: Any) -> Celery:
    """A Celery application with the settings that both sides of the broker need.

    JSON only; a short socket timeout, keepalive and health checks, so that a half-open connection is noticed;
    and no results, which nobody reads and which would fill Redis.

    Args:
        name: of the application.
        broker: as `broker_url` gives it; that of a Redis may have any form but a cluster's.
        timeout: seconds to wait for the broker's socket.
        options: further arguments of `Celery`.

    Raises:
        AddressError: `broker` is no URL of a broker, or has a part that cannot be used.
    """
    app = Celery(name, **options)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        result_accept_content=["json"],
        task_ignore_result=True,
        result_backend=None,
        task_default_queue=QUEUE,
        task_store_errors_even_if_ignored=False,
        broker_connection_timeout=timeout,
        **(_redis(broker, timeout) if on_redis(broker) else _other(broker, timeout)),
    )
    return app


def on_redis(broker: str) -> bool:
    """Whether a broker is a Redis."""
    return broker.startswith(("redis", "unix:"))


def _redis(broker: str, timeout: float) -> dict[str, Any]:
    sockets = {"socket_timeout": timeout, "socket_connect_timeout": timeout, "socket_keepalive": True}
    transport: dict[str, Any] = {**sockets, "health_check_interval": 10}
    settings: dict[str, Any] = {"broker_url": broker, "broker_transport_options": transport}
    address = urls.parse(broker, of=urls.BROKER)
    found = parse_url(broker) if address is None else address.options()
    if address is not None:
        transport["master_name"] = address.service
        transport["sentinel_kwargs"] = {**address.sentinel_options(), **sockets}
        settings["broker_url"] = address.sentinel_urls()
    elif broker.startswith("unix:") or "?" in broker:
        settings["broker_url"] = _one_server(broker, found)
    if broker.startswith("rediss"):
        given = {option: value for option, value in found.items() if option.startswith("ssl_")}
        settings["broker_use_ssl"] = {"ssl_cert_reqs": "required", **given}
    return settings


def _one_server(broker: str, found: dict[str, Any]) -> str:
    """Celery's URL of a Redis whose URL has options, which Celery would take for its own, or which is reached by a socket."""
    parts = urlsplit(broker)
    user, password = (quote(found.get(name, ""), safe="") for name in ("username", "password"))
    who = f"{user}:{password}@" if user or password else ""
    if parts.scheme == "unix":
        return f"redis+socket://{who}{parts.path}?virtual_host={found.get('db', 0)}"
    return f"{parts.scheme}://{who}{parts.netloc.rpartition('@')[2]}/{found.get('db', 0)}"


def _other(broker: str, timeout: float) -> dict[str, Any]:
    """Of RabbitMQ: a message counts as sent once the broker has confirmed it.

    The type of the queue is the server's choice (`default_queue_type` of the virtual host), since every client that
    declares it must name the same.
    """
    for each in broker.split(";"):
        if each.partition("://")[0].partition("+")[0] not in TRANSPORT_ALIASES:
            raise AddressError(
                f"{urls.BROKER}: it is not the URL of a broker: write it like amqp://user:password@host//"
            )
        urls.check_hosts(each, of=urls.BROKER)
    return {
        "broker_url": broker,
        "broker_transport_options": {"confirm_publish": True, "confirm_timeout": timeout, "max_retries": 1},
    }
