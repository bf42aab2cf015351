"""Random pipelines on an engine match the same pipelines without one."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from operator import add, mul

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("thalweg.core")

from thalweg import Stream, UndeliveredError
from thalweg.tasks import Client

settings.register_profile("pipelines", deadline=None, max_examples=15)
settings.load_profile("pipelines")


def unless(divisor, x):
    """Fail on some elements."""
    if x % divisor == 0:
        raise ArithmeticError(x)
    return x


def divides(divisor, x):
    return x % divisor == 0


def modulo(divisor, x):
    return x % divisor


def add_unless(divisor, total, x):
    return total + unless(divisor, x)


numbers = st.integers(2, 5)

#: Operators from numbers to numbers.
SIMPLE = st.one_of(
    st.builds(lambda k: ("map", lambda s: s.map(add, k)), numbers),
    st.builds(lambda k: ("map fails", lambda s: s.map(partial(unless, k), on_error="skip")), numbers),
    st.builds(lambda k: ("filter", lambda s: s.filter(partial(divides, k))), numbers),
    st.builds(lambda k: ("remove", lambda s: s.remove(partial(divides, k))), numbers),
    st.builds(lambda k: ("accumulate", lambda s: s.accumulate(add, start=k)), numbers),
    st.builds(lambda k: ("accumulate without start", lambda s: s.accumulate(max)), numbers),
    st.builds(
        lambda k: ("accumulate fails", lambda s: s.accumulate(partial(add_unless, k), start=0, on_error="skip")),
        numbers,
    ),
    st.builds(lambda k: ("unique", lambda s: s.unique(maxsize=k)), numbers),
    st.builds(lambda k: ("unique by key", lambda s: s.unique(maxsize=k, key=partial(modulo, 7))), numbers),
    st.builds(lambda k: ("partition", lambda s: s.partition(k).map(sum)), numbers),
    st.builds(lambda k: ("partition by key", lambda s: s.partition(2, key=partial(modulo, k)).map(sum)), numbers),
    st.builds(
        lambda k: ("partition_unique", lambda s: s.partition_unique(2, key=partial(modulo, k)).map(sum)), numbers
    ),
    st.builds(lambda k: ("sliding_window", lambda s: s.sliding_window(k).map(sum)), numbers),
    st.builds(lambda k: ("flatten", lambda s: s.partition(k).flatten()), numbers),
    st.builds(lambda k: ("flatten of many", lambda s: s.map(partial(modulo, k)).map(range).flatten()), numbers),
    st.builds(lambda k: ("slice", lambda s: s.slice(1, 20, k)), numbers),
    st.builds(lambda k: ("buffer", lambda s: s.buffer(k)), numbers),
    st.builds(lambda k: ("pluck", lambda s: s.map(lambda x: (x, k)).pluck(0)), numbers),
    st.builds(lambda k: ("starmap", lambda s: s.map(lambda x: (x, k)).starmap(mul)), numbers),
)

#: Branches that are joined again.
FORKS = st.one_of(
    st.builds(lambda k: ("zip", lambda s: s.zip(s.map(add, k), maxsize=1000).starmap(add)), numbers),
    st.builds(
        lambda k: ("zip of survivors", lambda s: s.filter(partial(divides, k)).zip(s, maxsize=1000).map(sum)), numbers
    ),
    st.builds(
        lambda k: ("combine_latest", lambda s: s.combine_latest(s.filter(partial(divides, k))).map(sum)), numbers
    ),
    st.builds(lambda k: ("zip_latest", lambda s: s.zip_latest(s.filter(partial(divides, k))).map(sum)), numbers),
    st.builds(lambda k: ("union", lambda s: s.map(add, k).union(s.filter(partial(divides, k)))), numbers),
)


def outcome(build, inputs, scattered):
    source = Stream()
    last = build(scattered(source))
    found = last.gather().sink_to_list()
    for x in inputs:
        source.emit(x)
    # Unpaired elements stay in a `zip` on both sides.
    with suppress(UndeliveredError):
        source.drain()
    return found


def compare(pieces, inputs, client):
    def build(stream):
        for _, piece in pieces:
            stream = piece(stream)
        return stream

    here = outcome(build, inputs, lambda source: source)
    there = outcome(build, inputs, lambda source: source.scatter(client=client))
    assert there == here, [name for name, _ in pieces]


def threads():
    return Client(n_workers=3, set_as_default=False)


def executor():
    return ThreadPoolExecutor(3)


def processes():
    return Client(n_workers=2, processes=True, set_as_default=False)


def dask():
    distributed = pytest.importorskip("distributed")
    return distributed.Client(n_workers=2, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0")


@pytest.fixture(scope="module", autouse=True)
def functions_travel_by_value():
    cloudpickle = pytest.importorskip("cloudpickle")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module", params=[threads, executor, processes, dask], ids=lambda engine: engine.__name__)
def engine(request):
    with request.param() as engine:
        yield engine


@given(pieces=st.lists(SIMPLE, max_size=5), inputs=st.lists(st.integers(0, 40), max_size=20))
def test_chains(engine, pieces, inputs):
    compare(pieces, inputs, engine)


@given(
    before=st.lists(SIMPLE.filter(lambda piece: piece[0] in ("map", "filter", "map fails")), max_size=2),
    fork=FORKS,
    after=st.lists(SIMPLE, max_size=2),
    inputs=st.lists(st.integers(0, 40), max_size=15),
)
def test_forks(engine, before, fork, after, inputs):
    compare([*before, fork, *after], inputs, engine)
