"""Emitting threads carry an element up to the first function, without the event loop's thread."""

from __future__ import annotations

import threading

import pytest

from support import PATIENCE
from thalweg import Stream

#: Pipelines whose elements wait for the event loop before any function is called.
WAITS = {
    "buffer": lambda s: s.buffer(10),
    "collect": lambda s: s.collect().buffer(10),
    "debounce": lambda s: s.debounce("1ms").buffer(10),
    "delay": lambda s: s.delay("1ms"),
    "latest": lambda s: s.latest(),
    "sample": lambda s: s.sample("1ms"),
    "shift": lambda s: s.shift("1ms"),
    "timed_window": lambda s: s.timed_window("1ms"),
    "combine_latest": lambda s: s.combine_latest(s).buffer(10),
    "partition": lambda s: s.partition(1).buffer(10),
    "partition with a timeout": lambda s: s.partition(2, timeout="1ms").buffer(10),
    "rate_limit": lambda s: s.rate_limit("1ms").buffer(10),
    "slice": lambda s: s.slice(0, 10).buffer(10),
    "sliding_window": lambda s: s.sliding_window(1).buffer(10),
    "throttle": lambda s: s.throttle("1ms").buffer(10),
    "union": lambda s: s.union(Stream()).buffer(10),
    "zip": lambda s: s.zip(s).buffer(10),
    "zip_latest": lambda s: s.zip_latest(s).buffer(10),
    "two branches": lambda s: (s.latest(), s.buffer(10))[1],
}


class BusyLoop:
    """Blocks the event loop thread shared by synchronous pipelines."""

    def __enter__(self):
        self.release, begun = threading.Event(), threading.Event()

        def hold(_):
            begun.set()
            self.release.wait(PATIENCE)

        self.source = Stream()
        self.source.buffer(1).sink(hold)
        self.source.emit(None)
        assert begun.wait(PATIENCE)
        return self

    def __exit__(self, *_):
        self.release.set()
        self.source.drain()


def emits(source, x):
    """Emit on a thread; return whether it returns while the loop is busy."""
    thread = threading.Thread(target=source.emit, args=(x,), daemon=True)
    thread.start()
    thread.join(5)
    return not thread.is_alive()


@pytest.mark.parametrize("build", WAITS.values(), ids=WAITS)
def test_an_element_waits_for_the_loop_and_its_emitter_does_not(build):
    source = Stream()
    threads = []
    end = build(source)
    end.sink(lambda x: threads.append(threading.current_thread()))
    with BusyLoop():
        # Earlier windows were empty.
        threads.clear()
        assert emits(source, 1)
        assert threads == []
    source.drain()
    assert threads and threading.main_thread() not in threads


@pytest.mark.parametrize("name", ["map", "filter", "a key", "a branch", "a subclass"])
def test_functions_before_it_are_called_by_the_loop(name):
    threads = []

    def f(x):
        threads.append(threading.current_thread())
        return x

    class Noting(Stream):
        def update(self, x, who=None, metadata=None):
            f(x)
            return self._emit(x, metadata=metadata)

    source = Stream()
    build = {
        "map": lambda: source.map(f).buffer(10),
        "filter": lambda: source.filter(f).buffer(10),
        "a key": lambda: source.partition(1, key=f).buffer(10),
        "a branch": lambda: (source.sink(f), source.buffer(10))[1],
        "a subclass": lambda: Noting(upstream=source).buffer(10),
    }
    L = build[name]().sink_to_list()
    source.emit(1)
    source.drain()
    assert len(L) == 1
    assert threads and threading.main_thread() not in threads


def test_an_interval_set_to_zero_later_takes_effect():
    threads = []
    source = Stream()
    node = source.debounce("1h")
    node.sink(lambda x: threads.append(threading.current_thread()))
    source.emit(1)
    node.interval = 0
    source.emit(2)
    source.drain()
    assert threads and threading.main_thread() not in threads


def test_an_edge_added_later_takes_effect():
    threads = []
    source = Stream()
    source.buffer(10).sink(lambda x: None)
    source.emit(1)
    source.sink(lambda x: threads.append(threading.current_thread()))
    source.emit(2)
    source.drain()
    assert len(threads) == 1 and threading.main_thread() not in threads


def test_a_full_buffer_blocks_the_emitter():
    release, begun = threading.Event(), threading.Event()
    source = Stream()
    L = []

    def slow(x):
        begun.set()
        release.wait(PATIENCE)
        L.append(x)

    source.buffer(2).sink(slow)
    source.emit(0)
    assert begun.wait(PATIENCE)
    rest = threading.Thread(target=lambda: [source.emit(x) for x in range(1, 20)], daemon=True)
    rest.start()
    rest.join(0.1)
    assert rest.is_alive()
    release.set()
    rest.join(PATIENCE)
    source.drain()
    assert L == list(range(20))


def test_threads_share_a_buffer():
    source = Stream()
    L = source.buffer(3).sink_to_list()
    threads = [threading.Thread(target=lambda n=n: [source.emit((n, x)) for x in range(300)]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    source.drain()
    assert len(L) == 1200
    assert all([x for m, x in L if m == n] == list(range(300)) for n in range(4))
