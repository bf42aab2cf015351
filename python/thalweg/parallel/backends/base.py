"""What is asked of an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._thalweg.parallel import Queue
    from thalweg.parallel.elsewhere.launcher import Launcher
    from thalweg.stream import Stream

__all__ = ["Arrival", "Backend"]

#: Called in any thread with a result, or with what went wrong instead of one.
Arrival = Callable[[Any, "BaseException | None"], None]


class Backend:
    """An engine that calls functions somewhere else, and hands out futures for what they return.

    Examples
    --------
    >>> from thalweg.parallel.backends import Backend
    >>> Backend("an engine").is_remote
    False
    """

    #: Whether results stay where they were made until they are fetched.
    is_remote = False

    #: What streams have to be done by it, if it does that in threads of this process: then values are here.
    queue: Queue | None = None

    #: Whether it ends calls that take too long, or tells them to end.
    can_stop = False

    #: Whether it takes no more once Python has told its executors to end.
    ends_with_executors = False

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        #: Those who send elements to it.
        self.launchers: WeakSet[Launcher] = WeakSet()
        #: Where elements get to it.
        self.entrances: WeakSet[Stream] = WeakSet()

    @property
    def client(self) -> Any:
        """What `scatter` is given to get it."""
        return self.engine

    @property
    def kind(self) -> str:
        """What it is called where there is a message about it."""
        return type(self).__name__

    @property
    def width(self) -> int:
        """How many calls it makes at a time."""
        raise NotImplementedError

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more."""
        raise NotImplementedError

    def submit(self, function: Callable[..., Any], *args: Any, timeout: float | None = None) -> Any:
        """Have a function called; futures among the arguments are replaced by what they come to. Returns a future.

        A `timeout`, in seconds, is given only where the engine can stop a call.
        """
        raise NotImplementedError

    def when_done(self, future: Any, arrival: Arrival) -> None:
        """Call `arrival` when the call has been made: with what it returned, or None where that stays there."""
        raise NotImplementedError

    def fetch(self, future: Any, arrival: Arrival) -> None:
        """Call `arrival` with what a call returned."""
        self.when_done(future, arrival)
