"""`segue tracking-api`: serve the HTTP endpoint for Segment and RudderStack SDKs on a port."""

import logging
from pathlib import Path

import click

from segue_producer.clients import broker_url
from segue_worker import logs
from segue_worker.cli.group import UsageFailure
from segue_worker.cli.options import config_option, redis_option
from segue_worker.cli.output import listening, remark
from segue_worker.config import load_config

READY_LINE = "The Tracking API answers at "

_EXAMPLE = """\b
Example:
  segue tracking-api --port 8710
  curl http://127.0.0.1:8710/v1/track -u "$SEGUE_WRITE_KEY:" \\
       -d '{"userId": "u1", "event": "User Registered", "properties": {"plan": "Pro"}}'
"""


@click.command("tracking-api", epilog=_EXAMPLE)
@config_option
@redis_option
@click.option(
    "--port",
    envvar="TRACKING_API_PORT",
    type=click.IntRange(0, 65535),
    default=8710,
    show_default=True,
    show_envvar=True,
    help="0 takes a free one.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option(
    "--max-batch-bytes",
    type=click.IntRange(1024, 16 * 1024 * 1024),
    default=500 * 1024,
    show_default=True,
    help="Largest body, also after gunzip. RudderStack's Python SDK may send 4194304.",
)
@click.option(
    "--cors-origin",
    "cors_origins",
    multiple=True,
    metavar="ORIGIN",
    help="A web origin whose pages may send events, such as https://www.example.com, or * for any; may be repeated. "
    "Default: none.",
)
def tracking_api(  # noqa: PLR0913  one parameter per option is click's shape
    *, config: Path, redis_url: str, port: int, host: str, max_batch_bytes: int, cors_origins: tuple[str, ...]
) -> None:
    """Serve an HTTP endpoint that unmodified Segment and RudderStack SDKs can send to.

    The configuration's `sources` say which write keys are accepted, and to which destinations their events go. GET /docs
    describes the endpoint.
    """
    from segue_tracking_api import Limits, bind, create_app, serve  # noqa: PLC0415  --help needs no extra

    logs.to_stderr(logging.INFO)
    read = load_config(config, serving=True)
    sources = {source.write_key.get_secret_value(): source.destinations for source in read.sources}
    public = {source.write_key.get_secret_value() for source in read.sources if source.public}
    if not sources:
        raise UsageFailure(f"{config} has no `sources`: without a write key nobody could send anything")
    limits = Limits(batch_bytes=max_batch_bytes)
    app = create_app(
        sources,
        public=public,
        lanes={source.write_key.get_secret_value(): source.lane for source in read.sources},
        redis_url=redis_url,
        broker_url=broker_url(redis=redis_url),
        limits=limits,
        cors_origins=cors_origins,
    )
    with listening(host, port):
        listener = bind(host, port)
        url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        serve(app, listener, limits, lambda: remark(f"{READY_LINE}{url}"))
