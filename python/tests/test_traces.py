"""OpenTelemetry traces: from the emit, across engines, to the last sink."""

from __future__ import annotations

import asyncio
import operator
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support import until
from thalweg import Stream, VirtualClock
from thalweg.tasks import Client

sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="opentelemetry-sdk is not installed")

from opentelemetry import trace as otel  # noqa: E402
from opentelemetry.propagate import inject  # noqa: E402
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402

BOUND = 60
TRACE = 0x0AF7651916CD43DD8448EB211C80319C
PARENT = f"00-{TRACE:032x}-b7ad6b7169203331-01"


@pytest.fixture
def spans():
    """Finished spans."""
    return InMemorySpanExporter()


@pytest.fixture
def provider(spans):
    made = sdk.TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(spans))
    return made


def tree(spans):
    """Return each span as its name and its parent's name."""
    all_ = spans.get_finished_spans()
    names = {span.context.span_id: span.name for span in all_}
    return {(span.name, names.get(span.parent.span_id) if span.parent else None) for span in all_}


def serve(handle):
    """Serve POST requests on loopback; `handle(headers, body)` gets each one."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            handle(self.headers, body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def test_only_nodes_made_by_users_are_spans(spans, provider):
    source = Stream(stream_name="orders")
    with Client(processes=False, n_workers=1) as client:
        large = source.filter(lambda x: x > 5, stream_name="large").accumulate(max, stream_name="most")
        gathered = large.scatter(client, stream_name="scatter").map(abs, stream_name="abs").gather(stream_name="gather")
        L = gathered.partition(1, stream_name="groups").sink_to_list()
        source.trace(provider=provider)
        source.emit(6)
        source.drain(BOUND)
    assert L == [(6,)]
    chain = ["orders", "large", "most", "scatter"]
    found = tree(spans)
    assert set(zip(chain[1:], chain)) <= found
    assert ("sink(append)", "groups") in found
    assert {name for name, _ in found} == {*chain, "abs", "run abs", "gather", "groups", "sink(append)"}


@pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
def test_accumulate_on_an_engine_has_a_span_for_each_element(spans, provider, processes):
    source = Stream()
    with Client(processes=processes, n_workers=1) as client:
        sums = source.scatter(client).accumulate(operator.add, stream_name="sums")
        L = sums.gather().sink_to_list()
        source.trace(provider=provider)
        source.emit_many([1, 2])
        source.drain(BOUND)
    assert L == [1, 3]
    found = spans.get_finished_spans()
    assert len([span for span in found if span.name == "run sums"]) == 2
    assert ("run sums", "sums") in tree(spans)


def test_nodes_are_nested_spans(spans, provider):
    source = Stream(stream_name="orders")
    positive = source.map(abs, stream_name="positive")
    L = positive.sink_to_list()
    positive.filter(lambda x: x > 5, stream_name="large").sink(print, stream_name="print")
    source.trace(provider=provider)
    source.emit(-1)
    assert tree(spans) == {
        ("orders", None),
        ("positive", "orders"),
        ("sink(append)", "positive"),
        ("large", "positive"),
    }
    root = next(span for span in spans.get_finished_spans() if span.parent is None)
    assert root.attributes["thalweg.pipeline"] == "orders"
    assert root.attributes["thalweg.node"] == "orders"
    assert L == [1]


def test_the_span_of_a_waiting_element_ends_with_its_last_sink(spans, provider):
    clock = VirtualClock()
    source = Stream(stream_name="source", loop=clock)
    source.timed_window("2s", stream_name="later").sink(lambda x: None, stream_name="sink")
    source.trace(provider=provider)
    source.emit(1)
    clock.advance("1s")
    assert "source" not in {name for name, _ in tree(spans)}
    clock.advance("5s")
    assert {("source", None), ("later", "source")} <= tree(spans)
    assert "sink" in {name for name, _ in tree(spans)}


def test_functions_see_their_span_even_when_awaited(spans, provider):
    tracer = otel.get_tracer("mine", tracer_provider=provider)
    headers = {}

    def call(x):
        with tracer.start_as_current_span("mine"):
            return x

    async def wait(x):
        await asyncio.sleep(0)
        with tracer.start_as_current_span("awaited"):
            inject(headers)

    async def main():
        source = Stream(asynchronous=True, stream_name="source")
        source.map(call, stream_name="called").sink(wait, stream_name="waiting")
        source.trace(provider=provider)
        await source.emit(1)
        await source.drain()

    asyncio.run(main())
    assert {("mine", "called"), ("awaited", "waiting")} <= tree(spans)
    root = next(span for span in spans.get_finished_spans() if span.name == "source")
    assert headers["traceparent"].split("-")[1] == f"{root.context.trace_id:032x}"


def test_one_in_n_elements_is_traced(spans, provider):
    source = Stream(stream_name="source")
    L = source.map(abs).sink_to_list()
    source.trace(5, provider)
    source.emit_many(range(20))
    for x in range(20):
        source.emit(x)
    assert sum(span.name == "source" for span in spans.get_finished_spans()) == 8
    source.untrace()
    source.emit(1)
    assert sum(span.name == "source" for span in spans.get_finished_spans()) == 8
    assert L == [*range(20), *range(20), 1]


@pytest.mark.parametrize("wrong", [-1, True, "1", 1 << 32])
def test_a_wrong_sampling_rate_is_refused(wrong, provider):
    with pytest.raises(ValueError, match="one_in"):
        Stream().trace(wrong, provider)


def test_a_provider_of_another_type_is_refused():
    with pytest.raises(TypeError, match="trace: `provider` is a tracer provider of OpenTelemetry, not 5"):
        Stream().trace(provider=5)


def test_failures_are_in_the_span_of_their_node(spans, provider):
    def fail(x):
        raise ValueError("no price")

    source = Stream(stream_name="source")
    source.map(fail, stream_name="price", on_error="skip").sink(print)
    source.trace(provider=provider)
    source.emit(1)
    price = next(span for span in spans.get_finished_spans() if span.name == "price")
    assert price.status.status_code is otel.StatusCode.ERROR
    assert "no price" in price.status.description


def test_the_span_of_an_element_is_a_child_of_its_emitters_span(spans, provider):
    source = Stream(stream_name="source")
    source.sink(lambda x: None)
    source.trace(provider=provider)
    with otel.get_tracer("mine", tracer_provider=provider).start_as_current_span("mine"):
        source.emit(1)
    assert ("source", "mine") in tree(spans)


@pytest.mark.parametrize("processes", [False, True])
def test_calls_on_engines_are_spans(spans, provider, processes):
    with Client(processes=processes, n_workers=1) as client:
        source = Stream(stream_name="source")
        scattered = source.scatter(client=client).map(abs, stream_name="positive")
        L = scattered.buffer(3).gather().sink_to_list()
        source.trace(provider=provider)
        source.emit(-1)
        source.drain()
    assert L == [1]
    assert ("run positive", "positive") in tree(spans)
    assert len({span.context.trace_id for span in spans.get_finished_spans()}) == 1


def current_trace(_):
    # A worker without a provider records nothing but knows the trace.
    return otel.get_current_span().get_span_context().trace_id


def test_tasks_on_a_cluster_continue_the_trace(spans, provider):
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    with distributed.Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as client:
        source = Stream(stream_name="source")
        L = source.scatter(client=client).map(current_trace).buffer(3).gather().sink_to_list()
        source.trace(provider=provider)
        source.emit(1)
        source.drain()
    root = next(span for span in spans.get_finished_spans() if span.name == "source")
    assert L == [root.context.trace_id]


def test_outgoing_requests_carry_the_trace(spans, provider):
    came = []
    server = serve(lambda headers, body: came.append(headers["traceparent"]))
    source = Stream(stream_name="source")
    source.to_http(f"http://127.0.0.1:{server.server_port}/", stream_name="sent")
    source.trace(provider=provider)
    source.emit({"x": 1})
    source.drain()
    server.shutdown()
    root = next(span for span in spans.get_finished_spans() if span.name == "source")
    assert [each.split("-")[1] for each in came] == [f"{root.context.trace_id:032x}"]


def export(port):
    """Make a worker process export its spans to a collector."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    made = sdk.TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"http://127.0.0.1:{port}/v1/traces")))
    otel.set_tracer_provider(made)


