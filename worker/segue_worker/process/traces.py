"""Whether this process makes traces, and where they go. What asks for them are OpenTelemetry's own variables (docs/logs.md#traces)."""

import logging
import os
import sys
from typing import Final

from segue_worker.delivery.context import SendTraced
from segue_worker.extras import not_installed

ASKED_BY: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

log = logging.getLogger(__name__)


def set_up_traces() -> SendTraced | None:
    """What sends requests within their spans; None where nobody asks for traces.

    Somebody does who names an OTLP endpoint, or has set a tracer provider already, as `opentelemetry-instrument` does.
    """
    # Imported only if so, because it takes a while, and nobody need have it.
    named = any(map(os.environ.get, ASKED_BY)) and os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true"
    if not named and "opentelemetry.sdk.trace" not in sys.modules:
        return None
    try:
        from opentelemetry import trace  # noqa: PLC0415 - see above
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - same

        from segue_worker.delivery.spans import send_traced  # noqa: PLC0415 - same

        if not isinstance(trace.get_tracer_provider(), TracerProvider):
            if not named:
                return None
            _export()
    except ModuleNotFoundError as missing:
        log.warning("no traces: %s", not_installed(missing, "otel"))
        return None
    return send_traced


def _export() -> None:
    """Have spans sent to the OTLP endpoint, over HTTP, by a thread of their own."""
    from opentelemetry import trace  # noqa: PLC0415 - see above
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - same
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - same
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - same
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - same

    resource = Resource.create()
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "segue-worker"}))
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
