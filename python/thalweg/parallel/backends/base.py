"""Interface of engines."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._thalweg.parallel import Queue
    from thalweg.stream import Stream

__all__ = ["Backend"]


class Backend:
    """An engine as streams know it.

    Examples
    --------
    >>> from thalweg.parallel.backends import Backend
    >>> Backend("an engine").can_stop
    False
    """

    #: Queue of the streams that use it.
    queue: Queue

    #: Whether it ends calls that take too long, or tells them to end.
    can_stop = False

    #: Whether it takes no more once Python has told its executors to end.
    ends_with_executors = False

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        #: Streams from which elements get to it.
        self.entrances: WeakSet[Stream] = WeakSet()

    @property
    def kind(self) -> str:
        """Display name, for messages."""
        return type(self).__name__

    @property
    def width(self) -> int:
        """Number of calls it makes at a time."""
        raise NotImplementedError

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more."""
        raise NotImplementedError
