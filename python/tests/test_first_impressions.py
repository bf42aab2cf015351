"""What a newcomer meets: errors, pictures, names, missing packages."""

from __future__ import annotations

import abc
import asyncio
import collections.abc
import copy
import functools
import io
import logging
import re
import time
import tracemalloc
from typing import Protocol

import pytest

import thalweg
import thalweg.tasks
from thalweg import ClosedError, RefCounter, Stream, VirtualClock
from thalweg.errors import logger_name

OPERATORS = {
    "map": (str,),
    "starmap": (str,),
    "filter": (bool,),
    "accumulate": (max,),
    "slice": (),
    "partition": (2,),
    "partition_unique": (2,),
    "sliding_window": (2,),
    "timed_window": (1,),
    "timed_window_unique": (1,),
    "delay": (1,),
    "shift": (1,),
    "rate_limit": (1,),
    "throttle": (1,),
    "debounce": (1,),
    "sample": (1,),
    "buffer": (1,),
    "flatten": (),
    "unique": (),
    "pluck": (0,),
    "collect": (),
    "latest": (),
    "map_async": (str,),
    "sink": (print,),
    "starsink": (print,),
    "union": (),
    "combine_latest": (),
    "zip_latest": (),
}


# Arguments that are not streams.


@pytest.mark.parametrize("name", sorted(OPERATORS))
@pytest.mark.parametrize("wrong", [5, "text", [Stream()], Stream, {}], ids=["5", "text", "list", "class", "dict"])
def test_a_non_stream_is_refused_as_upstream(name, wrong):
    with pytest.raises(TypeError, match="a stream, not"):
        getattr(thalweg, name)(wrong, *OPERATORS[name])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Stream(5),  # type: ignore[arg-type]
        lambda: Stream([Stream(), Stream()]),  # type: ignore[arg-type]
        lambda: Stream(upstreams=[5]),
        lambda: Stream(upstreams=Stream()),  # type: ignore[arg-type]
        lambda: thalweg.Sink(5),  # type: ignore[arg-type]
        lambda: Stream().connect(5),  # type: ignore[arg-type]
        lambda: Stream().disconnect(5),  # type: ignore[arg-type]
        lambda: Stream().downstreams.add(5),  # type: ignore[arg-type]
        lambda: Stream().union(5),  # type: ignore[arg-type]
        lambda: Stream().combine_latest(5),  # type: ignore[call-overload]
        lambda: Stream().zip_latest(5),  # type: ignore[call-overload]
    ],
)
def test_a_non_stream_is_reported_at_the_call(make):
    with pytest.raises(TypeError, match="stream"):
        make()


def test_a_subclass_names_a_non_stream_argument():
    class Mine(Stream):
        def update(self, x, who=None, metadata=None):
            return self._emit(x, metadata)

    with pytest.raises(TypeError, match="Mine: `upstream`: a stream, not 5"):
        Mine(5)
    assert Mine(upstreams=[None, Stream()]).upstreams


# Classes.


class Meta(type):
    pass


class Named(Protocol):
    def name_of(self) -> str: ...


@pytest.mark.parametrize(
    "bases",
    [
        (Stream, abc.ABC),
        (abc.ABC, Stream),
        (Stream, collections.abc.Hashable),
        (Stream, Named),
        (Stream, Meta("Base", (), {})),
        (thalweg.map, abc.ABC),
        (thalweg.Sink, abc.ABC),
        (thalweg.Source, abc.ABC),
    ],
)
def test_subclasses_may_have_another_metaclass(bases):
    import types

    kind = types.new_class("Mine", bases)
    assert issubclass(kind, Stream)


def test_copies_of_a_stream_are_the_same_node():
    source = Stream(stream_name="in")
    L = source.map(lambda x: x + 1).sink_to_list()

    class Holder:
        def __init__(self):
            self.source, self.numbers = source, [1]

    holder = Holder()
    for make in (copy.copy, copy.deepcopy):
        make(source).emit(1)
        copied = make(holder)
        copied.source.emit(2)
        assert copied is not holder
    assert L == [2, 3, 2, 3]
    assert copy.deepcopy(holder).numbers is not holder.numbers


def test_a_partial_can_be_registered():
    class Mine(Stream):
        pass

    class plus(Stream):
        def __init__(self, upstream, n, **kwargs):
            self.n = n
            super().__init__(upstream, **kwargs)

        def update(self, x, who=None, metadata=None):
            return self._emit(x + self.n, metadata)

    Mine.register_api()(functools.partial(plus, n=5))
    Mine.register_api(attribute_name="plus_six")(functools.partial(plus, n=6))
    source = Mine()
    L, M = source.plus().sink_to_list(), source.plus_six().sink_to_list()
    source.emit(1)
    assert (L, M) == ([6], [7])


