"""The node that begins a stream on an engine."""

from __future__ import annotations

from typing import Any

from thalweg import _thalweg
from thalweg.parallel.backends import find
from thalweg.parallel.stream import ParallelStream, Session, common_session
from thalweg.stream import Stream
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._types import Placement

__all__ = ["scatter"]


class scatter(ParallelStream[T]):
    """Move a stream onto an engine.

    Parameters
    ----------
    client
        The engine: a ``thalweg.tasks.Client``, a ``distributed.Client``, or an executor of ``concurrent.futures``.
    backend
        Instead of a client: ``"thread"`` for threads of this process, ``"dask"`` for the active Dask client, or a
        function that returns a client. Without either: our current client, else the active Dask client, else threads.
    unordered
        Whether `gather` may emit results in the order of completion.

    Raises
    ------
    ValueError
        The backend is unknown, or no Dask client is active.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.scatter(backend="thread").map(lambda x: x + 1).buffer(5).gather().sink_to_list()
    >>> for x in range(3):
    ...     source.emit(x)
    >>> source.drain()
    >>> L
    [1, 2, 3]

    See Also
    --------
    gather
    """

    _graphviz_shape = "parallelogram"
    _is_settled = False
    _is_launched = True

    def __init__(
        self, upstream: Stream[T], client: Any = None, backend: Any = None, unordered: bool = False, **kwargs: Any
    ) -> None:
        if isinstance(upstream, ParallelStream) and client is None and backend is None:
            self._session = upstream._session
        else:
            if client is None and callable(backend):
                client = backend()
            self._session = Session(find(client, backend), is_ordered=not unordered, client=client)
        if isinstance(upstream, ParallelStream) and upstream._session is not self._session:
            common_session([upstream, self])
        super().__init__(upstream, **kwargs)
        self._session.backend.entrances.add(self)

    def _build(self, placement: Placement) -> None:
        _thalweg.parallel.scatter(placement, self._session.queue)
