"""What is sent to engines where values stay until they are gathered, and what is done there."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("thalweg.core")

from thalweg.parallel.elsewhere.worker import Call, Chain, Failed, Filter, Parcel, Policy, run


def test_slow_elements_travel_alone():
    from thalweg.parallel.backends import Backend
    from thalweg.parallel.elsewhere.launcher import Launcher, Session

    class Engine(Backend):
        width = 2

    launcher = Launcher(Session(Engine(None)).root)
    launcher.waiting.extend(range(100))
    assert launcher._size() == 1
    launcher.seconds = 0.005
    assert launcher._size() == 1
    launcher.seconds = 0.001
    assert launcher._size() == 5
    launcher.seconds = 1e-7
    assert launcher._size() == 50


def test_an_exception_that_cannot_be_pickled_arrives_as_one_that_can():
    class Odd(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} {two}")

    import pickle

    failed = pickle.loads(pickle.dumps(Failed(Odd(1, 2), 3, threading.Lock())))
    assert isinstance(failed.exception, RuntimeError)
    assert "Odd: 1 2" in str(failed.exception)
    assert "lock" in failed.element
    assert failed.site == 3


def test_run_stops_a_chain_where_an_element_is_dropped():
    seen = []
    policy = Policy()
    steps = [
        Filter(0, policy, lambda x: x % 2, (), {}, False),
        Call(1, policy, seen.append, (), {}, False, False),
    ]
    run(Parcel(Chain(steps), [1, 2, 3], False))
    assert seen == [1, 3]


def test_pauses_between_attempts_double():
    policy = Policy(5, 0.1, 0.3)
    assert [policy.pause(attempt) for attempt in (1, 2, 3, 4)] == [0.1, 0.2, 0.3, 0.3]
    assert Policy(5).pause(3) == 0
