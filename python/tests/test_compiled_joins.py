"""Forks, and joins of their ways, compiled to one Python function behave like the nodes themselves."""

from __future__ import annotations

import asyncio
import sys

import pytest

from thalweg import RefCounter, Stream
from thalweg.stream import compiled


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


@pytest.mark.parametrize("emit", [Stream.emit_many, lambda source, xs: [source.emit(x) for x in xs]])
def test_a_failure_behind_a_join_names_the_position_of_its_element(emit):
    def check(pair):
        if pair == (11, 10):
            raise ValueError(pair)

    def note():
        source = Stream()
        source.filter(lambda x: x != 3).zip(source.map(lambda x: x)).sink(check)
        with pytest.raises(ValueError, match="11") as caught:
            emit(source, range(20))
        return caught.value.__notes__

    assert note() == ["in sink(check), on element 11: (11, 10)"] == interpreted(note)


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


@pytest.mark.parametrize("missing", [None, 1])
@pytest.mark.parametrize("target", ["source", "two"])
@pytest.mark.parametrize("place", ["one", "two", "pair", "failing"])
def test_what_a_function_emits_comes_before_the_next_element_of_a_batch(place, target, missing):
    def pairs(emit):
        nodes, L = {}, []

        def feed(name, x):
            if name == place and x in (5, (5, 5), (4, 5)):
                nodes[target].emit(100)
            return x

        def fail(x):
            feed("failing", x)
            return 1 / (x - 5)

        source = nodes["source"] = Stream()
        one = source.map(lambda x: feed("one", x))
        two = nodes["two"] = source.filter(lambda x: x != missing).map(lambda x: feed("two", x))
        one.zip(two).sink(lambda pair: L.append(feed("pair", pair)))
        two.sink(L.append)
        two.sink(fail)
        for x in range(3):
            source.emit(x)
        with pytest.raises(ZeroDivisionError):
            emit(source, range(3, 8))
        return L

    def one_by_one(source, xs):
        errors = []
        for x in xs:
            try:
                source.emit(x)
            except ZeroDivisionError as error:
                errors.append(error)
        raise errors[0]

    L = pairs(Stream.emit_many)
    assert L == pairs(one_by_one)
    assert L == interpreted(lambda: pairs(one_by_one))


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
