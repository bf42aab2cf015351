"""The operator :class:`~thalweg.accumulate`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream, no_default
from thalweg.stream.arguments import check_callable, check_streams, is_awaited
from thalweg.stream.live import LiveFunction
from thalweg.stream.typevars import R, S, T, U

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, overload

    from thalweg._thalweg import Reset
    from thalweg._types import Function, OnError, Placement
    from thalweg.stream.compiled import Code


@Stream.register_api()
class accumulate(Stream[R]):
    """Fold elements into a state, ``state = func(state, x)``, and emit the state after each element.

    An ``async def`` is awaited: one call at a time, while the emitter waits.

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
    >>> L = source.accumulate(lambda total, x: total + x).sink_to_list()
    >>> source.emit_many(range(5))
    >>> L
    [0, 1, 3, 6, 10]
    """

    kwargs: dict[str, Any]

    _graphviz_shape = "box"

    func: Any = LiveFunction()

    #: Whether a stream can reset the state.
    _has_reset = False

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: accumulate[T],
            upstream: Stream[T],
            func: Callable[[T, T], T],
            *,
            reset_stream: Stream[Any] | None = None,
            on_error: OnError = None,
            stream_name: str | None = None,
        ) -> None: ...

        @overload
        def __init__(
            self: accumulate[S],
            upstream: Stream[T],
            func: Callable[[S, T], S],
            start: S,
            returns_state: Literal[False] = False,
            reset_stream: Stream[Any] | None = None,
            *,
            with_state: Literal[False] = False,
            on_error: OnError = None,
            stream_name: str | None = None,
        ) -> None: ...

        @overload
        def __init__(
            self: accumulate[U],
            upstream: Stream[T],
            func: Callable[[S, T], tuple[S, U]],
            start: S,
            returns_state: Literal[True],
            reset_stream: Stream[Any] | None = None,
            *,
            with_state: Literal[False] = False,
            on_error: OnError = None,
            stream_name: str | None = None,
        ) -> None: ...

        @overload
        def __init__(
            self: accumulate[Any],
            upstream: Stream[Any],
            func: Callable[..., Any],
            start: Any = ...,
            returns_state: bool = False,
            reset_stream: Stream[Any] | None = None,
            *,
            with_state: bool,
            on_error: OnError = None,
            **kwargs: Any,
        ) -> None: ...

    def __init__(
        self,
        upstream: Stream[Any],
        func: Function,
        start: Any = no_default,
        returns_state: bool = False,
        reset_stream: Stream[Any] | None = None,
        *,
        with_state: bool = False,
        on_error: OnError = None,
        **kwargs: Any,
    ) -> None:
        check_callable(func, "accumulate", "func")
        if reset_stream is not None:
            check_streams((reset_stream,), "accumulate", "reset_stream")
        stream_name = kwargs.pop("stream_name", None)
        self.func, self.kwargs = func, kwargs
        self._returns_state, self._with_state = returns_state, with_state
        self._start = start
        super().__init__(upstream, stream_name=stream_name, on_error=on_error)
        if reset_stream is not None:
            reset_stream.sink(self.reset)

    def _build(self, placement: Placement) -> None:
        self._reset, self._state = _thalweg.ops.accumulate(
            placement,
            self.func,
            self.kwargs,
            None if self._start is no_default else (self._start,),
            returns_state=bool(self._returns_state),
            with_state=bool(self._with_state),
            awaited=is_awaited(self.func),
        )

    def _written(self, code: Code) -> bool | str:
        if is_awaited(self.func):
            return "its results are awaited"
        if self._has_reset:
            return "its state is reset"
        state = code.name("s", self._state)
        call = code.call(self.func, f"{state}[0]", code.x, kwargs=self.kwargs)
        result = f"{state}[0], {code.y} = {call}" if self._returns_state else f"{code.y} = {state}[0] = {call}"
        lines = [result]
        if self._start is no_default:
            lines = [
                f"if {state}:",
                f"    {result}",
                "else:",
                f"    {state}.append({code.x})",
                f"    {code.y} = {code.x}",
            ]
        return code.sends(f"({state}[0], {code.y})" if self._with_state else code.y, *lines)

    @property
    def returns_state(self) -> bool:
        """Whether the function returns a pair of the next state and the result, instead of one value for both.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> total = source.accumulate(lambda total, x: total + x, start=0)
        >>> L = total.sink_to_list()
        >>> source.emit(1)
        >>> total.func, total.returns_state = lambda total, x: (total + x, -x), True
        >>> source.emit(2)
        >>> L, total.state
        ([1, -2], 3)
        """
        return self._returns_state

    @returns_state.setter
    def returns_state(self, returns_state: bool) -> None:
        self._returns_state = returns_state
        self._reshape()

    @property
    def with_state(self) -> bool:
        """Whether pairs of the state and the result are emitted.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> total = source.accumulate(max)
        >>> L = total.sink_to_list()
        >>> source.emit(1)
        >>> total.with_state = True
        >>> source.emit(2)
        >>> L
        [1, (2, 2)]
        """
        return self._with_state

    @with_state.setter
    def with_state(self, with_state: bool) -> None:
        self._with_state = with_state
        self._reshape()

    def _reshape(self) -> None:
        self._reset._set_shape(bool(self._returns_state), bool(self._with_state))
        self._note_change()

    @property
    def state(self) -> Any:
        """The state; ``no_default`` before there is one. An assigned state is used from the next element on.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> total = source.accumulate(lambda total, x: total + x, start=0)
        >>> L = total.sink_to_list()
        >>> source.emit(1)
        >>> total.state
        1
        >>> total.state = 100
        >>> source.emit(1)
        >>> L
        [1, 101]
        """
        return self._state[0] if self._state else no_default

    @state.setter
    def state(self, state: Any) -> None:
        self._state[:] = [] if state is no_default else [state]

    @property
    def reset(self) -> Reset:
        """Reset the state: a function whose arguments are ignored.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> total = source.accumulate(lambda total, x: total + x, start=0)
        >>> L = total.sink_to_list()
        >>> source.emit_many([1, 2])
        >>> total.reset()
        >>> source.emit(5)
        >>> L
        [1, 3, 5]
        """
        if not self._has_reset:
            self._has_reset = True
            self._note_change()
        return self._reset
