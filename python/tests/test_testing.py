"""The test kit: right operators pass, wrong ones do not."""

from __future__ import annotations

from typing import ClassVar

import pytest

from thalweg import Stream
from thalweg.testing import Bench, check_operator

RIGHT = {
    "map": (lambda s: s.map(lambda x: x), []),
    "filter": (lambda s: s.filter(lambda x: x % 2), []),
    "partition": (lambda s: s.partition(4), [9, 10]),
    "sliding_window": (lambda s: s.sliding_window(3, return_partial=False), [9, 10]),
    "timed_window": (lambda s: s.timed_window("1s"), []),
    "buffer": (lambda s: s.buffer(3), []),
    "delay": (lambda s: s.delay("1s"), []),
    "shift": (lambda s: s.shift("1s"), []),
    "rate_limit": (lambda s: s.rate_limit("1s"), []),
    "unique": (lambda s: s.unique(), []),
}


@pytest.mark.parametrize(("build", "keeps"), RIGHT.values(), ids=RIGHT.keys())
def test_the_operators_of_the_library_pass(build, keeps):
    check_operator(build, keeps)


def test_an_operator_that_sends_several_outputs_for_an_element_passes():
    check_operator(lambda s: s.map(lambda x: [x, 100 + x]).flatten(), elements_of=lambda x: [x % 100])


class forgetful(Stream):
    """Drops the metadata, and with it completion tracking."""

    def update(self, x, who=None, metadata=None):
        return self.buffered.append(x) if x % 2 else self._emit([*self.buffered, x])

    def __init__(self, upstream):
        self.buffered = []
        super().__init__(upstream)


class selfish(Stream):
    """A node kept alive by a global list."""

    everyone: ClassVar[list[Stream]] = []

    def __init__(self, upstream):
        self.everyone.append(upstream)
        super().__init__(upstream)

    def update(self, x, who=None, metadata=None):
        return self._emit(x, metadata)


WRONG = {
    "declares no held elements": (lambda s: s.partition(4), "holds"),
    "loses metadata": (forgetful, "acknowledged before"),
    "is kept": (selfish, "is kept by something"),
    "fails by itself": (lambda s: s.map(lambda x: 1 // (x - 3)), "a failure with a sink that does not fail"),
}


@pytest.mark.parametrize(("build", "complaint"), WRONG.values(), ids=WRONG.keys())
def test_wrong_operators_do_not_pass(build, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_operator(build)
    selfish.everyone.clear()


def test_a_bench_with_a_slow_sink_shows_when_elements_are_done():
    bench = Bench(lambda source: source.map(abs), work=0.25)
    bench.emit(-1)
    assert (bench.take(), bench.acked) == ([(0.25, 1)], [-1])
