"""Invalid arguments are refused when a pipeline is built, with an error naming operator and argument."""

from __future__ import annotations

import functools
import inspect
import types
from contextlib import suppress
from datetime import timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from thalweg import (
    BuildError,
    Retry,
    Stream,
    VirtualClock,
    build_node_set,
    convert_interval,
    destroy_pipeline,
    link,
    move_to_first,
    ops,
    sinks,
    sources,
    visualize,
)


def refused(error, *words):
    """Expect an exception of type `error` whose message contains all `words`."""
    pattern = "".join(f"(?=[\\s\\S]*{word})" for word in words)
    return pytest.raises(error, match=pattern)


WITH_A_FUNCTION = {
    "map": "func",
    "starmap": "func",
    "map_async": "func",
    "accumulate": "func",
    "scan": "func",
    "filter": "predicate",
    "remove": "predicate",
    "sink": "func",
    "starsink": "func",
}


@pytest.mark.parametrize(("method", "argument"), WITH_A_FUNCTION.items())
def test_functions_have_to_be_callable(method, argument):
    name = {"scan": "accumulate"}.get(method, method)
    with refused(TypeError, name, argument, "5"):
        getattr(Stream(), method)(5)


@pytest.mark.parametrize("method", ["unique"])
def test_keys_have_to_be_callable(method):
    with refused(TypeError, method, "key"):
        getattr(Stream(), method)(key=5)


async def later(x):
    return x


@pytest.mark.parametrize("is_parallel", [False, True], ids=["here", "on an engine"])
@pytest.mark.parametrize("method", ["partition", "partition_unique", "timed_window_unique", "unique"])
def test_keys_are_not_awaited(method, is_parallel):
    source = Stream().scatter(backend="thread") if is_parallel else Stream()
    with refused(TypeError, method, "`key`", "async def", "later"):
        getattr(source, method)(*([] if method == "unique" else [1]), key=later)


def pieces(x):
    yield x


async def pieces_later(x):
    yield x


class Pieces:
    def __call__(self, x):
        yield x


GENERATORS = [pieces, pieces_later, functools.partial(pieces), Pieces(), Pieces().__call__]


@pytest.mark.parametrize("is_parallel", [False, True], ids=["here", "on an engine"])
@pytest.mark.parametrize("function", GENERATORS, ids=["def", "async def", "partial", "object", "method"])
@pytest.mark.parametrize("method", ["filter", "remove", "sink", "starsink"])
def test_functions_that_would_never_run_are_refused(method, function, is_parallel):
    source = Stream().scatter(backend="thread") if is_parallel else Stream()
    with refused(TypeError, "generator function"):
        getattr(source, method)(function)


@pytest.mark.parametrize("is_parallel", [False, True], ids=["here", "on an engine"])
@pytest.mark.parametrize("method", ["partition", "partition_unique", "timed_window_unique", "unique"])
def test_keys_are_no_generators(method, is_parallel):
    source = Stream().scatter(backend="thread") if is_parallel else Stream()
    with refused(TypeError, method, "`key`", "generator function", "pieces"):
        getattr(source, method)(*([] if method == "unique" else [1]), key=pieces)


def test_batches_are_not_given_to_generators():
    with refused(TypeError, "sink_batches", "`func`", "generator function"):
        Stream().sink_batches(pieces)


def test_generators_are_elements_and_awaited_ones_are_called():
    source = Stream()
    L = source.map(pieces).flatten().sink_to_list()
    awaited = types.coroutine(pieces)
    source.sink(awaited).destroy()
    source.emit(1)
    assert L == [1]


COUNTS = {
    "partition": "n",
    "partition_unique": "n",
    "sliding_window": "n",
    "buffer": "n",
}


@pytest.mark.parametrize(("method", "argument"), COUNTS.items())
@pytest.mark.parametrize("n", [0, -1])
def test_counts_are_at_least_one(method, argument, n):
    with refused(ValueError, method, f"`{argument}`", str(n)):
        getattr(Stream(), method)(n)


@pytest.mark.parametrize(("method", "argument"), COUNTS.items())
@pytest.mark.parametrize("n", [1.5, "two", None])
def test_counts_are_whole_numbers(method, argument, n):
    with refused(TypeError, method, f"`{argument}`"):
        getattr(Stream(), method)(n)


