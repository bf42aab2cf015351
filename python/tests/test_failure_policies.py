"""How each policy handles an element whose function fails."""

from __future__ import annotations

import asyncio

import pytest

from thalweg import Failure, Retry, Stream, VirtualClock


def invert(x):
    return 1 / x


async def invert_later(x):
    await asyncio.sleep(0)
    return 1 / x


# Builders of nodes that fail on 0 and emit something for 1.


class inverting(Stream):
    def update(self, x, who=None, metadata=None):
        return self._emit(1 / x, metadata=metadata)


class inverting_later(Stream):
    def __init__(self, upstream, **kwargs):
        super().__init__(upstream, ensure_io_loop=True, **kwargs)

    async def _later(self, x, metadata):
        await asyncio.sleep(0)
        for waiting in self._emit(1 / x, metadata=metadata):
            await waiting

    def update(self, x, who=None, metadata=None):
        return self._later(x, metadata)


async def is_invertible(x):
    await asyncio.sleep(0)
    return 1 / x


async def add_inverse(total, x):
    await asyncio.sleep(0)
    return total + 1 / x


def inverting_sink(function):
    def build(source, seen, **kwargs):
        if asyncio.iscoroutinefunction(function):

            async def see(x):
                seen.append(await function(x))
        else:

            def see(x):  # type: ignore[misc]
                seen.append(function(x))

        return source.sink(see, **kwargs)

    return build


def through(method, *args):
    def build(source, seen, **kwargs):
        node = getattr(source, method)(*args, **kwargs)
        node.sink(seen.append)
        return node

    return build


def through_class(cls):
    def build(source, seen, **kwargs):
        node = cls(source, **kwargs)
        node.sink(seen.append)
        return node

    return build


def through_starmap(source, seen, **kwargs):
    node = source.map(lambda x: (1, x)).starmap(lambda a, b: a / b, **kwargs)
    node.sink(seen.append)
    return node


FAILING = {
    "map": through("map", invert),
    "map with arguments": through("map", lambda x, y, z=0: (y + z) / x, 1, 0),
    "starmap": through_starmap,
    "filter": through("filter", invert),
    "accumulate": through("accumulate", lambda total, x: total + 1 / x, 0),
    "sink": inverting_sink(invert),
    "subclass": through_class(inverting),
    "partition by key": lambda source, seen, **kw: through("partition", 1, None, invert)(source, seen, **kw),
    "unique by key": through("unique", None, invert),
    "async map": through("map", invert_later),
    "async filter": through("filter", is_invertible),
    "async accumulate": through("accumulate", add_inverse, 0),
    "async sink": inverting_sink(invert_later),
    "async subclass": through_class(inverting_later),
    "map_async": through("map_async", invert_later),
}

failing = pytest.mark.parametrize("build", FAILING.values(), ids=FAILING.keys())
failing_in_emit = pytest.mark.parametrize(
    "build",
    [build for name, build in FAILING.items() if name != "map_async"],
    ids=[name for name in FAILING if name != "map_async"],
)


@failing_in_emit
def test_raise_reports_to_the_emitter_and_continues(build):
    source, seen = Stream(loop=VirtualClock()), []
    node = build(source, seen, on_error="raise")
    with pytest.raises(ZeroDivisionError) as caught:
        source.emit(0)
    assert caught.value.__notes__
    source.emit(1)
    assert len(seen) == 1
    assert node.counters()["failed"] == 1


@failing
def test_skip_drops_the_element(build):
    source, seen = Stream(loop=VirtualClock()), []
    build(source, seen, on_error="skip")
    source.emit(0)
    source.emit(1)
    source.drain()
    assert len(seen) == 1


@failing
def test_an_error_stream_gets_the_failures(build):
    source, seen, errors = Stream(loop=VirtualClock()), [], Stream()
    failures = errors.sink_to_list()
    build(source, seen, on_error=errors)
    source.emit(1)
    source.emit(0)
    source.drain()
    assert len(seen) == 1
    [failure] = failures
    assert isinstance(failure, Failure)
    assert isinstance(failure.exception, ZeroDivisionError)
    assert failure.element in (0, (1, 0))
    assert failure.ordinal == 2
    assert isinstance(failure.node, str) and failure.node


@failing
def test_on_exception_branches_off_the_failures(build):
    source, seen = Stream(loop=VirtualClock()), []
    node = build(source, seen)
    failures = node.on_exception().sink_to_list()
    source.emit(0)
    source.emit(1)
    source.drain()
    assert len(seen) == 1
    assert [type(failure.exception) for failure in failures] == [ZeroDivisionError]


