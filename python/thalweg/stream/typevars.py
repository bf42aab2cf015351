"""Type variables, for annotations of streams: ``Stream[int]`` is a stream of numbers.

Without a type argument, a type checker assumes elements of any type. At run time the type variables are placeholders:
importing ``typing`` takes longer than importing this package.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import TypeVar

    #: Incoming elements, and other types of that kind.
    T = TypeVar("T", default=Any)
    U = TypeVar("U", default=Any)
    V = TypeVar("V", default=Any)
    #: Outgoing elements.
    R = TypeVar("R", default=Any)
    #: A state.
    S = TypeVar("S", default=Any)
else:

    class _Placeholder:
        """Placeholder for a type variable in the bases of a class."""

        def __or__(self, _: object) -> _Placeholder:
            return self

        __ror__ = __or__

    R = S = T = U = V = _Placeholder()
