"""Signal handlers that raise while a thread waits."""

from __future__ import annotations

import sys

import pytest

from thalweg.tasks import Client, Event, as_completed, wait

#: Timeout of each wait, in seconds.
BOUND = 20


class Interrupt(Exception):
    """Raised by a signal handler."""


@pytest.fixture(params=["threads", "processes"])
def client(request):
    with Client(processes=request.param == "processes", n_workers=1, threads_per_worker=1) as client:
        yield client


def interrupted(number, function):
    """Call a function, and raise at the `number`th place where the interpreter may call a signal handler.

    These places are the starts of Python functions, and the returns of C functions.
    """
    places = 0

    def profile(frame, event, arg):
        nonlocal places
        if event in ("call", "c_return"):
            places += 1
            if places == number:
                raise Interrupt

    sys.setprofile(profile)
    try:
        function()
    except Interrupt:
        return True
    except TimeoutError:
        return False
    finally:
        sys.setprofile(None)
    return False


def gated(name):
    return Event(name).wait(BOUND)


def first(futures):
    return next(as_completed(futures, timeout=0))


@pytest.mark.parametrize(
    "waits",
    [lambda futures: wait(futures, timeout=0), first, lambda futures: futures[0].result(0)],
    ids=["wait", "as_completed", "result"],
)
def test_futures_finish_in_spite_of_interrupts(client, waits):
    number = 0
    goes_on = True
    while goes_on:
        number += 1
        gate = Event(f"gate {number}", client)
        future = client.submit(gated, gate.name)
        goes_on = interrupted(number, lambda future=future: waits([future]))
        gate.set()
        assert future.result(BOUND) is True
    assert number > 1
