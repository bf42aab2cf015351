"""Chains of nodes compiled to one Python function behave like the nodes themselves."""

from __future__ import annotations

import asyncio
import gc
import linecache
import os
import subprocess
import sys
import threading
import traceback
import weakref

import pytest

import thalweg
from thalweg import RefCounter, Retry, Stream
from thalweg.stream import compiled


def test_the_source_is_available_to_linecache():
    source = Stream()
    places = []

    def where(x):
        frame = sys._getframe(1)
        places.append((frame.f_code.co_filename, linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()))
        return x

    source.map(where).filter(None).sink(print)
    text = source.explain()
    source.emit(0)
    [(name, line)] = places
    assert name.startswith("<thalweg chain")
    assert line == "x1 = f1(x0)"
    assert line in text
    assert "# x2: filter" in text


@pytest.mark.parametrize("name", ["a\x00b", "a\nraise SystemExit", "a\x1fb"])
def test_a_name_that_cannot_be_printed_is_quoted_in_the_source(name):
    source = Stream()
    L = source.map(abs, stream_name=name).sink_to_list()
    assert f"# x1: {name!r}\n" in source.explain()
    source.emit(1)
    source.emit_many([2, 3])
    assert L == [1, 2, 3]


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda s: s.partition(2), "its class does not say"),
        (lambda s: s.map(int, on_error=Retry(1)), "tries failed elements again"),
        (lambda s: s.map(asyncio.sleep), "its results are awaited"),
        (lambda s: type("Own", (Stream,), {"update": lambda self, x, who=None, metadata=None: None})(s), "its class"),
        (
            lambda s: type("Own", (thalweg.map,), {"update": lambda self, x, who=None, metadata=None: None})(s, int),
            "its",
        ),
    ],
)
def test_uncompiled_nodes_are_listed_with_the_reason(build, reason):
    source = Stream()
    node = build(source)
    node.sink(print)
    lines = [line for line in source.explain().splitlines() if line.startswith(f"# {node._own_name()}: left")]
    assert reason in lines[0]


def test_a_pipeline_with_a_cycle_is_left_to_the_engine():
    source = Stream()
    node = source.map(lambda x: x - 1).filter(None)
    L = node.sink_to_list()
    node.connect(source)
    assert "the pipeline has a cycle" in source.explain()
    source.emit(3)
    assert L == [2, 1]


def test_an_environment_variable_turns_compilation_off():
    program = (
        "import sys; from thalweg import Stream; s = Stream();"
        "s.sink(lambda x: print(sys._getframe(1).f_code.co_filename)); s.emit(1); print(s.explain())"
    )
    environment = {**os.environ, "THALWEG_COMPILE": "0"}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert run.stdout.splitlines()[0] == "<string>", run.stderr
    assert "turned off by THALWEG_COMPILE=0" in run.stdout


def fails(x):
    raise ValueError(x)


@pytest.mark.parametrize("emit", [Stream.emit, lambda source, x: source.emit_many([x])])
def test_a_traceback_has_no_frames_of_the_chain(emit):
    source = Stream()
    source.map(lambda x: x).map(fails).sink(print)
    with pytest.raises(ValueError, match="7") as caught:
        emit(source, 7)
    frames = [frame.name for frame in traceback.extract_tb(caught.tb)]
    assert "chain" not in frames
    assert frames[-1] == "fails"
    assert caught.value.__notes__ == ["in map(fails), on element 1: 7"]