@pytest.mark.parametrize(("method", "argument"), COUNTS.items())
def test_counts_have_no_upper_limit(method, argument):
    node = getattr(Stream(), method)(10**30)
    assert node.upstreams


async def same(x):
    return x


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda source: source.map_async(same, parallelism=0), ("map_async", "parallelism")),
        (lambda source: source.zip(Stream(), maxsize=0), ("zip", "maxsize")),
        (lambda source: source.unique(maxsize=-1), ("unique", "maxsize")),
        (lambda source: source.slice(-1), ("slice", "[Nn]egative")),
        (lambda source: source.slice(None, -1), ("slice", "[Nn]egative")),
        (lambda source: source.slice(None, None, -1), ("slice", "[Nn]egative")),
        (lambda source: source.partition(2, timeout=-1), ("partition", "timeout")),
        (lambda source: source.partition_unique(2, keep="both"), ("partition_unique", "keep", "both")),
        (lambda source: source.timed_window_unique(1, keep="both"), ("timed_window_unique", "keep", "both")),
        (lambda source: source.combine_latest(Stream(), emit_on=Stream()), ("combine_latest", "emit_on")),
        (lambda source: source.combine_latest(Stream(), emit_on=7), ("combine_latest", "emit_on")),
    ],
)
def test_values_out_of_range(build, words):
    with refused(ValueError, *words):
        build(Stream(loop=VirtualClock()))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda source: source.slice("one"), ("slice", "start")),
        (lambda source: source.unique(maxsize="many"), ("unique", "maxsize")),
        (lambda source: source.combine_latest(Stream(), emit_on="a"), ("combine_latest", "emit_on")),
        (lambda source: source.combine_latest(5), ("combine_latest", "5")),
        (lambda source: source.zip_latest(5), ("zip_latest", "5")),
        (lambda source: source.union(5), ("union", "5")),
        (lambda source: source.accumulate(max, reset_stream=5), ("accumulate", "reset_stream")),
        (lambda source: source.map(str, on_error=5), ("on_error", "5")),
        (lambda source: source.connect(5), ("connect", "5")),
    ],
)
def test_values_of_another_type(build, words):
    with refused(TypeError, *words):
        build(Stream(loop=VirtualClock()))


TIMED = [
    "rate_limit",
    "delay",
    "shift",
    "debounce",
    "throttle",
    "sample",
    "timed_window",
    "timed_window_unique",
]


@pytest.mark.parametrize("method", TIMED)
@pytest.mark.parametrize("interval", [-1, "-1s", float("nan"), float("inf"), "soon", "", 1e300, 10**400])
def test_intervals_are_positive_durations(method, interval):
    with refused(ValueError, method, "interval"):
        getattr(Stream(loop=VirtualClock()), method)(interval)


@pytest.mark.parametrize("method", TIMED)
@pytest.mark.parametrize("interval", [None, [], object()])
def test_intervals_are_numbers_or_text(method, interval):
    with refused(TypeError, method, "interval"):
        getattr(Stream(loop=VirtualClock()), method)(interval)


def test_intervals_of_numpy_have_units():
    np = pytest.importorskip("numpy")
    intervals = [np.timedelta64(500, "ms"), np.timedelta64(2, "s"), np.timedelta64(3, "ns"), np.float32(0.5)]
    assert [convert_interval(interval) for interval in intervals] == [0.5, 2, 3e-9, 0.5]
    for wrong in (np.timedelta64(5), np.timedelta64(1, "Y"), np.timedelta64(1, "M"), np.datetime64("2026-01-01")):
        with pytest.raises(TypeError, match="a length of time"):
            convert_interval(wrong)
    for wrong in (np.timedelta64(-1, "s"), np.timedelta64("NaT", "s")):
        with pytest.raises(ValueError, match="not negative"):
            convert_interval(wrong)


def test_time_zones_of_schedules_are_names_or_objects():
    clock = VirtualClock()
    zones = ["UTC", timezone.utc, ZoneInfo("Europe/Berlin")]
    assert [Stream.from_schedule("@daily", tz=tz, loop=clock).tz for tz in zones] == ["UTC", "UTC", "Europe/Berlin"]
    with pytest.raises(TypeError, match="from_schedule: `tz` is the name of a time zone"):
        Stream.from_schedule("@daily", tz=timezone(timedelta(hours=1)), loop=clock)
    with pytest.raises(TypeError, match="from_schedule: `schedule` is text"):
        Stream.from_schedule(timedelta(minutes=5), loop=clock)


