"""One trace from a web request to Loops, as an OpenTelemetry collector gets it over OTLP from two processes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind

from segue_producer.keys import Keys

from .stack import MakeStack, Stack, wait_until

IDENTIFY: Final[Any] = {"type": "identify", "userId": "u1", "traits": {"email": "ada@example.com"}}


class Collector:
    """Takes what is exported to `/v1/traces`, as protobuf."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = ExportTraceServiceRequest()
                request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                collector.take(request)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def take(self, request: Any) -> None:
        for of_resource in request.resource_spans:
            service = {each.key: each.value.string_value for each in of_resource.resource.attributes}["service.name"]
            for span in (span for scope in of_resource.scope_spans for span in scope.spans):
                values = {each.key: each.value for each in span.attributes}
                self.spans.append(
                    {
                        "service": service,
                        "name": span.name,
                        "kind": span.kind,
                        "status": span.status.code,
                        "trace": span.trace_id.hex(),
                        "id": span.span_id.hex(),
                        "parent": span.parent_span_id.hex(),
                        "links": [each.trace_id.hex() for each in span.links],
                        "attributes": {
                            name: value.string_value or value.int_value or value.bool_value
                            for name, value in values.items()
                        },
                    }
                )

    def named(self, name: str) -> list[dict[str, Any]]:
        """The spans of a name, in the order in which they ended."""
        return [span for span in self.spans if span["name"] == name]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def shop(collector: Collector) -> Iterator[trace.Tracer]:
    """The tracer of a web application."""
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    exporter = OTLPSpanExporter(endpoint=f"{collector.url}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    # What `trace.set_tracer_provider` does, which can be done once in a process.
    before = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = provider
    yield provider.get_tracer("test")
    provider.shutdown()
    trace._TRACER_PROVIDER = before


@contextmanager
def web_request(shop: trace.Tracer) -> Iterator[str]:
    """Within a request of a browser; gives the id of its trace."""
    with shop.start_as_current_span("POST /signup", kind=SpanKind.SERVER) as span:
        yield f"{span.get_span_context().trace_id:032x}"


def traced_worker(stack: Stack, collector: Collector) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    stack.worker(beat=True, wait=True, **environ)


def test_one_trace_goes_from_a_web_request_by_enqueue_and_delivery_to_loops(
    make_stack: MakeStack, collector: Collector, shop: trace.Tracer
) -> None:
    stack = make_stack()
    stack.sandbox.add_fault(status=503, count=1)
    traced_worker(stack, collector)
    with web_request(shop) as trace_id:
        stack.producer.track("u1", "Signed Up", {"email": "ada@example.com"}, message_id="m1")
    stack.wait_delivered()
    wait_until(lambda: len(collector.named("POST /events/send")) == 2)
    (web,) = collector.named("POST /signup")
    (enqueue,) = collector.named("enqueue loops")
    wait_until(lambda: len(collector.named("deliver loops")) == 2)
    (failed, delivery), (refused, request) = collector.named("deliver loops"), collector.named("POST /events/send")
    chain = [web, enqueue, delivery, request]
    assert {span["trace"] for span in (*chain, failed, refused)} == {trace_id}
    assert [span["parent"] for span in chain] == ["", web["id"], enqueue["id"], delivery["id"]]
    assert (failed["parent"], refused["parent"]) == (enqueue["id"], failed["id"])
    assert [span["service"] for span in chain] == ["shop", "shop", "segue-worker", "segue-worker"]
    kinds = (SpanKind.SERVER, SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.CLIENT)
    assert [span["kind"] - 1 for span in chain] == [kind.value for kind in kinds]
    answers = [span["attributes"]["http.response.status_code"] for span in (refused, request)]
    assert (answers, [refused["status"], request["status"]]) == ([503, 200], [2, 0])
    assert delivery["attributes"] == {
        "messaging.system": "segue",
        "messaging.operation.type": "process",
        "messaging.destination.name": "loops",
        "messaging.message.id": "m1",
        "segue.event": "Signed Up",
        "segue.mapping": "Send events",
        "segue.attempt": 2,
    }
    assert "ada@example.com" not in str(collector.spans)
    assert not [each for each in stack.sandbox.requests() if trace_id in str(each)], "Loops is told of no trace"


def test_a_merged_request_is_in_the_trace_of_its_first_event_and_links_to_the_others(
    make_stack: MakeStack, collector: Collector, shop: trace.Tracer
) -> None:
    stack = make_stack()
    traces = []
    stack.producer.identify("u1", {"email": "ada@example.com", "plan": "none"})
    for plan in ("free", "pro"):
        with web_request(shop) as trace_id:
            stack.producer.identify("u1", {"email": "ada@example.com", "plan": plan})
        traces.append(trace_id)
    traced_worker(stack, collector)
    stack.wait_delivered()
    wait_until(lambda: len(collector.named("deliver loops")) == 1)
    (delivery,) = collector.named("deliver loops")
    assert (delivery["trace"], delivery["links"]) == (traces[0], traces[1:])


def test_what_was_enqueued_without_a_span_has_a_trace_of_its_own_and_an_entry_as_ever(
    make_stack: MakeStack, collector: Collector, shop: trace.Tracer
) -> None:
    stack = make_stack()
    stack.producer.enqueue([IDENTIFY])
    entry: Any = stack.redis.lindex(Keys("loops").outbox + "u1", 0)
    assert entry.endswith(b"}", 0, -12)
    with web_request(shop):
        stack.producer.track("u2", "Signed Up", {"email": "b@example.com"})
    traced_worker(stack, collector)
    stack.wait_delivered()
    wait_until(lambda: len(collector.named("deliver loops")) == 2)
    assert sorted(bool(span["parent"]) for span in collector.named("deliver loops")) == [False, True]


def test_without_an_endpoint_there_are_no_spans_and_events_are_delivered_all_the_same(
    make_stack: MakeStack, collector: Collector, shop: trace.Tracer
) -> None:
    stack = make_stack()
    with web_request(shop):
        stack.producer.track("u1", "Signed Up", {"email": "ada@example.com"})
    stack.worker()
    stack.wait_delivered()
    assert stack.delivered == 1
    assert {span["service"] for span in collector.spans} == {"shop"}


def test_a_collector_that_is_away_delays_nothing(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.producer.track("u1", "Signed Up", {"email": "ada@example.com"})
    worker = stack.worker(beat=True, wait=True, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    stack.wait_delivered()
    assert (stack.delivered, worker.stop()) == (1, 0)