def test_a_failure_names_the_element_received_by_the_node():
    source = Stream()
    good = source.map(lambda x: x + 1).filter(lambda x: x != 2).map(lambda x: 6 // x, on_error="skip")
    bad = good.on_exception().sink_to_list()
    L = good.sink_to_list()
    source.emit_many([0, 1, -1, 2])
    assert L == [6, 2]
    assert [(failure.element, failure.ordinal, type(failure.exception)) for failure in bad] == [
        (0, 2, ZeroDivisionError)
    ]


def test_counters_and_current_values_are_exact_in_the_middle_of_a_batch():
    source = Stream()
    evens = source.filter(lambda x: x % 2 == 0)
    seen = []
    node = evens.map(lambda x: (seen.append((x, evens.current_value, evens.counters()["received"])), 10 * x)[1])
    node.sink(lambda x: seen.append((node.current_value, node.counters()["sent"])))
    source.emit_many(range(1, 5))
    assert seen == [(2, 2, 2), (20, 1), (4, 4, 4), (40, 2)]
    assert (evens.counters()["received"], evens.counters()["sent"], node.current_value) == (4, 2, 40)


@pytest.mark.parametrize("kind", [list, tuple, iter, dict.fromkeys, lambda numbers: range(len(numbers))])
def test_every_iterable_is_sent_completely_and_in_order(kind):
    source = Stream()
    result = source.map(lambda x: -x).sink_to_list()
    beside = source.sink_to_list()
    source.emit_many(kind(list(range(1000))))
    assert beside == list(range(1000))
    assert result == [-x for x in range(1000)]
    assert source.current_value == 999
    assert source.counters()["sent"] == 1000


def test_elements_before_an_exception_of_the_iterable_are_sent():
    def numbers():
        yield from range(700)
        raise OSError("no more")

    source = Stream()
    result = source.map(lambda x: x).sink_to_list()
    with pytest.raises(OSError, match="no more"):
        source.emit_many(numbers())
    assert result == list(range(700))


def test_an_element_is_sent_before_its_iterator_is_asked_for_the_next():
    source = Stream()
    result = source.map(lambda x: x).sink_to_list()

    # As of a queue, into which nothing more may come.
    def next_element(x):
        assert result == list(range(x))
        return x

    source.emit_many(map(next_element, range(1000)))
    assert result == list(range(1000))
    result.clear()
    source.emit_many(next_element(x) for x in range(1000))
    assert result == list(range(1000))


def test_a_source_sends_an_element_before_it_asks_for_the_next():
    result = []

    def next_element(x):
        assert result == list(range(x))
        return x

    source = Stream.from_iterable(map(next_element, range(1000)))
    source.map(lambda x: x).sink(result.append)
    source.start()
    asyncio.run_coroutine_threadsafe(source.finished(), source._event_loop).result(10)
    assert result == list(range(1000))


def test_a_list_that_grows_while_it_is_sent_is_sent_to_its_end():
    numbers = list(range(300))
    source = Stream()
    result = source.map(lambda x: x).sink_to_list()
    source.sink(lambda x: numbers.append(x + 300) if x < 300 else None)
    source.emit_many(numbers)
    assert result == list(range(600))
    numbers = list(range(600))
    source = Stream()
    result = source.map(lambda x: numbers.clear() if x == 100 else x).sink_to_list()
    source.emit_many(numbers)
    assert len(result) == 257, "the batch on its way goes on; the list has no more"


def test_a_function_that_stops_the_batch_sees_every_element_once():
    source = Stream()
    node = source.map(lambda x: x)
    seen = node.sink_to_list()
    late = []
    node.sink(lambda x: source.sink(late.append) if x == 400 else None)
    source.emit_many(list(range(1000)))
    assert seen == list(range(1000))
    assert late == list(range(513, 1000)), "edges change when the batch has got everywhere"


@pytest.mark.parametrize("kind", [list, tuple, dict.fromkeys, lambda numbers: range(len(numbers))])
def test_a_function_assigned_in_a_batch_is_called_for_the_next_of_its_elements(kind):
    source = Stream()
    node = source.map(lambda x: x)
    result = []

    def note(x):
        result.append(x)
        if x == 4:
            node.func = lambda x: -x
            raise ValueError(x)

    sink = node.sink(note, on_error="skip")
    source.emit_many(kind(list(range(9))))
    assert result == [0, 1, 2, 3, 4, -5, -6, -7, -8]
    assert (node.counters()["received"], sink.counters()["received"]) == (9, 9)


def test_an_assigned_function_is_called_for_the_next_element():
    source = Stream()
    node = source.map(lambda x: x)
    kept = node.filter(lambda x: True)
    total = kept.accumulate(lambda state, x: state + x, start=0)
    L = []

    def note(x):
        L.append(x)
        if x == 3:
            node.func = lambda x: 10 * x
            kept.predicate = None

    sink = total.sink(note)
    source.emit_many([1, 2, 0, 3])
    source.emit(0)
    assert L == [1, 3, 33]
    total.func = lambda state, x: x
    sink.func = L.append
    source.emit(5)
    assert L[-1] == 50


def test_state_survives_recompiling_and_leaving_a_chain():
    source = Stream()
    total = source.accumulate(lambda state, x: state + x)
    L = total.sink_to_list()
    source.emit_many([1, 2])
    more = total.sink_to_list()
    source.emit(3)
    total.update(4)
    source.emit(5)
    assert L == [1, 3, 6, 10, 15]
    assert more == [6, 10, 15]


def test_awaitable_results_delay_the_emitter():
    async def main():
        source = Stream(asynchronous=True)
        done = []

        async def write(x):
            await asyncio.sleep(0)
            done.append(x)

        source.map(lambda x: x).sink(lambda x: write(x) if x % 2 else "plain")
        for x in range(4):
            await source.emit(x)
            assert done == [y for y in range(x + 1) if y % 2]

    asyncio.run(main())


def test_tokens_fire_when_an_element_is_done():
    source = Stream()
    fired = []
    source.map(lambda x: x + 1).filter(lambda x: x % 2).sink(lambda x: fired.append("sink"))
    for x in range(2):
        source.emit(x, metadata=[{"ref": RefCounter(cb=lambda: fired.append("done"))}])
    assert fired == ["sink", "done", "done"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration])
