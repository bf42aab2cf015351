"""Futures as the keys of a dictionary, each with what it is about."""

from __future__ import annotations

import pytest

from thalweg.tasks import Client, Event, as_completed, wait


@pytest.fixture(scope="module", params=["threads", "processes"])
def client(request):
    with Client(processes=request.param == "processes", n_workers=2) as client:
        yield client


def test_as_completed_and_wait_take_the_keys_of_a_dictionary(client):
    """As those of `concurrent.futures` do: there were no futures for them, and so nothing was awaited."""
    names = {client.submit(abs, -x): f"number {x}" for x in range(3)}
    assert {names[future]: future.result() for future in as_completed(names)} == {
        "number 0": 0,
        "number 1": 1,
        "number 2": 2,
    }
    done, not_done = wait(names)
    assert (done, not_done) == (set(names), set())


def test_cancel_takes_the_keys_of_a_dictionary(client):
    names = {client.submit(Event("a dictionary of futures").wait): "waiting"}
    client.cancel(names)
    assert [future.status for future in names] == ["cancelled"]
    Event("a dictionary of futures").set()


def test_a_dictionary_without_futures_is_refused():
    with pytest.raises(TypeError, match="a future is needed, not 1"):
        as_completed({1: "one"})


def test_gather_takes_the_views_of_a_dictionary(client):
    by_name = {x: client.submit(abs, -x) for x in range(3)}
    assert client.gather(by_name.values()) == [0, 1, 2]
    assert client.gather({future: x for x, future in by_name.items()}.keys()) == [0, 1, 2]