def test_convert_interval_refuses_invalid_intervals():
    for wrong in (-1, "-5ms", "soon", float("nan")):
        with pytest.raises(ValueError):
            convert_interval(wrong)
    with pytest.raises(TypeError):
        convert_interval(None)


WITHOUT_KEYWORDS = {
    "buffer": (1,),
    "collect": (),
    "combine_latest": (),
    "debounce": (1,),
    "delay": (1,),
    "flatten": (),
    "latest": (),
    "partition": (1,),
    "partition_unique": (1,),
    "pluck": (0,),
    "rate_limit": (1,),
    "sample": (1,),
    "shift": (1,),
    "slice": (1,),
    "sliding_window": (1,),
    "throttle": (1,),
    "timed_window": (1,),
    "timed_window_unique": (1,),
    "union": (),
    "unique": (),
    "zip": (),
    "zip_latest": (),
}


@pytest.mark.parametrize(("method", "args"), WITHOUT_KEYWORDS.items())
def test_unknown_keywords(method, args):
    with refused(TypeError, "colour"):
        getattr(Stream(loop=VirtualClock()), method)(*args, colour="red")


@pytest.mark.parametrize("method", ["zip", "combine_latest"])
def test_joins_of_nothing(method):
    with refused(ValueError, method):
        getattr(Stream, method)()


def test_policies():
    with refused(ValueError, "on_error", "explode"):
        Stream().map(str, on_error="explode")
    with refused(ValueError, "times"):
        Retry(-1)
    with pytest.raises(TypeError):
        Retry("often")
    with pytest.raises(ValueError):
        Retry(1, backoff=-1)
    with refused(ValueError, "on_error", "explode"):
        Stream().map(str, on_error=Retry(1, then="explode"))
    with refused(ValueError, "on_error", "explode"):
        Stream().scatter(backend="thread").map(str, on_error=Retry(1, then="explode"))


def test_a_refused_node_leaves_nothing_behind():
    source = Stream()
    with pytest.raises((TypeError, ValueError)):
        source.map(str, on_error="explode")
    with pytest.raises(ValueError):
        source.partition(0)
    assert list(source.downstreams) == []
    assert source.emit(1) is None


def test_invalid_loops_are_refused():
    with refused(TypeError, "loop", "5"):
        Stream(loop=5)
    with pytest.raises(ValueError, match="event loops"):
        Stream(loop=VirtualClock()).union(Stream(loop=VirtualClock()))
    with pytest.raises(ValueError, match="asynchronous"):
        Stream(asynchronous=True).union(Stream(asynchronous=False))


def test_metadata_is_a_list_of_dicts():
    source = Stream()
    source.sink_to_list()
    with refused(TypeError, "metadata"):
        source.emit(1, metadata=5)
    with refused(TypeError, "metadata"):
        source.emit(1, metadata=[5])


#: Arguments that go together with a wrong one.
OTHERS = {"func": abs, "predicate": bool, "callback": list, "n": 2, "interval": 1, "iterable": [], "port": 0}
WRONG = [None, -1, 1.5, float("nan"), 10**30, -(10**30), "x", "", b"x", [], [1], {}, object(), int]
METHODS = [
    *(name for room in (ops, sinks, sources) for name in room.__all__ if hasattr(Stream, name)),
    *("emit_many", "scatter", "to_dataframe", "drain"),
]


PARAMS = {"bootstrap.servers": "127.0.0.1:1", "group.id": "g"}
WS = "ws://127.0.0.1:1/"

