"""Streams on an engine: elements, what is done with them there, and the nodes between `scatter` and `gather`."""

from collections.abc import Callable, Generator
from typing import Any, final

from thalweg._thalweg import Blueprint, Node
from thalweg._thalweg.tasks import Engine

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
        """For threads of ours."""

    @staticmethod
    def of_executor(submit: Callable[..., Any], width: int) -> Queue:
        """For an executor that runs calls in threads of this process."""

    @staticmethod
    def of_processes(engine: Engine) -> Queue:
        """For worker processes of ours."""

    @staticmethod
    def of_transport(transport: Any) -> Queue:
        """For whatever else runs calls: an object with a `width`, and a method `send(call, done, limit)`."""

    def is_idle(self) -> bool:
        """Whether nothing is to be done."""

@final
class Arrival:
    """Takes what has come of a batch."""

    def __call__(self, result: Any, error: BaseException | None) -> None: ...

@final
class Program:
    """The functions that the steps of a stream call, where they are called: in another process."""

    @staticmethod
    def of_steps(sent: list[list[tuple[Any, bool]]], once: bool) -> Program:
        """Steps that have been sent."""

    @staticmethod
    def of_fold(sent: Any) -> Program:
        """A function that takes a state on, and that has been sent."""

    def __call__(
        self, values: list[Any], extra: Any = None
    ) -> tuple[list[Any], dict[int, Any] | None, float, bytes | None]: ...

@final
class Work:
    """Callable for an executor."""

    def __call__(self, *args: Any, **kwargs: Any) -> None: ...

@final
class Step:
    """Something to do with each element on an engine."""

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
        """Drops what a predicate is not true of."""

    @staticmethod
    def pick(site: Any, pick: Any) -> Step:
        """Takes an item; given a list of keys, a tuple of items."""

    @staticmethod
    def key(site: Any, key: Any) -> Step:
        """Makes a pair of a key, and the element: what a function returns, or an item."""

    @staticmethod
    def items(site: Any) -> Step:
        """Makes a list of an element."""

    @staticmethod
    def tag(site: Any, number: int) -> Step:
        """Makes a pair of a number, and the element."""

    def set_policy(self, times: int, first: float, longest: float, skips: bool) -> None:
        """Number of retries, pauses between them in seconds, and whether the element is dropped afterwards."""

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

    def reset(self, *_ignored: Any) -> None:
        """Sets the state back to its start, for the elements that come from now on."""

def scatter(queue: Queue) -> Blueprint: ...
def through(queue: Queue, step: Step, limit: float | None = None) -> Blueprint: ...
def launch(driven: bool) -> Blueprint: ...
def accumulate(queue: Queue, accumulation: Accumulation) -> Blueprint: ...
def settle(
    report: Callable[[Any, BaseException, int, Any], tuple[Node, Any] | None],
    places: int,
    *,
    ordered: bool,
    driven: bool,
) -> Blueprint: ...
def untag(number: int) -> Blueprint: ...
def buffer(n: int, *, driven: bool) -> Blueprint: ...
def passage(node: Node) -> bool: ...