# Numbers.


def test_numpy_numbers_are_accepted():
    np = pytest.importorskip("numpy")
    clock = VirtualClock()
    source = Stream(loop=clock)
    other = Stream(loop=clock)
    source.delay(np.float32(0.5)).rate_limit(np.int64(1)).timed_window(np.float64(1)).debounce(np.int8(1))
    source.buffer(np.int64(2)).partition(np.uint8(2), timeout=np.float32(1)).sliding_window(np.int32(2))
    source.slice(np.int64(0), np.int64(5), np.int64(1)).unique(np.int64(5))
    source.combine_latest(other, emit_on=np.int64(0)).zip(other, maxsize=np.int64(3))
    source.map_async(asyncio.sleep, parallelism=np.int64(2))
    source.map(str, on_error=thalweg.Retry(np.int64(2), np.float32(0.5)))
    Stream.from_periodic(str, np.float32(0.1), loop=clock)
    source.drain(np.float64(5))


def test_a_size_of_zero_is_unbounded_under_peer_names(python):
    with pytest.raises(ValueError, match="buffer: `n`"):
        Stream().buffer(0)
    with pytest.raises(ValueError, match="zip: `maxsize`"):
        Stream().zip(Stream(), maxsize=0)
    for peer in ("streamz", "rapidz"):
        ended = python(
            "-c",
            f"import thalweg; thalweg.install_as({peer!r})\n"
            f"from {peer} import Stream\n"
            "from thalweg import VirtualClock\n"
            "clock = VirtualClock()\n"
            "a, b = Stream(loop=clock), Stream(loop=clock)\n"
            "L = a.buffer(0).zip(b, maxsize=0).sink_to_list()\n"
            "a.emit_many(range(100))\n"
            "b.emit_many(range(100))\n"
            "print(len(L))\n",
        )
        assert ended.stdout == "100\n", ended.stderr


# Failures.


async def fail_later(x):
    return int(x)


@pytest.mark.parametrize("mode", [None, False, True])
@pytest.mark.parametrize("function", [int, fail_later], ids=["def", "async def"])
def test_a_raised_exception_is_not_logged_and_keeps_its_traceback(caplog, mode, function):
    def called(x):
        return function(x)

    async def awaited(x):
        return await function(x)

    async def main():
        source = Stream(asynchronous=mode)
        node = source.map(awaited if function is fail_later else called)
        assert node is not None
        with pytest.raises(ValueError) as raised:
            waiting = source.emit("x")
            if waiting is not None:
                await waiting
        frames = []
        traceback = raised.value.__traceback__
        while traceback is not None:
            frames.append(traceback.tb_frame.f_code.co_name)
            traceback = traceback.tb_next
        assert "called" in frames or "awaited" in frames
        assert raised.value.__notes__ == [f"in map({node.func.__name__}), on element 1: 'x'"]

    asyncio.run(main())
    assert not caplog.records


def test_a_map_async_failure_is_logged_once_with_its_traceback(caplog):
    async def parse(x):
        return int(x)

    async def main():
        source = Stream(asynchronous=True)
        L = source.map_async(parse).sink_to_list()
        for x in ("1", "x", "2"):
            await source.emit(x)
        await source.drain()
        return L

    assert asyncio.run(main()) == [1, 2]
    (record,) = caplog.records
    assert record.name == logger_name
    assert "in parse" in logging.Formatter().formatException(record.exc_info)


@pytest.mark.parametrize(
    ("on_error", "expected"),
    [(None, ["1", "2"]), ("skip", ["1", "x", "2"]), ("raise", ["1", "2"]), ("route", ["1", "x", "2"])],
)
def test_the_policy_decides_whether_a_failed_call_acknowledges(caplog, on_error, expected):
    async def parse(x):
        return int(x)

    async def main():
        source = Stream(asynchronous=True)
        failures = Stream(asynchronous=True)
        bad = failures.sink_to_list()
        L = source.map_async(parse, on_error=failures if on_error == "route" else on_error).sink_to_list()
        done, raised = [], []
        for x in ("1", "x", "2"):
            try:
                await source.emit(x, metadata=[{"ref": RefCounter(cb=lambda x=x: done.append(x))}])
            except ValueError as error:
                raised.append(error)
        try:
            await source.drain()
        except ValueError as error:
            raised.append(error)
        assert len(raised) == (on_error == "raise")
        assert len(bad) == (on_error == "route")
        assert len(caplog.records) == (on_error is None)
        return done, L

    done, L = asyncio.run(main())
    assert sorted(done) == sorted(expected)
    assert [1, 2][-len(L) :] == L