def test_whatever_a_function_raises_reaches_the_emitter(error):
    source = Stream()

    def stop(x):
        if x == 1:
            raise error("now")
        return x

    L = source.map(stop).sink_to_list()
    for emit in (source.emit, lambda x: source.emit_many([x, 2])):
        with pytest.raises(error, match="now"):
            emit(1)
    source.emit(3)
    assert L == [2, 3]


def test_several_threads_emit_into_one_chain():
    source = Stream()
    total = source.map(lambda x: x).accumulate(lambda state, x: state + x, start=0)
    L = total.sink_to_list()

    def emit():
        for _ in range(200):
            source.emit(1)
        source.emit_many([1] * 200)

    threads = [threading.Thread(target=emit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert L == list(range(1, 1601))


def test_a_chain_keeps_no_objects_alive():
    class Thing:
        pass

    source = Stream()
    node = source.map(lambda x: (x, source)).accumulate(lambda state, x: x, start=None)  # noqa: F821
    node.sink(lambda x: node)  # noqa: F821
    thing = Thing()
    source.emit(thing)
    source.emit_many([thing, thing])
    references = weakref.ref(thing), weakref.ref(source)
    del source, node, thing
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_a_sinks_result_is_not_kept():
    class Result:
        pass

    source = Stream()
    results = []

    def end(x):
        result = Result()
        results.append(weakref.ref(result))
        return result

    source.sink(end)
    source.emit_many(range(3))
    source.emit(3)
    assert [result() for result in results] == [None] * 4


def test_a_branch_of_another_class_gets_elements_in_order():
    source = Stream()
    order = []
    head = source.map(lambda x: x)
    head.sink(lambda x: order.append(("first", x)))
    head.partition(1).sink(lambda x: order.append(("window", x)))
    head.sink(lambda x: order.append(("last", x)))
    source.emit(1)
    source.emit_many([2])
    assert order == [(name, (x,) if name == "window" else x) for x in (1, 2) for name in ("first", "window", "last")]


def test_a_subclass_is_compiled_unless_it_changes_what_its_nodes_do():
    class Named(thalweg.map):
        pass

    class Other(thalweg.map):
        def _build(self, placement):
            thalweg._thalweg.ops.pluck(placement, 0)

    source = Stream()
    L = []
    Named(source, str).sink(L.append)
    Other(source, str).sink(L.append)
    text = source.explain()
    assert "# x1: Named(str)" in text
    assert "# Other(str): left to the engine" in text
    source.emit("ab")
    assert L == ["ab", "a"]


def test_a_pipeline_that_changes_with_every_element_is_correct():
    source = Stream()
    counts = []
    sinks = []
    for round in range(40):
        sinks.append(source.map(lambda x: x).sink(counts.append))
        source.emit(round)
        if round % 3 == 0:
            sinks.pop(0).destroy()
    assert len(counts) == sum(round + 1 - (round + 2) // 3 for round in range(40))


def test_a_chain_looks_for_arrived_elements_only_while_there_are_any(monkeypatch):
    chains = []
    compile_chains = compiled.compile_chains

    def keep(pipeline):
        chains.extend(compile_chains(pipeline))
        return chains

    monkeypatch.setattr(compiled, "compile_chains", keep)
    source = Stream()
    fed = source.map(lambda x: x)
    fed.map(lambda x: source.emit(-x) if x == 5 else None).sink(lambda x: None)
    L = fed.sink_to_list()
    for x in range(8):
        source.emit(x)
    assert [0, 1, 2, 3, 4, 5, -5, 6, 7] == L
    assert [chain.left for chain in chains] == [[]]


class Unreadable(type):
    def __getattribute__(cls, name):
        if name == "__await__":
            raise ValueError(name)
        return super().__getattribute__(name)


class Result(metaclass=Unreadable):
    pass


class HiddenError(Exception):
    @property
    def __traceback__(self):
        raise RuntimeError("no traceback")


@pytest.mark.parametrize("emit", [Stream.emit_many, lambda source, xs: [source.emit(x) for x in xs]])
@pytest.mark.parametrize("is_raised", [False, True])
def test_what_cannot_be_looked_at_fails_its_own_element_only(is_raised, emit):
    def act(x):
        if x == 4 and is_raised:
            raise HiddenError(x)
        return Result() if x == 4 else None

    source = Stream()
    fork = source.map(lambda x: x)
    fork.sink(act)
    L = fork.sink_to_list()
    emit(source, [0, 1, 2, 3])
    with pytest.raises((ValueError, RuntimeError)):
        emit(source, [4])
    emit(source, [5, 6, 7])
    assert L == [0, 1, 2, 3, 5, 6, 7]
