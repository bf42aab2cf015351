"""The base of windows with one element per key."""

from __future__ import annotations

from thalweg.stream.arguments import check_keep, check_key
from thalweg.stream.live import Live
from thalweg.stream.node import Stream
from thalweg.stream.registry import identity
from thalweg.stream.typevars import R

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Keep


class UniqueWindow(Stream[R]):
    """A window of elements with different keys.

    Parameters
    ----------
    key: hashable or callable
        An element's key: a function of it, or an item; by default the element itself.
    keep: "first" or "last"
        Which of several elements with the same key is kept.

    Examples
    --------
    >>> from thalweg import partition_unique, timed_window_unique
    >>> from thalweg.stream.unique_window import UniqueWindow
    >>> issubclass(partition_unique, UniqueWindow), issubclass(timed_window_unique, UniqueWindow)
    (True, True)
    """

    key: Any = Live(check_key)
    keep: Any = Live()

    def __init__(self, upstream: Stream[Any], key: Any, keep: Keep, **kwargs: Any) -> None:
        check_keep(keep, type(self).__name__)
        self.key, self.keep = key, keep
        super().__init__(upstream, **kwargs)

    @property
    def _key_of(self) -> Any:
        """The key in the engine's form."""
        return None if self.key is identity else self.key
