"""The operator `accumulate` on an engine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from thalweg.parallel.elsewhere import worker
from thalweg.parallel.elsewhere.element import Element, elements_in
from thalweg.parallel.elsewhere.launcher import Group, Launcher, Line
from thalweg.parallel.elsewhere.site import Site
from thalweg.parallel.elsewhere.stream import ParallelStream, _are_gathered, _session_of
from thalweg.parallel.elsewhere.worker import Call, Chain, Fold, Parcel, Result
from thalweg.stream import Stream, no_default
from thalweg.stream.arguments import check_callable, check_streams, is_awaited
from thalweg.stream.node import describe

__all__ = ["accumulate"]

#: After so many groups the state is fetched once: the scheduler of a cluster keeps all that a value was made of, and
#: makes it anew of that if a worker dies.
_REST_AFTER = 64


class _Folding(Launcher):
    """Sends one group after the other: each begins with the state that the one before left."""

    def __init__(self, line: Line, start: tuple[Any, ...], returns_state: bool, with_state: bool) -> None:
        super().__init__(line)
        self._start = start
        self._returns_state, self._with_state = returns_state, with_state
        #: The state, if it is here: in a tuple, which is empty if there is none yet.
        self._state: tuple[Any, ...] | None = start
        #: The group that has it, if it is there.
        self._last: Group | None = None
        self._groups = 0
        self._is_resting = False
        #: The elements before which the state is set back.
        self.resets: set[Element] = set()

    @property
    def width(self) -> int:
        """How many groups may be on their way."""
        return 1

    def go_on(self) -> None:
        """Send what may go."""
        if not self._is_resting:
            super().go_on()

    def pack(self, elements: list[Element], groups: list[Group]) -> tuple[Callable[..., Result], Parcel, list[Any]]:
        """Make a task of elements, and of the state."""
        _, parcel, _ = super().pack(elements, groups)
        resets = [place for place, element in enumerate(elements) if element in self.resets]
        start = self._start if resets else ()
        parcel.extra = Fold(self._state, start, resets, self._returns_state, self._with_state)
        return worker.accumulate, parcel, [] if self._last is None else [self._last.future]

    def came_back(self, group: Group, error: BaseException | None) -> None:
        """Take note of where the state is."""
        super().came_back(group, error)
        if error is not None:
            return
        self.resets.difference_update(group.elements or ())
        self._state, self._last = None, group
        self._groups += 1
        if not self.line.session.backend.is_remote:
            self._is_resting = True
        elif self._groups % _REST_AFTER == 0:
            self._is_resting = True
            self._fetch(group)

    def learn(self, known: Any) -> None:
        """Take note of the state, if it has come."""
        super().learn(known)
        if self._is_resting and type(known) is Result and not self.line.session.backend.is_remote:
            self._rested(known.state, None)

    def _fetch(self, group: Group) -> None:
        session = self.line.session
        try:
            asked = session.backend.submit(worker.state_of, group.future)
        except Exception:
            self._is_resting = False
            return

        def arrived(state: Any, error: BaseException | None) -> None:
            session.call(partial(self._rested, state, error))

        session.backend.fetch(asked, arrived)

    def _rested(self, state: Any, error: BaseException | None) -> None:
        self._is_resting = False
        if error is None:
            self._state, self._last = state, None
        self.go_on()


@ParallelStream.register_api()
class accumulate(ParallelStream):
    """Call a function on a state and each element, on the engine, where the state stays: ``state = func(state, x)``.

    An element that the function fails on leaves the state as it was, and so does one that never came.

    Parameters
    ----------
    func: callable
    start:
        The first state. Without it, the first element becomes the state, and is sent as it is.
    returns_state: bool
        Whether `func` returns a pair: the state, and what to send.
    with_state: bool
        Whether what is sent is a pair: the state, and the result.
    reset_stream: Stream
        Its elements set the state back to its start.
    on_error:
        See :class:`~thalweg.Stream`.
    **kwargs:
        Keyword arguments for `func`; and ``stream_name``.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").accumulate(max).gather().sink_to_list()
    >>> source.emit_many([1, 3, 2])
    >>> source.drain()
    >>> L
    [1, 3, 3]
    """

    _graphviz_shape = "box"
    _is_settled = False

    def __init__(
        self,
        upstream: Stream,
        func: Callable[..., Any],
        start: Any = no_default,
        returns_state: bool = False,
        *,
        with_state: bool = False,
        reset_stream: Stream | None = None,
        on_error: Any = None,
        stream_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        check_callable(func, "accumulate", "func")
        if reset_stream is not None:
            check_streams((reset_stream,), "accumulate", "reset_stream")
        self.func, self.kwargs = func, kwargs
        self.returns_state, self.with_state = bool(returns_state), bool(with_state)
        self._start: tuple[Any, ...] = () if start is no_default else (start,)
        self._site = Site(stream_name or describe(self), on_error)
        self._ordinal = 0
        self._line: Line | None = None
        self._is_reset = False
        super().__init__(upstream, stream_name=stream_name)
        if self._site.target is not None:
            super()._set_on_error(on_error)
        if reset_stream is not None:
            reset_stream.sink(self.reset)

    def _set_on_error(self, on_error: Any) -> None:
        self._site.set_on_error(on_error)
        if self._line is not None:
            self._line.chain = self._chain()
        if self._site.target is not None:
            super()._set_on_error(on_error)

    def reset(self, _: Any = None) -> None:
        """Set the state back to its start, for the elements that come from now on; the argument is ignored.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> total = source.scatter(backend="thread").accumulate(lambda total, x: total + x, start=0)
        >>> L = total.gather().sink_to_list()
        >>> source.emit_many([1, 2])
        >>> total.reset()
        >>> source.emit(5)
        >>> source.drain()
        >>> L
        [1, 3, 5]
        """
        self._is_reset = True

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> Any:
        """Let the element go."""
        self._ordinal += 1
        if type(x) is Element:
            line = self._line_of(x)
            base, is_linked = (x.base, False) if x.is_bare else (x, True)
            element = Element(line, base, metadata, x.ordinal, is_linked=is_linked)
        else:
            is_linked = next(elements_in(x), None) is not None
            element = Element(self._line_of(x), x, metadata, self._ordinal, is_linked=is_linked)
        if self._is_reset:
            self._is_reset = False
            launcher = element.line.launcher
            assert isinstance(launcher, _Folding)
            launcher.resets.add(element)
        element.launch(_are_gathered(self))
        return self._emit(element, metadata)

    def _line_of(self, x: Any) -> Line:
        if self._line is None:
            session = self._session or _session_of(x)
            self._line = Line(session, self._chain())
            self._line.launcher = _Folding(self._line, self._start, self.returns_state, self.with_state)
        return self._line

    def _chain(self) -> Chain:
        site = self._site
        return Chain([Call(site.number, site.policy(), self.func, (), self.kwargs, True, is_awaited(self.func))])
