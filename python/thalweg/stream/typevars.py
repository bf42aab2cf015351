"""Type variables, for annotations of streams: ``Stream[int]`` is a stream of numbers.

A type checker takes elements of any type where none is given. When a program runs, type variables stand for nothing:
importing ``typing`` takes longer than importing this package.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import TypeVar

    #: Elements that come, and other types of the kind.
    T = TypeVar("T", default=Any)
    U = TypeVar("U", default=Any)
    V = TypeVar("V", default=Any)
    #: What is sent.
    R = TypeVar("R", default=Any)
    #: A state.
    S = TypeVar("S", default=Any)
else:

    class _Placeholder:
        """Stands for a type variable in the bases of a class."""

        def __or__(self, _: object) -> _Placeholder:
            return self

        __ror__ = __or__

    R = S = T = U = V = _Placeholder()
