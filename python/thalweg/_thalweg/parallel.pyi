"""Streams on an engine: elements, their steps, and the nodes between `scatter` and `gather`."""

from collections.abc import Callable, Generator
from typing import Any, final

from thalweg._thalweg import Node
from thalweg._thalweg.tasks import Engine
from thalweg._types import Placement

__all__ = [
    "Accumulation",
    "Arrival",
    "Element",
    "Program",
    "Queue",
    "Step",
    "Work",
    "accumulate",
    "buffer",
    "launch",
    "passage",
    "scatter",
    "settle",
    "through",
    "untag",
]

@final
class Element:
    """An element of a stream on an engine: a promise of a value."""

    is_on_engine: bool

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the value."""

    def __await__(self) -> Generator[Any, None, Any]: ...
    def _when_known(self, callback: Callable[[], object]) -> None: ...
    def _outcome(self) -> list[Any] | None: ...

@final
class Queue:
    """The queue of one engine's streams."""

    @staticmethod
    def of_threads(engine: Engine) -> Queue:
        """For thalweg's threads."""

    @staticmethod
    def of_executor(submit: Callable[..., Any], width: int) -> Queue:
        """For an executor that runs calls in threads of this process."""

    @staticmethod
    def of_processes(engine: Engine) -> Queue:
        """For thalweg's worker processes."""

    @staticmethod
    def of_transport(transport: Any) -> Queue:
        """For any other backend: an object with a `width`, and a method `send(call, done, limit)`."""

    def places(self, is_buffered: bool) -> int:
        """How many elements a node that waits for their values takes."""

    def is_idle(self) -> bool:
        """Whether no work is left."""

@final
class Arrival:
    """Receives the outcome of a batch."""

    def __call__(self, result: Any, error: BaseException | None) -> None: ...

@final
class Program:
    """Functions of a stream's steps, in the worker process that calls them."""

    @staticmethod
    def of_steps(sent: list[list[tuple[Any, bool]]], once: bool) -> Program:
        """Deserialized steps."""

    @staticmethod
    def of_fold(sent: Any) -> Program:
        """A deserialized function of an `accumulate`."""

    def __call__(
        self, values: list[Any], extra: Any = None
    ) -> tuple[list[Any], dict[int, Any] | None, float, bytes | None]: ...

@final
class Work:
    """Callable for an executor."""

    def __call__(self, *args: Any, **kwargs: Any) -> None: ...

@final
class Step:
    """A step applied to each element on an engine."""

    @staticmethod
    def call(
        site: Any,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        splayed: bool = False,
        awaited: bool = False,
    ) -> Step:
        """Calls a function."""

    @staticmethod
    def filter(
        site: Any,
        predicate: Callable[..., Any] | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        awaited: bool = False,
    ) -> Step:
        """Drops elements for which a predicate is false."""

    @staticmethod
    def pick(site: Any, pick: Any) -> Step:
        """Picks an item; for a list of keys, a tuple of items."""

    @staticmethod
    def key(site: Any, key: Any) -> Step:
        """Pairs the element with its key: the result of a function, or an item."""

    @staticmethod
    def items(site: Any) -> Step:
        """Converts an element to a list."""

    @staticmethod
    def tag(site: Any, number: int) -> Step:
        """Pairs the element with a number."""

    def set_policy(self, times: int, first: float, longest: float, skips: bool) -> None:
        """Number of retries, pauses between them in seconds, and whether the element is dropped afterwards."""

    def replace(self, other: Step) -> None:
        """Does what another step does, with later elements."""

@final
class Accumulation:
    """A state of an `accumulate` on an engine."""

    def __new__(
        cls,
        site: Any,
        function: Callable[..., Any],
        kwargs: dict[str, Any],
        start: tuple[Any, ...],
        *,
        returns_state: bool,
        with_state: bool,
        awaited: bool,
    ) -> Accumulation: ...
    def set_policy(self, times: int, first: float, longest: float, skips: bool) -> None:
        """Number of retries, pauses between them in seconds, and whether the element is dropped afterwards."""

    def set_function(self, function: Callable[..., Any], awaited: bool) -> None:
        """Replaces the function, also for elements that wait for the state."""

    def reset(self, *_ignored: Any) -> None:
        """Resets the state to its start, for later elements."""

def scatter(placement: Placement, queue: Queue) -> None: ...
def through(placement: Placement, queue: Queue, step: Step, limit: float | None = None) -> None: ...
def launch(placement: Placement, driven: bool) -> None: ...
def accumulate(placement: Placement, queue: Queue, accumulation: Accumulation) -> None: ...
def settle(
    placement: Placement,
    report: Callable[[Any, BaseException, int, Any], tuple[Node, Any] | None],
    places: int,
    *,
    ordered: bool,
    driven: bool,
    buffers: bool = False,
) -> None: ...
def untag(placement: Placement, number: int) -> None: ...
def buffer(placement: Placement, n: int, *, driven: bool) -> None: ...
def passage(node: Node) -> bool: ...
