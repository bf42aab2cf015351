"""Exceptions that refuse all assignments, such as frozen data classes, are failures like others."""

from __future__ import annotations

import dataclasses
import traceback

import pytest

from thalweg import Stream, VirtualClock
from thalweg.tasks import Client, default_client, worker_client


@dataclasses.dataclass(frozen=True)
class FrozenError(Exception):
    code: int

    def __reduce__(self):
        return FrozenError, (self.code,)


def fail(x):
    raise FrozenError(x)


def fail_on_three(x):
    return fail(x) if x == 3 else x


def functions(error):
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


@pytest.mark.parametrize("is_compiled", [True, False])
@pytest.mark.parametrize("emit", [Stream.emit_many, lambda source, xs: [source.emit(x) for x in xs]])
def test_a_function_raises_one(emit, is_compiled, monkeypatch):
    monkeypatch.setenv("THALWEG_COMPILE", str(int(is_compiled)))
    source = Stream()
    one = source.map(lambda x: x)
    pairs = one.zip(source.map(fail_on_three), maxsize=100)
    L = pairs.sink_to_list()
    M = one.map(fail_on_three).sink_to_list()
    emit(source, range(3))
    with pytest.raises(FrozenError) as caught:
        emit(source, [3])
    assert caught.value.__notes__ == ["in map(fail_on_three), on element 4: 3"]
    assert functions(caught.value)[-2:] == ["fail_on_three", "fail"]
    emit(source, range(4, 7))
    assert M == [0, 1, 2, 4, 5, 6]
    assert L == [(0, 0), (1, 1), (2, 2), (3, 4), (4, 5), (5, 6)]


def test_a_drain_raises_one():
    source = Stream()
    source.buffer(2).map(fail).sink(print)
    source.emit(1)
    with pytest.raises(FrozenError):
        source.drain()
    with pytest.raises(FrozenError), Stream(loop=VirtualClock()) as source:
        source.partition(2).map(lambda xs: fail(xs[0])).sink(print)
        source.emit(1)


def test_a_coroutine_on_a_virtual_clock_raises_one():
    async def main():
        fail(1)

    with pytest.raises(FrozenError):
        VirtualClock().run(main())


@pytest.mark.parametrize("is_process", [False, True])
def test_a_task_raises_one(is_process):
    with Client(processes=is_process, n_workers=1) as client:
        future = client.submit(fail, 1)
        for _ in range(2):
            with pytest.raises(FrozenError):
                future.result()
        with pytest.raises(FrozenError):
            client.submit(abs, future).result()
        with Stream() as source:
            L = source.scatter(client).map(fail, on_error="skip").gather().sink_to_list()
            source.scatter(client).map(fail).gather().sink(print)
            with pytest.raises(FrozenError):
                source.emit(1)
        assert L == []


def test_a_block_of_a_client_raises_one():
    def ask(x):
        with worker_client() as client:
            return client.submit(fail, x).result()

    with Client(n_workers=1) as one, Client(n_workers=1) as other:
        with pytest.raises(FrozenError):
            one.submit(ask, 1).result()
        with pytest.raises(FrozenError), one.as_current():
            fail(1)
        assert default_client() is other
