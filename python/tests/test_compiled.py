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


def forked_and_zipped(first=None, second=None):
    """A source whose elements go two ways, and the list of pairs of what comes that way."""
    source = Stream()
    one, two = source.map(first or (lambda x: x)), source.map(second or (lambda x: -x))
    joined = one.zip(two)
    return source, one, two, joined, joined.sink_to_list()


def test_the_ways_behind_a_source_are_one_function():
    source, _, _, joined, L = forked_and_zipped()
    source.emit_many(range(3))
    assert source.explain().count("def chain(") == 1
    assert f"{joined._own_name()}: left" not in source.explain()
    assert L == [(0, 0), (1, -1), (2, -2)]
    assert joined.current_value == (2, -2)


def test_a_batch_goes_all_ways_element_by_element():
    source, calls = Stream(), []
    source.sink(lambda x: calls.append(("one", x)))
    source.map(lambda x: x * 2).sink(lambda x: calls.append(("two", x)))
    source.emit_many([1, 2])
    assert calls == [("one", 1), ("two", 2), ("one", 2), ("two", 4)]


def interpreted(call):
    """The result of a function without compiled chains."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THALWEG_COMPILE", "0")
        return call()


def test_counters_of_a_join_are_exact_in_the_middle_of_a_batch():
    def counted():
        seen = []

        def look(*nodes):
            seen.append([node.counters()[name] for node in nodes for name in ("received", "sent", "held")])

        # An element reaches the join when the last one does.
        source, one, two, joined, _ = forked_and_zipped(second=lambda x: look(one, two))
        joined.sink(lambda pair: look(one, two, joined))
        source.emit_many([5, 6])
        return seen

    seen = counted()
    assert seen == interpreted(counted)
    assert seen[-1][-3:] == [4, 2, 0]


def test_elements_that_do_not_come_together_are_joined_by_the_engine():
    source = Stream()
    one, two = source.filter(lambda x: x != 3), source.map(lambda x: -x)
    joined = one.zip(two, maxsize=10_000)
    L = joined.sink_to_list()
    source.emit_many(range(200))
    for x in range(200, 400):
        source.emit(x)
    source.emit_many(range(400, 600))
    expected = [x for x in range(600) if x != 3]
    assert list(zip(expected, [-x for x in range(599)], strict=True)) == L
    assert "do not have their elements at the same time" in source.explain()
    assert joined.counters()["received"] == 599 + 600
    assert joined.counters()["sent"] == 599
    assert joined.buffers == {one: [], two: [-599]}


def test_a_join_pairs_again_once_the_missing_element_has_come():
    source = Stream()
    one, two = source.map(lambda x: x), source.filter(lambda x: x)
    L = one.zip(two).sink_to_list()
    source.emit_many([1, 0])
    assert L == [(1, 1)]
    two.emit("late")
    source.emit_many([2, 3])
    assert L == [(1, 1), (0, "late"), (2, 2), (3, 3)]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_is_held_for_a_join_stays_when_another_way_fails(error):
    def fail(x):
        if x == 1:
            raise error(x)
        return -x

    source, one, two, joined, L = forked_and_zipped(second=fail)
    with pytest.raises(error):
        source.emit(1)
    assert joined.buffers == {one: [1], two: []}
    source.emit_many([2, 3])
    assert L == [(1, -2), (2, -3)]
    assert joined.buffers == {one: [3], two: []}


def test_a_function_that_emits_into_another_branch_of_a_join_does_not_overtake():
    def pairs():
        def emit(x):
            if x == 1:
                one.emit("more")
                two.emit("extra")
            return -x

        source, one, two, _, L = forked_and_zipped(second=emit)
        source.emit_many([1, 2])
        return L

    assert pairs() == interpreted(pairs)


def test_tokens_of_joined_elements_fire_once_both_are_done():
    source, _, _, joined, L = forked_and_zipped()
    done = []
    joined.sink(lambda x: done.append("sink"))
    source.emit(1, metadata=[{"ref": RefCounter(cb=lambda: done.append("acknowledged"))}])
    assert done == ["sink", "acknowledged"]
    assert L == [(1, -1)]


def test_emitters_wait_for_room_at_a_join_that_lacks_elements():
    async def main():
        source = Stream(asynchronous=True)
        one, two = source.map(lambda x: x), source.filter(lambda x: x < 0)
        L = one.zip(two, maxsize=2).sink_to_list()
        emits = [asyncio.ensure_future(source.emit(x)) for x in range(4)]
        await asyncio.wait(emits[:2], timeout=60)
        waiting = [emit.done() for emit in emits]
        for emit in emits:
            emit.cancel()
        return waiting, L

    assert asyncio.run(main()) == ([True, True, False, False], [])


def emitter_into_held():
    """A source whose elements are held for a join while a function emits to a list beside it, which is another way."""
    source, beside = Stream(), []
    one = source.map(lambda x: x)
    way = one.map(lambda x: x)
    way.sink(beside.append)
    return source, one, way, beside


@pytest.mark.parametrize("fails", [False, True])
def test_a_function_behind_a_join_that_emits_does_not_send_what_was_held_twice(fails):
    def pairs():
        source, one, way, beside = emitter_into_held()
        joined = one.zip(source.map(lambda x: way.emit("before") or -x))
        L, raised = [], []

        def behind(pair):
            L.append(pair)
            way.emit("behind")
            if fails and pair[0] == 1:
                raise ValueError(pair)

        joined.sink(behind)
        for x in range(4):
            try:
                source.emit(x)
            except ValueError as error:
                raised.append(str(error))
        return L, raised, beside, joined.counters()["received"], list(joined.buffers.values())

    assert pairs() == interpreted(pairs)
    assert pairs()[0] == [(0, 0), (1, -1), (2, -2), (3, -3)]


def test_a_failure_handler_that_emits_does_not_send_what_was_held_twice():
    def pairs():
        source, one, way, beside = emitter_into_held()
        failures = Stream()
        failures.sink(lambda failure: way.emit("failed"))
        joined = one.zip(source.map(lambda x: 1 // x, on_error=failures))
        L = joined.sink_to_list()
        for x in range(4):
            source.emit(x)
        return L, beside, list(joined.buffers.values())

    assert pairs() == interpreted(pairs)
    assert pairs()[0] == [(0, 1), (1, 0), (2, 0)]


def test_an_element_dropped_after_its_filter_was_looked_at_is_not_counted_as_sent():
    def counted():
        seen = []

        def is_odd(x):
            seen.append(odd.counters()["sent"])
            return x % 2

        source = Stream()
        odd = source.filter(is_odd)
        L = odd.sink_to_list()
        for x in range(2, 5):
            source.emit(x)
        return seen, odd.counters(), L

    assert counted() == interpreted(counted)
    assert counted()[1]["sent"] == 1


@pytest.mark.parametrize("gone", [0, 1])
def test_constants_of_a_join_stay_where_they_are_when_upstreams_come_and_go(gone):
    def rows():
        source = Stream()
        ways = [source.map(lambda x, place=place: (place, x)) for place in range(2)]
        joined = ways[0].zip("a", ways[1], "b")
        L = joined.sink_to_list()
        source.emit_many([1, 2])
        ways[gone].disconnect(joined)
        source.emit_many([3, 4])
        ways[gone].connect(joined)
        for x in range(5, 9):
            source.emit(x)
        ways[1 - gone].emit("waits")
        return L, list(joined.buffers.values()), source.explain().count("left to the engine")

    L, buffers, left = rows()
    assert (L, buffers) == interpreted(rows)[:2]
    assert len(L[-1]) == 4
    assert buffers == [["waits"], []]
    assert left == 1


def test_a_join_with_constants_whose_upstream_goes_is_compiled(monkeypatch):
    errors = []
    monkeypatch.setattr(sys, "unraisablehook", errors.append)
    source = Stream()
    one, two = source.map(abs), source.map(abs)
    joined = one.zip(two, "constant")
    L = joined.sink_to_list()
    source.emit_many([1, 2])
    two.disconnect(joined)
    for x in range(3, 6):
        source.emit(x)
    assert L == [(1, 1, "constant"), (2, 2, "constant"), (3, "constant"), (4, "constant"), (5, "constant")]
    assert errors == []


def test_a_function_behind_a_join_may_look_at_its_buffers(monkeypatch):
    monkeypatch.setenv("THALWEG_COMPILE", "0")
    source, _, _, joined, _ = forked_and_zipped()
    seen = []
    joined.sink(lambda pair: seen.append(list(joined.buffers.values())))
    source.emit(1)
    assert seen == [[[], []]]


@pytest.mark.parametrize("is_batch", [False, True])
def test_what_is_held_for_a_join_is_seen_in_the_middle_of_an_element(is_batch):
    def looked():
        seen = []

        def look(x):
            counters = joined.counters()
            seen.append((list(joined.buffers.values()), counters["received"], counters["held"]))
            return -x

        source, _, _, joined, L = forked_and_zipped(second=look)
        if is_batch:
            source.emit_many([5, 6])
        else:
            source.emit(5)
            source.emit(6)
        return seen, L

    seen, L = looked()
    assert (seen, L) == interpreted(looked)
    assert seen == [([[5], []], 1, 1), ([[6], []], 3, 1)]


@pytest.mark.parametrize("metadata", [None, [{"id": 1}]])
@pytest.mark.parametrize("is_source", [False, True])
def test_an_element_emitted_at_a_node_is_not_overtaken_by_its_own_feedback(is_source, metadata):
    def calls():
        log = []

        def feed(x):
            log.append(("feed", x))
            if x < 3:
                source.emit(x + 1)
            return x

        source, failures = Stream(), Stream()
        fork = source if is_source else source.map(lambda x: x)
        # Its policy leaves it to the engine, where more comes after it.
        fork.map(lambda x: x, on_error=failures).map(feed).sink(lambda x: log.append(("fed", x)))
        one, two = fork.map(lambda x: x), fork.map(lambda x: -x)
        one.zip(two).sink(lambda pair: log.append(("pair", pair)))
        fork.sink(lambda x: log.append(("beside", x)))
        failures.sink(print)
        fork.emit(1, metadata=metadata)
        return log

    assert calls() == interpreted(calls)
    assert [x for name, x in calls() if name == "beside"] == [1, 2, 3]


@pytest.mark.parametrize("change", ["destroy", "disconnect", "connect"])
def test_edges_of_a_pipeline_with_a_join_change_between_two_elements_of_a_batch(change):
    def seen():
        source, _, _, _, pairs = forked_and_zipped()
        late = []

        def act(x):
            if x == 2 and change == "destroy":
                sink.destroy()
            elif x == 2 and change == "disconnect":
                source.disconnect(sink)
            elif x == 2:
                source.sink(late.append)
            beside.append(x)

        beside = []
        sink = source.sink(act)
        source.emit_many(list(range(6)))
        return beside, late, pairs, source.counters()["sent"]

    assert seen() == interpreted(seen)
    beside, late, pairs, sent = seen()
    assert (len(pairs), sent) == (6, 6)
    assert len(beside) + len(late) == (6 + 3 if change == "connect" else 3)


def test_a_batch_waits_for_room_at_a_join_from_the_first_element_that_does():
    async def main():
        source = Stream(asynchronous=True)
        reached = []
        one, two = source.map(lambda x: reached.append(x) or x), source.filter(lambda x: x < 0)
        joined = one.zip(two, maxsize=2)
        joined.sink(print)

        async def emit():
            await source.emit_many(list(range(100)))

        task = asyncio.ensure_future(emit())
        await asyncio.sleep(0)
        waiting = list(reached)
        task.cancel()
        return waiting

    assert asyncio.run(main()) == [0, 1, 2]


def test_a_pipeline_whose_join_is_given_up_is_compiled_once_more(monkeypatch):
    pipelines = []
    compile_chains = compiled.compile_chains

    def count(pipeline):
        pipelines.append(pipeline)
        return compile_chains(pipeline)

    monkeypatch.setattr(compiled, "compile_chains", count)
    source = Stream()
    joined = source.map(abs).zip(source.filter(lambda x: x % 2), maxsize=10_000)
    L = joined.sink_to_list()
    for x in range(1000):
        source.emit(x)
    assert len(L) == 500
    assert "do not have their elements at the same time" in source.explain()
    assert len(pipelines) == 2


@pytest.mark.parametrize("change", ["destroy", "disconnect"])
def test_a_function_that_has_changed_the_upstreams_of_a_join_may_look_at_its_buffers(change):
    def looked():
        seen = []

        def look(x):
            if change == "destroy":
                joined.destroy()
            else:
                one.disconnect(joined)
            seen.append(list(joined.buffers.values()))
            return -x

        source, one, _, joined, _ = forked_and_zipped(second=look)
        source.emit(5)
        return seen

    assert looked() == interpreted(looked)
    assert looked() == ([[]] if change == "destroy" else [[[]]])