def test_a_pipeline_stopped_by_a_failure_emits_nothing_until_restarted(caplog):
    async def parse(x):
        return int(x)

    async def main():
        source = Stream(asynchronous=True)
        node = source.map_async(parse, parallelism=3, stop_on_exception=True)
        L = node.sink_to_list()
        for x in ("1", "x", "2", "3"):
            await source.emit(x)
        while not caplog.records:
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        before = list(L)
        node.start()
        await source.drain()
        return before, L

    assert asyncio.run(main()) == ([1], [1, 2, 3])
    assert len(caplog.records) == 1


def test_a_pipeline_that_has_stopped_can_be_drained(caplog):
    async def parse(x):
        return int(x)

    async def main():
        source = Stream(asynchronous=True)
        node = source.map_async(parse, parallelism=3, stop_on_exception=True)
        L = node.sink_to_list()
        for x in ("x", "2", "3"):
            await source.emit(x)
        while not caplog.records:
            await asyncio.sleep(0)
        await asyncio.wait_for(source.drain(), 30)
        return L

    assert asyncio.run(main()) == []
    kinds = [type(record.exc_info[1]) for record in caplog.records]
    assert kinds == [ValueError, ClosedError, ClosedError]


def broken(numbers):
    for number in numbers:
        if number < 0:
            raise ValueError("negative")
        yield number


def test_an_iterable_that_raises_is_a_failure_of_flatten():
    for on_error in ("skip", "route", "raise"):
        source, failures = Stream(), Stream()
        bad = failures.map(lambda failure: (failure.node, str(failure.exception))).sink_to_list()
        L = source.flatten(on_error=failures if on_error == "route" else on_error).sink_to_list()
        done = []
        for numbers in ([1, 2], [3, -1, 4], [5]):
            metadata = [{"ref": RefCounter(cb=lambda numbers=numbers, done=done: done.append(numbers))}]
            if on_error == "raise" and -1 in numbers:
                with pytest.raises(ValueError, match="negative"):
                    source.emit(broken(numbers), metadata=metadata)
            else:
                source.emit(broken(numbers), metadata=metadata)
        assert L == [1, 2, 3, 5]
        assert bad == [("flatten", "negative")] * (on_error == "route")
        assert len(done) == 3 - (on_error == "raise")
    source = Stream()
    node = source.flatten()
    bad = node.on_exception().sink_to_list()
    source.emit(broken([-1]))
    source.emit(5)
    assert [type(failure.exception) for failure in bad] == [ValueError, TypeError]


@pytest.mark.parametrize("kind", ["map", "sink", "starmap"])
def test_emitters_of_concurrent_calls_get_their_own_failures(kind):
    clock = VirtualClock()

    async def slow(x):
        await asyncio.sleep(1)
        if x == 3:
            raise ValueError(x)
        return x

    async def one(source, x):
        try:
            await source.emit((x,) if kind == "starmap" else x, asynchronous=True)
        except ValueError as error:
            return error.args[0], clock.time()
        return "ok", clock.time()

    async def main(calls):
        source = Stream(loop=clock)
        node = getattr(source, kind)(slow, concurrency=calls)
        L = [] if kind == "sink" else node.sink_to_list()
        begin = clock.time()
        results = await asyncio.gather(*[one(source, x) for x in range(5)])
        return [(result, at - begin) for result, at in results], L

    for calls, times in ((5, [1, 1, 1, 1, 1]), (2, [1, 1, 2, 2, 3])):
        task = clock.asyncio_loop.create_task(main(calls))
        clock.advance(10)
        results, L = task.result()
        assert results == list(zip(["ok", "ok", "ok", 3, "ok"], times))
        assert L == [] if kind == "sink" else [0, 1, 2, 4]
    with pytest.raises(ValueError, match="`concurrency`"):
        getattr(Stream(), kind)(slow, concurrency=0)


# Messages.


def test_a_note_on_a_large_element_is_short_and_cheap():
    class Raises:
        def __repr__(self):
            raise RuntimeError

    class Endless:
        def __repr__(self):
            time.sleep(600)

    elements = [
        "x" * 10**8,
        [b"y" * 10**7] * 10,
        {0: list(range(10**6))},
        10**100_000,
        Raises(),
        Endless(),
        (Endless(),),
    ]
    for element in elements:
        source = Stream()
        node = source.map(lambda x: 1 / 0)
        tracemalloc.start()
        with pytest.raises(ZeroDivisionError) as raised:
            source.emit(element)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        (note,) = raised.value.__notes__
        assert len(note) < 260 and node
        assert peak < 1_000_000


# Pictures.