def price(text):
    tracer = otel.get_tracer("mine")
    with tracer.start_as_current_span("price"):
        return str(2 * int(text))


def test_one_trace_from_a_request_through_a_worker_process_to_the_response(spans, provider):
    collected = pytest.importorskip(
        "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
        reason="opentelemetry-exporter-otlp-proto-http is not installed",
    )
    remote = {}

    def collect(headers, body):
        for resource in collected.ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                remote.update((span.name, span) for span in scope.spans)

    collector = serve(collect)

    def ask(port):
        request = urllib.request.Request(f"http://localhost:{port}/", b"21", {"traceparent": PARENT})
        with urllib.request.urlopen(request, timeout=BOUND) as answer:
            return answer.read()

    client = Client(processes=True, n_workers=1, initializer=export, initargs=(collector.server_port,))
    with client:
        requests = Stream.from_http_requests(0, stream_name="requests")
        orders = requests.map(lambda request: request.body.decode(), stream_name="orders")
        priced = orders.scatter(client=client).map(price, stream_name="priced").buffer(5).gather()
        priced.respond(stream_name="answers")
        requests.trace(0, provider)
        requests.start()
        assert ask(requests.port) == b"42"
        requests.drain()
        until(lambda: {"worker", "price"} <= set(remote))
    collector.shutdown()
    here = {span.name: span for span in spans.get_finished_spans()}
    assert {span.context.trace_id for span in here.values()} == {TRACE}
    assert f"{here['requests'].parent.span_id:016x}" == PARENT.split("-")[2]
    run = here["run priced"]
    assert {int.from_bytes(span.trace_id, "big") for span in remote.values()} == {TRACE}
    assert int.from_bytes(remote["worker"].parent_span_id, "big") == run.context.span_id
    assert remote["price"].parent_span_id == remote["worker"].span_id
    assert "answers" in here