CONNECTORS = {
    "from_kafka_batched, npartitions": lambda x: Stream.from_kafka_batched("t", PARAMS, npartitions=x),
    "from_kafka_batched, max_batch_size": lambda x: Stream.from_kafka_batched("t", PARAMS, max_batch_size=x),
    "from_kafka, topics": lambda x: Stream.from_kafka([x], PARAMS),
    "from_mqtt, client_kwargs": lambda x: Stream.from_mqtt("127.0.0.1", 1, "t", client_kwargs=x),
    "from_periodic, poll_interval": lambda x: Stream.from_periodic(list, x),
    "from_process, open_kwargs": lambda x: Stream.from_process("true", x),
    "from_tcp, server_kwargs": lambda x: Stream.from_tcp(0, server_kwargs=x),
    "from_http_server, server_kwargs": lambda x: Stream.from_http_server(0, server_kwargs=x),
    "from_http_server, max_head": lambda x: Stream.from_http_server(0, max_head=x),
    "from_websocket, serve_kwargs": lambda x: Stream.from_websocket("localhost", 0, x),
    "from_websocket, origins": lambda x: Stream.from_websocket("localhost", 0, origins=x),
    "from_websocket_url, subscribe": lambda x: Stream.from_websocket_url(WS, subscribe=x),
    "from_websocket_url, ws_kwargs": lambda x: Stream.from_websocket_url(WS, ws_kwargs=x),
    "to_kafka, max_in_flight": lambda x: Stream().to_kafka("t", PARAMS, max_in_flight=x),
    "to_kafka, transactions": lambda x: Stream().to_kafka("t", PARAMS, transactions=x),
    "to_sql, key": lambda x: Stream().to_sql("sqlite::memory:", "t", key=x),
    "to_sql, columns": lambda x: Stream().to_sql("sqlite::memory:", "t", columns=x),
    "to_websocket, ws_kwargs": lambda x: Stream().to_websocket(WS, ws_kwargs=x),
    "to_websocket_clients, serve_kwargs": lambda x: Stream().to_websocket_clients("localhost", 0, x),
}


@pytest.mark.parametrize("wrong", [1.5, object(), -1], ids=["fraction", "object", "negative"])
@pytest.mark.parametrize(("names", "make"), CONNECTORS.items(), ids=CONNECTORS.keys())
def test_connectors_name_the_argument_that_is_wrong(names, make, wrong):
    operator, argument = names.split(", ")
    if (argument, wrong) == ("poll_interval", 1.5):
        return
    with refused((TypeError, ValueError), operator, f"`{argument}`"):
        make(wrong)


def test_limits_without_end_are_no_error():
    Stream.from_kafka_batched("t", PARAMS, npartitions=10**30, max_batch_size=10**30)
    Stream.from_mqtt("127.0.0.1", 1, "t", max_waiting=2**40)
    Stream().to_kafka("t", PARAMS, max_in_flight=10**30)
    with Stream() as source:
        source.to_websocket_clients("localhost", 0, max_behind=10**30)


def test_text_that_has_no_utf8_and_names_that_are_too_long_are_no_times_and_zones():
    with refused(ValueError, "timed_window", "`interval`", "surrogates"):
        Stream().timed_window("\ud800")
    with refused(ValueError, "from_schedule", "time zone"):
        Stream.from_schedule("@daily", "x" * 10_000)


@pytest.mark.parametrize("method", METHODS)
def test_any_wrong_argument_is_a_type_error_or_a_value_error(method, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parameters = inspect.signature(getattr(Stream(), method)).parameters.values()
    named = [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    for parameter in named:
        others = {each.name: OTHERS.get(each.name, "x") for each in named if each.default is each.empty}
        for wrong in WRONG:
            with suppress(TypeError, ValueError, BuildError, OSError):
                getattr(Stream(), method)(**{**others, parameter.name: wrong})


FIVE: Any = 5
ANY_TYPE: Any = int


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Stream().map(str).destroy(FIVE), ["destroy", "streams", "a stream", "5"]),
        (lambda: Stream().map(str).destroy([FIVE]), ["destroy", "streams", "a stream", "5"]),
        (lambda: destroy_pipeline(FIVE), ["destroy_pipeline", "source_node", "5"]),
        (lambda: move_to_first(FIVE), ["move_to_first", "node", "5"]),
        (lambda: Stream().map(str).move_to_first(FIVE), ["move_to_first", "`f`", "5"]),
        (lambda: link(FIVE), ["link", "5"]),
        (lambda: build_node_set(None), ["node", "None"]),
        (lambda: visualize("abc"), ["node", "abc"]),
        (lambda: Stream().progress(file=FIVE), ["progress", "file", "5"]),
        (lambda: Stream().trace(provider=FIVE), ["trace", "provider", "5"]),
        (lambda: Stream().combine_latest(Stream(), emit_on=ANY_TYPE), ["combine_latest", "emit_on", "int"]),
        (lambda: Stream(FIVE, FIVE), ["Stream", "upstreams", "5"]),
    ],
)
def test_wrong_objects_are_named(call, words):
    with refused(TypeError, *words):
        call()
