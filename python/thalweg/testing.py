"""Tests of pipelines and operators, on a virtual clock.

A :class:`Bench` puts a part of a pipeline between a source and a sink that records outputs and times.
:func:`check_operator` checks an operator of your own for everything that must hold for every operator. A
:class:`KafkaBroker` stands in for Kafka.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from thalweg import _thalweg, errors
from thalweg.runtime.clock import VirtualClock
from thalweg.stream import Stream
from thalweg.stream.refcounter import RefCounter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thalweg._types import Interval

__all__ = ["Bench", "KafkaBroker", "check_operator"]

#: The elements of a check, and the one that fails.
_ELEMENTS, _TROUBLED = range(1, 11), 3

#: Seconds between two elements of a check, and seconds per element of its slow sinks.
_PAUSE, _WORK = 0.3, 0.1


class KafkaBroker:
    """A stand-in for a Kafka broker, in this process, on a free port of the loopback address.

    It keeps everything in memory, and supports producers, consumer groups and committed offsets, but neither logins nor
    administration of topics. It ends with :meth:`close`, or with its ``with`` block.

    Parameters
    ----------
    topics: dict
        Numbers of partitions by topic.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Stream
    >>> from thalweg.testing import KafkaBroker
    >>> async def main(address):
    ...     words = Stream(asynchronous=True)
    ...     node = words.to_kafka("words", {"bootstrap.servers": address})
    ...     await words.emit("river")
    ...     await words.drain()
    ...     params = {"bootstrap.servers": address, "group.id": "readers", "auto.offset.reset": "earliest"}
    ...     messages = Stream.from_kafka("words", params, until_end=True, asynchronous=True)
    ...     L = messages.sink_to_list()
    ...     messages.start()
    ...     await messages.finished()
    ...     await messages.drain()
    ...     return L
    >>> with KafkaBroker({"words": 1}) as broker:
    ...     asyncio.run(main(broker.address))
    [b'river']
    """

    def __init__(self, topics: Mapping[str, int]) -> None:
        self._broker = _thalweg.sources.KafkaBroker(list(topics.items()))

    @property
    def address(self) -> str:
        """Its address: the option ``bootstrap.servers``."""
        return self._broker.address or ""

    def close(self) -> None:
        """Stop it."""
        self._broker.close()

    def __enter__(self) -> KafkaBroker:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Bench:
    """A part of a pipeline on a virtual clock, between a source and a sink.

    Parameters
    ----------
    build
        Called with the source; attaches nodes to it and returns the last of them.
    work
        Seconds that the sink takes per element: with more than 0, it is asynchronous.

    Examples
    --------
    >>> from thalweg.testing import Bench
    >>> bench = Bench(lambda source: source.shift("1s").map(str.upper))
    >>> bench.emit("a")
    >>> bench.clock.advance("1500ms")
    >>> bench.take(), bench.acked
    ([(1.0, 'A')], ['a'])
    """

    def __init__(self, build: Callable[[Stream], Stream], work: float = 0) -> None:
        self.clock: VirtualClock = VirtualClock()
        self.source: Stream = Stream(loop=self.clock)
        #: The acknowledged elements, in that order.
        self.acked: list[Any] = []
        self._out: list[tuple[float, Any]] = []
        note, clock = self._out.append, self.clock

        async def take_time(x: Any) -> None:
            await asyncio.sleep(work)
            note((clock.time(), x))

        build(self.source).sink(take_time if work else lambda x: note((clock.time(), x)))

    def emit(self, x: Any) -> Any:
        """Emit an element with a reference counter; `acked` says when it is acknowledged.

        Examples
        --------
        >>> from thalweg.testing import Bench
        >>> bench = Bench(lambda source: source.partition(2))
        >>> bench.emit(1)
        >>> bench.acked
        []
        """
        counter = RefCounter(cb=lambda: self.acked.append(x))
        return self.source.emit(x, metadata=[{"ref": counter}])

    def take(self) -> list[tuple[float, Any]]:
        """Return the outputs since the last call, each with its time in seconds.

        Examples
        --------
        >>> from thalweg.testing import Bench
        >>> bench = Bench(lambda source: source.map(abs))
        >>> bench.emit(-1)
        >>> bench.take(), bench.take()
        ([(0.0, 1)], [])
        """
        taken = list(self._out)
        self._out.clear()
        return taken

    def drain(self, timeout: Interval = "1h") -> list[tuple[float, Any]]:
        """Drain the pipeline, within a time of the virtual clock, and return the outputs meanwhile.

        Raises
        ------
        UndeliveredError
            Not everything could be delivered within the limit.

        Examples
        --------
        >>> from thalweg.testing import Bench
        >>> bench = Bench(lambda source: source.partition(2))
        >>> bench.emit(1)
        >>> bench.drain()
        [(0.0, (1,))]
        """
        self.source.drain(timeout)
        return self.take()


def check_operator(
    build: Callable[[Stream], Stream],
    keeps: Iterable[int] = (),
    elements_of: Callable[[Any], Iterable[int]] | None = None,
) -> None:
    """Check what must hold for every operator: emits the numbers 1 to 10 into it, 300 ms apart on a virtual clock.

    With a plain sink, a slow one, and a slow one behind a buffer: each element is acknowledged once, after everything
    derived from it is done, and the operator holds the elements that `keeps` says until the drain. With a sink that
    fails on element 3: one failure is reported, the other outputs are unchanged, and with ``on_error="skip"`` none is
    reported. A pipeline that nobody references is freed.

    Parameters
    ----------
    build
        Called with the source of each run; attaches the operator and returns it.
    keeps
        The numbers that the operator holds until others arrive, or until the drain.
    elements_of
        Returns the numbers that an output was derived from. By default: a number from itself, a tuple or list from the
        numbers in it, and anything else from none.

    Raises
    ------
    AssertionError
        Something does not hold; the message says what was expected and what happened.

    Examples
    --------
    >>> from thalweg import Stream
    >>> from thalweg.testing import check_operator
    >>> class every_second(Stream):
    ...     def __init__(self, upstream, **kwargs):
    ...         self.count = 0
    ...         super().__init__(upstream, **kwargs)
    ...     def update(self, x, who=None, metadata=None):
    ...         self.count += 1
    ...         return self._emit(x, metadata) if self.count % 2 == 0 else None
    >>> check_operator(every_second)
    >>> check_operator(lambda source: source.partition(4), keeps=[9, 10])
    """
    of = _elements_of if elements_of is None else elements_of
    clean = None
    for work, is_buffered in ((0.0, False), (_WORK, False), (_WORK, True)):
        run = _Run(build, of, work=work, is_buffered=is_buffered)
        assert run.failures == [], f"a failure with a sink that does not fail: {run.failures}"
        assert run.held == sorted(keeps), f"holds {run.held} before the drain, and not {sorted(keeps)}"
        run.check_acks(lost=())
        clean = run.outputs if clean is None else clean
    assert clean is not None
    failing = next((output for output in clean if _TROUBLED in of(output)), None)
    if failing is not None:
        for policy in ("raise", "skip"):
            run = _Run(build, of, policy=policy)
            told = len(run.failures)
            # Under streamz's name a failure that no emitter waits for is logged instead.
            is_logged = told == 0 and errors.logs_at_once()
            expected = 1 if policy == "raise" else 0
            assert told == expected or is_logged, f"{told} failures told of under {policy!r}, and not {expected}"
            rest = list(clean)
            rest.remove(failing)
            missing = [output for output in rest if output not in run.outputs]
            assert run.outputs == [output for output in rest if output not in missing], (
                f"under {policy!r} {run.outputs} comes out, and not {rest}"
            )
            # Further outputs of the failed call are dropped.
            is_lost = policy == "raise" and all(set(of(output)) & set(of(failing)) for output in missing)
            assert is_lost or not missing, f"under {policy!r} {missing} is missing"
            run.check_acks(lost=of(failing) if policy == "raise" else ())
    source = Stream(loop=VirtualClock())
    kept = weakref.ref(source)
    build(source).sink(print)
    del source
    gc.collect()
    assert kept() is None, "the pipeline is kept by something when nobody holds it"


def _elements_of(output: Any) -> Iterable[int]:
    if isinstance(output, (tuple, list)):
        return [x for x in output if isinstance(x, int)]
    return [output] if isinstance(output, int) else []


class _Run:
    """One run of an operator, and its results."""

    def __init__(
        self,
        build: Callable[[Stream], Stream],
        elements_of: Callable[[Any], Iterable[int]],
        work: float = 0.0,
        is_buffered: bool = False,
        policy: str | None = None,
    ) -> None:
        clock = VirtualClock()
        self.failures: list[Exception] = []
        self._of = elements_of
        self._events: list[tuple[str, Any]] = []
        has_failed = False

        def take(output: Any) -> None:
            nonlocal has_failed
            if policy is not None and not has_failed and _TROUBLED in elements_of(output):
                has_failed = True
                raise ValueError("the sink of a check fails on element 3")
            self._events.append(("output", output))

        async def take_time(output: Any) -> None:
            await asyncio.sleep(work)
            take(output)

        source = Stream(loop=clock)
        last = build(source)
        if is_buffered:
            last = last.buffer(2)
        last.sink(take_time if work else take, on_error=policy)  # type: ignore[arg-type]
        for x in _ELEMENTS:
            counter = RefCounter(cb=lambda x=x: self._events.append(("acked", x)))  # type: ignore[misc]
            self._try(lambda x=x, counter=counter: source.emit(x, metadata=[{"ref": counter}]))  # type: ignore[misc]
            clock.advance(_PAUSE)
        clock.advance(60)
        #: The elements that were not acknowledged before the drain.
        self.held = sorted(set(_ELEMENTS) - set(self._acked()))
        self._try(lambda: source.drain(60))
        self.outputs = [what for kind, what in self._events if kind == "output"]

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Exception as error:
            self.failures.append(error)

    def _acked(self) -> list[int]:
        return [what for kind, what in self._events if kind == "acked"]

    def check_acks(self, lost: Iterable[int]) -> None:
        """Check that each element was acknowledged once, except lost ones, and after everything derived from it."""
        expected = sorted(set(_ELEMENTS) - set(lost))
        assert sorted(self._acked()) == expected, f"{sorted(self._acked())} are acknowledged, and not {expected}"
        done = set()
        for kind, what in self._events:
            if kind == "acked":
                done.add(what)
            else:
                early = done & set(self._of(what))
                assert not early, f"{early} acknowledged before {what!r}, which was made of it, had been dealt with"
