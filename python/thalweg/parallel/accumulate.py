"""The operator `accumulate` on an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from thalweg import _thalweg
from thalweg._thalweg.parallel import Accumulation
from thalweg.parallel.reports import Site
from thalweg.parallel.steps import checked_function
from thalweg.parallel.stream import ParallelStream, session_of
from thalweg.stream import Stream, no_default
from thalweg.stream.arguments import check_streams, is_awaited
from thalweg.stream.live import Live
from thalweg.stream.names import own_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._types import Placement

__all__ = ["accumulate"]


@ParallelStream.register_api()
class accumulate(ParallelStream):
    """Call a function with a state and each element on the engine, where the state stays: ``state = func(state, x)``.

    A failed element, and one that never arrives, leaves the state unchanged.

    Parameters
    ----------
    func: callable
    start:
        The initial state. Without it, the first element becomes the state, and is emitted unchanged.
    returns_state: bool
        Whether `func` returns a pair: the state, and the result to emit.
    with_state: bool
        Whether pairs of state and result are emitted.
    reset_stream: Stream
        A stream whose elements reset the state.
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

    func: Any = Live(checked_function)
    kwargs: dict[str, Any]
    returns_state: bool
    with_state: bool

    _graphviz_shape = "box"
    _is_settled = False

    def __init__(
        self,
        upstream: Stream,
        func: Callable[..., Any],
        start: Any = no_default,
        returns_state: bool = False,
        reset_stream: Stream | None = None,
        *,
        with_state: bool = False,
        on_error: Any = None,
        stream_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if reset_stream is not None:
            check_streams((reset_stream,), "accumulate", "reset_stream")
        self.func, self.kwargs = func, kwargs
        self.returns_state, self.with_state = bool(returns_state), bool(with_state)
        self._site = Site(own_name(self, stream_name), on_error)
        self._session = session_of(upstream)
        self._made = Accumulation(
            self._site,
            func,
            kwargs,
            () if start is no_default else (start,),
            returns_state=self.returns_state,
            with_state=self.with_state,
            awaited=is_awaited(func),
        )
        self._site.apply_to(self._made)
        super().__init__(upstream, stream_name=stream_name)
        self._site.name = own_name(self, stream_name)
        if self._site.target is not None:
            super()._set_on_error(on_error)
        if reset_stream is not None:
            reset_stream.sink(self.reset)

    def _build(self, placement: Placement) -> None:
        if self._is_built:
            # A function has been assigned.
            self._made.set_function(self.func, is_awaited(self.func))
            return
        _thalweg.parallel.accumulate(placement, self._session.queue, self._made)

    def _set_on_error(self, on_error: Any) -> None:
        self._site.set_on_error(on_error)
        self._site.apply_to(self._made)
        if self._site.target is not None:
            super()._set_on_error(on_error)

    def reset(self, _: Any = None) -> None:
        """Reset the state for elements that arrive from now on; the argument is ignored.

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
        self._made.reset()
