"""The operator :class:`~thalweg.unique`."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.stream import Stream, identity
from thalweg.stream.arguments import check_callable, check_index, check_key
from thalweg.stream.live import Kept, Live
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from thalweg._types import Placement


def _check_maxsize(maxsize: Any, operator: str, argument: str) -> int | None:
    size = check_index(maxsize, operator, argument)
    if size is not None and size < 0:
        raise ValueError(f"{operator}: `{argument}` is not negative: {size}")
    return size


@Stream.register_api()
class unique(Stream[T]):
    """Drop elements whose key has occurred before.

    Parameters
    ----------
    maxsize: int or None
        Number of keys to remember, the most recently used; None for all. A repeated element makes its key recent.
    key: callable
        An element's key; by default the element itself.
    hashable: bool or None
        Whether keys are hashable. If not, they are compared one by one. None: decided for each key.
    fifo: bool
        Whether a repeated element does not make its key recent.
    on_error:
        See :class:`~thalweg.Stream`; for `key`.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> L = source.unique(maxsize=1).sink_to_list()
    >>> source.emit_many([1, 1, 2, 2, 2, 1, 3])
    >>> L
    [1, 2, 1, 3]
    """

    maxsize: Any = Live(_check_maxsize)
    key: Any = Live(check_key)

    def __init__(
        self,
        upstream: Stream[T],
        maxsize: int | None = None,
        key: Callable[[T], Any] = identity,
        hashable: bool | None = True,
        fifo: bool = False,
        **kwargs: Any,
    ) -> None:
        check_callable(key, "unique", "key")
        self.maxsize = maxsize
        self.key, self._fifo = key, fifo
        self._hashable = None if hashable is None else bool(hashable)
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        key = None if self.key is identity else self.key
        _thalweg.ops.unique(placement, self.maxsize, key, self._hashable, bool(self._fifo))

    @property
    def seen(self) -> Kept:
        """The remembered keys; the first is forgotten next."""
        return Kept(self)
