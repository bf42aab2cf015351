"""Every operator between `scatter` and `gather` gives the same results as without an engine."""

from __future__ import annotations

import inspect
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context

import pytest

pytest.importorskip("thalweg.core")

from thalweg import Stream, UndeliveredError, VirtualClock, ops
from thalweg.sinks import Sink
from thalweg.tasks import Client


def combine(*args):
    return ("made of", *args)


async def combine_later(*args):
    return combine(*args)


def is_odd(x):
    return x[0] % 2


#: Values of parameters without a default, by name. A new operator needs a line only if it has
#: a parameter that no other has.
ARGUMENTS = {
    "func": combine,
    "predicate": is_odd,
    "n": 2,
    "interval": "1s",
    "pick": 0,
    "emit_on": None,
}


#: Operators that need special elements: `test_http.py` tests them after `scatter`.
ELSEWHERE = {"fetch", "read_url"}


def operators():
    for name in ops.__all__:
        # Imports it.
        getattr(Stream, name)
    found = {}
    for name, (kind, modifier) in Stream._operators.items():
        is_operator = isinstance(kind, type) and issubclass(kind, Stream) and not issubclass(kind, Sink)
        if (
            is_operator
            and modifier is not staticmethod
            and kind.__module__.startswith("thalweg.ops")
            and name not in ELSEWHERE
        ):
            found[name] = kind
    return found


def build(stream, name, kind):
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    takes_several = any(each.kind is each.VAR_POSITIONAL and each.name == "upstreams" for each in parameters)
    if takes_several or "lossless" in [each.name for each in parameters]:
        return getattr(stream, name)(stream.filter(is_odd))
    needed = [
        each
        for each in parameters
        if each.default is each.empty
        and each.kind is each.POSITIONAL_OR_KEYWORD
        and each.name not in ("upstream", "first")
    ]
    arguments = {**ARGUMENTS, "func": combine_later} if "async" in name else ARGUMENTS
    return getattr(stream, name)(*[arguments[each.name] for each in needed])


def threads():
    return Client(n_workers=2, set_as_default=False)


def executor():
    return ThreadPoolExecutor(2)


def processes():
    return Client(n_workers=2, processes=True, set_as_default=False)


def process_pool():
    return ProcessPoolExecutor(2, get_context("spawn"))


def dask():
    distributed = pytest.importorskip("distributed")
    return distributed.Client(n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0")


ENGINES = (threads, executor, processes, process_pool, dask)


@pytest.fixture(scope="module", autouse=True)
def functions_travel_by_value():
    cloudpickle = pytest.importorskip("cloudpickle")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module", params=ENGINES, ids=lambda engine: engine.__name__)
def engine(request):
    with request.param() as engine:
        yield engine


def outcome(name, kind, on_engine):
    clock = VirtualClock()
    source = Stream(loop=clock)
    L = build(on_engine(source.map(tuple)), name, kind).gather().sink_to_list()
    for x in range(7):
        source.emit((x % 5, x))
        clock.advance("400ms")
    clock.advance("5s")
    # Unpaired elements stay in a `zip` on both sides.
    with suppress(UndeliveredError):
        source.drain()
    return L


@pytest.mark.parametrize("name", operators())
def test_results_match_those_without_an_engine(name, engine):
    kind = operators()[name]
    here = outcome(name, kind, lambda stream: stream)
    there = outcome(name, kind, lambda stream: stream.scatter(engine).map(tuple))
    assert there == here
    assert here, "it shows something"


def test_there_are_operators():
    assert {"map", "zip", "partition", "timed_window", "rate_limit"} <= set(operators())