def test_a_picture_shows_only_nodes_made_by_the_user():
    source = Stream(stream_name="in")
    tens = source.map(lambda x: x * 10, stream_name="tens")
    tens.zip(tens.sliding_window(2).map(sum)).sink(print)
    for picture in (source._dot(), source._svg(), source._mermaid()):
        # Mermaid escapes a bracket as `#40;`.
        picture = re.sub(r"#\d+;", "(", picture)
        names = re.findall(r"\w+#\d+|finish|filter|try_map", picture)
        assert names == []
        for name in ("in", "tens", "sliding_window", "zip", "print"):
            assert name in picture
    edges = re.findall(r"n(\d+) -> n(\d+)", source._dot())
    assert len(edges) == len(set(edges)) == 6


# Names.


def test_unknown_names_suggest_the_nearest_one():
    with pytest.raises(AttributeError, match="did you mean 'Stream'"):
        thalweg.Steam  # noqa: B018
    with pytest.raises(AttributeError, match="did you mean 'Client'"):
        thalweg.tasks.Cliet  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'qqq'$"):
        thalweg.qqq  # noqa: B018
    with pytest.raises(
        TypeError, match="Stream got an unexpected keyword argument 'asynchronus'; did you mean 'asynchronous'"
    ):
        Stream(asynchronus=True)
    with pytest.raises(TypeError, match="did you mean 'stream_name'"):
        Stream().buffer(3, steam_name="a")
    with pytest.raises(TypeError, match="did you mean 'n_workers'"):
        thalweg.tasks.Client(n_worker=2)


def test_streams_define_no_getattr(python):
    # `__getattr__` would make every `emit` create a bound method, which doubles its cost.
    assert all(base is object or not {"__getattr__", "__getattribute__"} & set(vars(base)) for base in Stream.__mro__)
    # The interpreter adds the suggestion to the traceback.
    done = python("-c", "from thalweg import Stream; Stream().filtre(None)")
    assert "'Stream' object has no attribute 'filtre'. Did you mean: 'filter'?" in done.stderr


MISSING = [
    ("pyarrow", "arrow", "Stream().to_parquet('all.parquet')"),
    ("pandas", "dataframe", "import thalweg.dataframe"),
]


@pytest.mark.parametrize(("package", "extra", "call"), MISSING)
def test_a_missing_package_is_reported_at_the_call_with_its_name(python, package, extra, call):
    ended = python(
        "-c",
        f"import sys; sys.modules[{package!r}] = None\n"
        "from thalweg import Stream\n"
        "try:\n"
        f"    {call}\n"
        "except ImportError as error:\n"
        "    print(error)\n",
    )
    assert f"needs the package `{package}`: pip install 'thalweg[{extra}]'\n" in ended.stdout, ended.stderr


def test_aliased_frames_report_the_aliased_module(python):
    pytest.importorskip("pandas")
    ended = python(
        "-c",
        "import thalweg; thalweg.install_as('streamz', 'rapidz')\n"
        "import streamz.dataframe as sdf\n"
        # hvplot identifies the library by this module name.
        "for kind in (sdf.DataFrame, sdf.Series, sdf.DataFrames, sdf.Seriess):\n"
        "    print(kind.__module__.split('.')[0], end=' ')\n",
    )
    assert ended.stdout == "streamz " * 4, ended.stderr


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Stream().sink_to_textfile(5), "sink_to_textfile: `file`"),  # type: ignore[arg-type]
        (lambda: Stream().sink_to_textfile(io.StringIO(), end=5), "sink_to_textfile: `end`"),  # type: ignore[arg-type]
        (lambda: Stream.from_q(5), "from_q: `q`"),  # type: ignore[arg-type]
        (lambda: Stream.from_tcp("x"), "from_tcp: `port`"),  # type: ignore[arg-type]
        (lambda: Stream.from_tcp(99999), "from_tcp: `port`"),
        (lambda: Stream.from_http_server(-1), "from_http_server: `port`"),
        (lambda: Stream.from_http_server(0, path=5), "from_http_server: `path`"),  # type: ignore[arg-type]
        (lambda: Stream.from_http_server(0, path="("), "from_http_server: `path`"),
        (lambda: Stream.from_process(5), "from_process: `cmd`"),  # type: ignore[arg-type]
        (lambda: Stream.from_process([]), "from_process: `cmd`"),
        (lambda: Stream.from_process(["a", 5]), "from_process: `cmd`"),  # type: ignore[list-item]
        (lambda: thalweg.Retry(1.5), "Retry: `times`"),  # type: ignore[arg-type]
    ],
)
def test_invalid_arguments_are_reported_at_the_call(make, words):
    with pytest.raises((TypeError, ValueError), match=words):
        make()
