"""The spans of a request, and that no event waits because it cannot be traced."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from segue_worker.delivery.spans import send_traced
from segue_worker.loops import Answer
from segue_worker.loops.errors import LoopsTimeoutError
from segue_worker.process.traces import set_up_traces

ABOUT = {"messaging.destination.name": "loops"}
ONE, OTHER = (f"00-{digit * 32}-{digit * 16}-01" for digit in "12")


@contextmanager
def provided(provider: Any) -> Iterator[None]:
    before = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = provider
    try:
        yield
    finally:
        trace._TRACER_PROVIDER = before


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provided(provider):
        yield exporter


async def answers(status: int) -> Answer:
    return Answer(status, "ada@example.com")


async def times_out() -> Answer:
    raise LoopsTimeoutError("no answer in time (ReadTimeout)")


@pytest.mark.parametrize("status", [200, 409, 503, 599])
async def test_an_answer_is_handed_over_and_only_its_status_is_told(
    exporter: InMemorySpanExporter, status: int
) -> None:
    traces = ["", ONE, ONE, "damaged", f"00-{'0' * 32}-{'0' * 16}-00", OTHER]
    answer = await send_traced(answers(status), "POST /events/send", traces, ABOUT)
    assert answer.status == status
    request, delivery = exporter.get_finished_spans()
    assert (delivery.name, request.name) == ("deliver loops", "POST /events/send")
    assert delivery.parent
    assert f"{delivery.parent.trace_id:032x}" == "1" * 32
    assert [f"{link.context.trace_id:032x}" for link in delivery.links] == ["2" * 32]
    assert request.status.is_ok == (status == 200)
    assert "example.com" not in request.to_json() + delivery.to_json()


async def test_no_answer_is_an_error_of_both_and_is_raised(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(LoopsTimeoutError):
        await send_traced(times_out(), "POST /events/send", [], ABOUT)
    assert [(span.status.is_ok, len(span.events)) for span in exporter.get_finished_spans()] == [(False, 0)] * 2
    assert exporter.get_finished_spans()[1].parent is None


async def test_whatever_is_wrong_with_the_tracer_the_request_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(trace.NoOpTracerProvider):
        def get_tracer(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("broken")

    with provided(Broken()):
        assert (await send_traced(answers(200), "POST /events/send", [ONE], ABOUT)).delivered
    assert caplog.messages == ["a request has no span: RuntimeError"]


def test_a_provider_that_somebody_has_set_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    with provided(trace.ProxyTracerProvider()):
        assert set_up_traces() is None
    with provided(TracerProvider()):
        assert set_up_traces() is send_traced
