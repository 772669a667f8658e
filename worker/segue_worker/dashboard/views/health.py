"""What machines ask the dashboard for: a health check and the metrics."""

from starlette.responses import PlainTextResponse, Response

from segue_worker.dashboard.context import PageRequest
from segue_worker.observing.metrics.exposition import CONTENT_TYPE, render_known


def healthz(call: PageRequest) -> Response:
    """`ok` if Redis answers; otherwise the application's error page, with status 503."""
    call.dashboard.redis.ping()
    return PlainTextResponse("ok\n")


def metrics(call: PageRequest) -> Response:
    """The metrics in Prometheus's text format: names of destinations and counts, no personal data."""
    known = call.known
    text = render_known(call.dashboard.redis, known)
    return Response(text, media_type=CONTENT_TYPE)
