"""Functions for ``with`` blocks whose exceptions are left as they are."""

from __future__ import annotations

from contextlib import AbstractContextManager, ContextDecorator
from functools import partial, wraps
from typing import Generic, TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")

__all__ = ["with_block"]


def with_block(function: Callable[P, Iterator[T]]) -> Callable[P, AbstractContextManager[T]]:
    """Make a function for ``with`` blocks of a generator function, which goes on when the block ends, however it does.

    That of `contextlib` assigns to exceptions, which frozen data classes refuse.

    Examples
    --------
    >>> from thalweg.runtime.with_block import with_block
    >>> @with_block
    ... def telling():
    ...     yield
    ...     print("done")
    >>> with telling():
    ...     print("block")
    block
    done
    """

    @wraps(function)
    def made(*args: P.args, **kwargs: P.kwargs) -> AbstractContextManager[T]:
        return _Block(partial(function, *args, **kwargs))

    return made


class _Block(ContextDecorator, AbstractContextManager[T], Generic[T]):
    def __init__(self, begin: Callable[[], Iterator[T]]) -> None:
        self._begin = begin

    def __enter__(self) -> T:
        self._rest = self._begin()
        return next(self._rest)

    def __exit__(self, *_: object) -> None:
        next(self._rest, None)
