"""Where pipelines end."""

from __future__ import annotations

import builtins
import weakref

from thalweg import _thalweg
from thalweg.functions import check_callable, is_async_def, is_path
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike
    from typing import Any, TextIO

    from thalweg._types import Function, Metadata, OnError


class Sink(Stream):
    """The end of a branch: it stays in its pipeline for as long as that lives.

    Subclasses define `update`.

    Examples
    --------
    >>> from thalweg import Sink, Stream
    >>> class Shown(Sink):
    ...     def update(self, x, who=None, metadata=None):
    ...         print(x)
    >>> source = Stream()
    >>> Shown(source)
    <Shown>
    >>> source.emit(1)
    1
    """

    _graphviz_shape = "trapezium"
    _is_sink = True

    def destroy(self, streams: Iterable[Stream] | None = None) -> None:
        """Disconnect the sink from its upstreams, and let go of it.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream()
        >>> source.sink(print).destroy()
        >>> source.emit(1)
        """
        super().destroy(streams)
        self._release()


@Stream.register_api()
class sink(Sink):
    """Apply a function to every element.

    What the function returns is awaited, if it can be: the emitter waits until it is done. Calls of an
    ``async def`` follow one another.

    Parameters
    ----------
    func: callable
    *args:
        Positional arguments for `func`, after the element.
    on_error:
        See :class:`~thalweg.Stream`.
    **kwargs:
        Keyword arguments for `func`; and those of :class:`~thalweg.Stream`.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = []
    >>> source.sink(L.append)
    <sink: append>
    >>> source.emit(123)
    >>> L
    [123]

    See Also
    --------
    map, sink_to_list
    """

    _splayed = False

    def __init__(self, upstream: Stream, func: Function, *args: Any, on_error: OnError = None, **kwargs: Any) -> None:
        check_callable(func, type(self).__name__, "func")
        ours = {name: kwargs.pop(name) for name in _STREAM_ARGUMENTS if name in kwargs}
        self.func, self.args, self.kwargs = func, args, kwargs
        super().__init__(upstream, on_error=on_error, **ours)

    def _blueprint(self) -> _thalweg.Blueprint:
        return _thalweg.ops.sink(
            self.func,
            self.args,
            self.kwargs,
            splayed=self._splayed,
            in_turn=is_async_def(self.func),
        )


_STREAM_ARGUMENTS = ("upstreams", "stream_name", "loop", "asynchronous", "ensure_io_loop")


@Stream.register_api()
class starsink(sink):
    """Apply a function to every element, splayed out: ``func(*x, *args)``.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = []
    >>> source.starsink(lambda a, b: L.append(a + b))
    <starsink: <lambda>>
    >>> source.emit((1, 2))
    >>> L
    [3]
    """

    _splayed = True


@Stream.register_api()
class sink_to_textfile(Sink):
    """Write elements to a plain text file, one per line.

    The file is flushed when the pipeline is drained, and closed when the sink is gone.

    Parameters
    ----------
    file: str, path or file-like
        A name, or a file open for writing text.
    end: str
        Written after each element.
    mode: str
        How a named file is opened: ``"a"``, to append, or ``"w"``, to begin anew.

    Examples
    --------
    >>> import io
    >>> from thalweg import Stream
    >>> source, file = Stream(), io.StringIO()
    >>> node = source.map(str).sink_to_textfile(file)
    >>> source.emit_many([0, 1])
    >>> file.getvalue()
    '0\\n1\\n'
    """

    def __init__(
        self, upstream: Stream, file: str | PathLike[str] | TextIO, end: str = "\n", mode: str = "a", **kwargs: Any
    ) -> None:
        self._terminator = end
        # It is closed when the sink is gone.
        self._fp: Any = builtins.open(file, mode=mode) if is_path(file) else file  # noqa: SIM115
        weakref.finalize(self, self._fp.close)
        super().__init__(upstream, **kwargs)

    def update(self, x: Any, who: Stream | None = None, metadata: Metadata = None) -> Any:
        """Write an element."""
        self._fp.write(x + self._terminator)

    def _drained(self) -> None:
        if not self._fp.closed:
            self._fp.flush()


class _Sinks:
    """The sinks there are, by the name streamz has for them."""

    def __contains__(self, node: object) -> bool:
        return isinstance(node, Sink) and bool(node.upstreams)

    def remove(self, node: Sink) -> None:
        """Let go of a sink: it goes when nobody else holds it."""
        if node not in self:
            raise KeyError(node)
        node._release()


_global_sinks = _Sinks()
