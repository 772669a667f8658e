"""What machines ask: whether it is well, and the metrics."""

from starlette.responses import PlainTextResponse, Response

from segue_worker.dashboard.context import PageRequest
from segue_worker.observing.metrics.exposition import CONTENT_TYPE, render


def healthz(call: PageRequest) -> Response:
    """`ok`, if Redis answers; 503 otherwise (by way of the application's error page)."""
    call.dashboard.redis.ping()
    return PlainTextResponse("ok\n")


def metrics(call: PageRequest) -> Response:
    """The metrics as Prometheus text; names of destinations and counts, no personal data."""
    dashboard = call.dashboard
    return Response(render(dashboard.redis, dashboard.known().names), media_type=CONTENT_TYPE)
