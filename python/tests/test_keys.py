"""Keys whose comparison or hash raises are failures of the comparing node, never silently "not equal"."""

from __future__ import annotations

import pytest

from thalweg import Stream


class Key:
    def __init__(self, error=None, hashes=True):
        self.error, self.hashes = error, hashes

    def __hash__(self):
        if not self.hashes:
            raise self.error
        return 1

    def __eq__(self, other):
        error = self.error or getattr(other, "error", None)
        if error:
            raise error
        return True


OPERATORS = {
    "unique": lambda s, **kw: s.unique(**kw),
    "unique, a history": lambda s, **kw: s.unique(maxsize=3, **kw),
    "unique, compared": lambda s, **kw: s.unique(hashable=False, **kw),
    "partition_unique": lambda s, **kw: s.partition_unique(3, **kw),
    "partition_unique, last": lambda s, **kw: s.partition_unique(3, keep="last", **kw),
    "timed_window_unique": lambda s, **kw: s.timed_window_unique("1h", **kw),
    "partition": lambda s, **kw: s.partition(3, key=lambda x: x, **kw),
    "frequencies": lambda s, **kw: s.frequencies(),
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_comparison_that_fails_is_a_failure(operator):
    source = Stream()
    OPERATORS[operator](source).sink(lambda x: None)
    source.emit(Key())
    with pytest.raises(ZeroDivisionError):
        source.emit(Key(ZeroDivisionError("no")))
    # The failure leaves no trace for the next element.
    source.emit(Key())


@pytest.mark.parametrize("operator", [name for name in OPERATORS if name != "frequencies"])
def test_the_policy_handles_failing_keys(operator):
    source = Stream()
    node = OPERATORS[operator](source, on_error="skip")
    node.sink(lambda x: None)
    source.emit(Key())
    source.emit(Key(ZeroDivisionError("no")))
    assert node.counters()["failed"] == 1


@pytest.mark.parametrize("operator", [name for name in OPERATORS if "compared" not in name])
def test_a_hash_that_fails_is_a_failure(operator):
    source = Stream()
    OPERATORS[operator](source).sink(lambda x: None)
    with pytest.raises(ZeroDivisionError):
        source.emit(Key(ZeroDivisionError("no"), hashes=False))


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("operator", OPERATORS)
def test_an_interrupt_propagates(operator, interrupt):
    source = Stream()
    OPERATORS[operator](source).sink(lambda x: None)
    source.emit(Key())
    with pytest.raises(interrupt):
        source.emit(Key(interrupt()))


def test_arrays_have_no_one_truth_value():
    np = pytest.importorskip("numpy")
    source = Stream()
    L = source.unique(hashable=False).sink_to_list()
    source.emit(np.ones(2))
    with pytest.raises(ValueError, match="ambiguous"):
        source.emit(np.ones(2))
    assert len(L) == 1


def test_the_note_of_a_failing_comparison_shows_no_other_element():
    source = Stream()
    source.unique().sink(lambda x: None)
    source.emit(Key())
    with pytest.raises(ZeroDivisionError) as caught:
        source.emit(Key(ZeroDivisionError("no")))
    assert caught.value.__notes__ == ["in unique, on element 2"]