class Moody:
    """Fails the first few calls with each element."""

    def __init__(self, failures):
        self.failures = failures
        self.calls = 0

    def check(self):
        self.calls += 1
        if self.calls <= self.failures:
            raise OSError(f"call {self.calls}")

    def __call__(self, x):
        self.check()
        return True

    def key(self, x):
        self.check()
        return x

    def add(self, total, x):
        self.check()
        return x

    async def later(self, x):
        await asyncio.sleep(0)
        self.check()
        return True

    async def add_later(self, total, x):
        await asyncio.sleep(0)
        self.check()
        return x


class moody(Stream):
    def __init__(self, upstream, mood, **kwargs):
        self.mood = mood
        super().__init__(upstream, **kwargs)

    def update(self, x, who=None, metadata=None):
        self.mood(x)
        return self._emit(x, metadata=metadata)


RETRYING = {
    "map": lambda source, mood, policy: source.map(mood, on_error=policy).sink_to_list(),
    "starmap": lambda source, mood, policy: source.map(lambda x: (x,)).starmap(mood, on_error=policy).sink_to_list(),
    "filter": lambda source, mood, policy: source.filter(mood, on_error=policy).sink_to_list(),
    "accumulate": lambda source, mood, policy: source.accumulate(mood.add, 0, on_error=policy).sink_to_list(),
    "subclass": lambda source, mood, policy: moody(source, mood, on_error=policy).sink_to_list(),
    "async map": lambda source, mood, policy: source.map(mood.later, on_error=policy).sink_to_list(),
    "async accumulate": lambda source, mood, policy: source.accumulate(
        mood.add_later, 0, on_error=policy
    ).sink_to_list(),
    "map_async": lambda source, mood, policy: source.map_async(mood.later, on_error=policy).sink_to_list(),
    "unique": lambda source, mood, policy: source.unique(key=mood.key, on_error=policy).sink_to_list(),
}


@pytest.mark.parametrize("build", RETRYING.values(), ids=RETRYING.keys())
def test_retry_tries_again(build):
    source, mood = Stream(loop=VirtualClock()), Moody(2)
    L = build(source, mood, Retry(2))
    source.emit(7)
    source.drain()
    assert (len(L), mood.calls) == (1, 3)


@pytest.mark.parametrize("build", RETRYING.values(), ids=RETRYING.keys())
def test_retry_gives_up_after_its_attempts(build):
    source, mood = Stream(loop=VirtualClock()), Moody(3)
    L = build(source, mood, Retry(2, then="skip"))
    source.emit(7)
    source.drain()
    assert (len(L), mood.calls) == (0, 3)


def test_retry_without_a_loop_raises_the_last_failure():
    source, mood = Stream(), Moody(9)
    source.sink(mood, on_error=Retry(3))
    with pytest.raises(OSError, match="call 4"):
        source.emit(1)


def test_retry_doubles_its_pause():
    clock = VirtualClock()
    source, mood = Stream(loop=clock), Moody(4)
    L = source.map(mood, on_error=Retry(9, backoff="1s", at_most="3s")).sink_to_list()
    source.emit(1)
    assert L == [True]
    assert clock.time() == 1 + 2 + 3 + 3


def test_retry_then_a_stream():
    errors = Stream()
    failures = errors.sink_to_list()
    source, mood = Stream(), Moody(9)
    source.sink(mood, on_error=Retry(1, then=errors))
    source.emit(5)
    assert [failure.element for failure in failures] == [5]
    assert mood.calls == 2


@pytest.mark.parametrize("target", ["raise", "skip", "stream"])
@pytest.mark.parametrize(
    "build",
    [
        lambda source, function, policy: source.map(function, on_error=policy),
        lambda source, function, policy: source.filter(function, on_error=policy),
        lambda source, function, policy: source.sink(function, on_error=policy),
        lambda source, function, policy: source.unique(key=function, on_error=policy),
    ],
    ids=["map", "filter", "sink", "unique"],
)
def test_a_pipeline_without_a_loop_gets_one_for_the_pauses_of_a_retry(build, target):
    """An operator that waits by itself does the same."""

    def fail_twice(x):
        calls.append(x)
        if x == 2 or len(calls) < 3:
            raise ValueError(x)
        return x

    calls = []
    source, failures = Stream(), Stream()
    failed = failures.sink_to_list()
    then = failures if target == "stream" else target
    node = build(source, fail_twice, Retry(2, backoff=0.001, then=then))
    source.emit(1)
    assert calls == [1, 1, 1]
    if target == "raise":
        with pytest.raises(ValueError, match="2"):
            source.emit(2)
    else:
        source.emit(2)
    source.drain()
    assert calls == [1, 1, 1, 2, 2, 2]
    assert node.counters()["failed"] == 1
    assert [failure.element for failure in failed] == ([2] if target == "stream" else [])
