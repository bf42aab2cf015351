"""The engine."""

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Generic, final

from typing_extensions import Self, disjoint_base

from thalweg._thalweg import ops as ops
from thalweg._thalweg import parallel as parallel
from thalweg._thalweg import sources as sources
from thalweg._thalweg import sql as sql
from thalweg._thalweg import tasks as tasks
from thalweg._types import Metadata, OnError
from thalweg.stream import Stream
from thalweg.stream.typevars import T

__all__ = [
    "Batch",
    "Blueprint",
    "Dashboard",
    "Emission",
    "Flag",
    "Metrics",
    "Node",
    "Pipeline",
    "Pump",
    "Reset",
    "Signal",
    "__version__",
    "await_visitors",
    "note_ending",
    "ops",
    "parallel",
    "parse_interval",
    "signals",
    "sources",
    "sql",
    "tasks",
]

__version__: str

signals: tuple[Signal, Signal, Signal, Signal, Signal]
"""What the engine and a compiled chain tell each other: `done`, `many`, `failed`, `ended` and `left`."""

def await_visitors() -> None:
    """Wait a moment for threads of the engine that are in Python."""

def note_ending() -> None:
    """Take note of the thread that ends the interpreter: it keeps the GIL, and is not to be stopped."""

def parse_interval(text: str) -> float:
    """Return the seconds in a length of time such as `"500ms"` or `"1h30min"`."""

@disjoint_base
class Node(Generic[T]):
    """A node of a pipeline. Use the class `Stream`, which derives from it."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __class_getitem__(cls, of: Any) -> Any: ...
    def _make(self, blueprint: Blueprint, upstreams: list[Any], name: str, on_error: OnError, overridden: bool) -> None:
        """Make the node behind the object: a blueprint attached to upstreams.

        It is `overridden` if a subclass has put its own `update` in the place of an operator's.
        """

    def emit(self, x: T, asynchronous: bool = False, metadata: Metadata = None, timeout: Any = None) -> Any:
        """Send an element to everything downstream.

        It blocks until the element has been taken, and returns None. In an asynchronous pipeline, and with
        `asynchronous`, it returns something to await instead. After `timeout` it raises `TimeoutError`, and the
        element is withdrawn where it still waits for room.
        """

    def emit_many(
        self, elements: Iterable[T] | Batch, asynchronous: bool = False, timeout: Any = None, progress: bool = False
    ) -> Any:
        """Send all elements of an iterable: cheaper than one by one where nothing has to wait.

        Every element is sent, whatever happens to those before it; failures are raised together. Without an
        event loop, Ctrl-C and exits end it.
        """

    def _emit_with(self, x: Any, asynchronous: bool = False, metadata: Metadata = None, timeout: Any = None) -> Any:
        """Do what `emit` does."""

    def _set_function(self, function: Any) -> bool:
        """Have the node call another function from now on; return whether it calls one."""

    def _note_change(self) -> None:
        """Take note that the node does something else from now on: it is compiled anew."""
    @property
    def _is_built(self) -> bool:
        """Whether the node is in its pipeline."""

    def _reconfigure(self, blueprint: Blueprint, keeps: bool = True) -> None:
        """Give the node the settings of a blueprint of its kind; what it keeps stays, or is forgotten."""

    def _kept(self) -> list[Any]:
        """Return what the operator keeps: elements, keys, a state."""

    def _lanes(self) -> list[list[Any]]:
        """Return the elements that wait at each inlet of a join, in order."""

    def _flush(self) -> Any:
        """Send what the node keeps."""

    @staticmethod
    def _own_emit(class_: type[Node]) -> None:
        """Give a class an `emit` of its own, which the interpreter calls more directly than an inherited one."""

    def _let_go(self) -> None:
        """Let go of everything: what subclasses have as `__del__`."""

    def _emit(self, x: Any, metadata: Metadata = None) -> list[Any]:
        """Send an element on this thread, and return what there is to await: nothing, or one awaitable."""

    def _receive(self, x: Any, metadata: Metadata = None, who: Node | None = None) -> list[Any]:
        """Take an element as if it came from above; return what there is to await."""

    @property
    def upstreams(self) -> list[Stream]:
        """The nodes whose elements this one gets."""

    @property
    def current_value(self) -> T:
        """The last element sent."""

    @property
    def asynchronous(self) -> bool | None:
        """Whether `emit` is awaited, or blocks; None if nobody has said so."""

    @property
    def _event_loop(self) -> AbstractEventLoop | None:
        """The pipeline's asyncio loop."""

    @property
    def _pipeline(self) -> Pipeline:
        """The pipeline the node belongs to."""

    def _downstreams(self) -> list[Stream]:
        """Return the nodes that get this one's elements, in order."""

    def _connect(self, downstream: Node) -> None:
        """Have `downstream` get what this node sends; the two pipelines become one."""

    def _disconnect(self, downstream: Node) -> None:
        """Undo `_connect`."""

    def _prefer(self, upstream: Node | None = None) -> None:
        """Have this node be the first to get what the nodes above it send, or what `upstream` does."""

    def _release(self) -> None:
        """Let go of a sink, which nobody but its users keeps from here on."""

    def _drain(self, seconds: float, asynchronous: bool) -> Any:
        """End the pipeline in good order, within `seconds`."""

    def _until_idle(self, seconds: float, asynchronous: bool) -> Any:
        """Wait until nothing is on its way in the pipeline, for `seconds` at most."""

    def _drain_at_once(self) -> bool:
        """End the pipeline as far as that needs no event loop; return whether it has ended."""

    def _close(self) -> None:
        """Have the pipeline refuse elements from now on, without waiting for who is at work inside."""

    def _reopen(self) -> None:
        """Have the pipeline take elements again after a drain."""

    def _is_at_rest(self) -> bool:
        """Return whether nothing of the pipeline's goes on by itself, and nobody is at work inside."""

    def _in_flight(self) -> int | None:
        """Return how many elements are on their way in the node; None if somebody is at work inside the pipeline."""

    def _has_late(self) -> bool:
        """Whether elements have come that the last drain has not seen."""

    def _take_late(self, takes_late: bool) -> None:
        """Say whether the pipeline takes elements while it is being drained, and later."""

    def _take_failures(self) -> list[tuple[str, BaseException]]:
        """Take what failed without anybody having been told: pairs of a node's name and the exception."""

    def _follow_loop(self) -> None:
        """Have the pipeline run on the event loop that runs on this thread, unless it has another."""

    def _cut_cycles(self) -> None:
        """Have elements end where their way would close a cycle."""

    def _set_asynchronous(self, asynchronous: bool) -> None:
        """Say whether `emit` is awaited or blocks."""

    def _set_event_loop(self, event_loop: AbstractEventLoop) -> None:
        """Give the pipeline an asyncio loop."""

    def _begin_without_loop(self) -> None:
        """Have the pipeline run on a loop on a thread of its own, if it is asynchronous and no loop runs here."""

    def _need_loop(self) -> None:
        """See to it that the pipeline has an event loop."""

    def _set_on_error(self, on_error: OnError) -> None:
        """Set what is done about elements that the node's function fails on."""

    def _counters(self) -> tuple[int, int, int, int, float]:
        """Return how many elements the node has received, sent, failed on and holds, and for how long they waited."""

    def _trace(self, tracer: object, one_in: int) -> None:
        """Have elements of the pipeline traced."""

    def _untrace(self) -> None:
        """Have no more elements traced."""

    def _latency(self) -> tuple[int, float, float, float, float] | None:
        """Return how many elements have been timed, and their mean, median, 99th percentile and longest latency."""

    def _has_nothing_on_its_way(self) -> bool:
        """Return whether nothing is on its way in the node, and nobody is at work inside the pipeline."""

    def _svg(self) -> str:
        """Return the pipeline as a drawing."""

    def _png(self) -> bytes | None:
        """Return the pipeline as the contents of a PNG file; None where there are no fonts."""

    def _mermaid(self) -> str:
        """Return the pipeline as a diagram in the language of Mermaid."""

    def _dot(self) -> str:
        """Return the pipeline in the DOT language."""

@final
class Pipeline:
    """A pipeline: its event loop, and its nodes as Python knows them."""

    @property
    def is_joined(self) -> bool:
        """Whether it has become part of another."""

    def nodes(self) -> list[Stream]:
        """Return all nodes, as far as they are alive."""

    def _wiring(self) -> list[tuple[Stream, int, list[int], int, bool, int]]:
        """Return every node with its number, the numbers of those behind it, and how it can be compiled."""

    def _leave_to_parent(self) -> None:
        """Leave the pipeline to the process that was forked: called in the new one."""

    def _begin_end(self) -> None:
        """Take note that it is about to be drained with others: elements come from their functions alone."""

    def _cease_end(self) -> None:
        """Take note that this is over."""

    def _end(self) -> None:
        """Take note that it has been drained because the program is ending."""

@final
class Blueprint:
    """An operator and its arguments, to be built once its upstream is known."""

@final
class Emission:
    """The completion of an `emit`, or of a `drain`, on an event loop: await it."""

    def __await__(self) -> Generator[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...
    def done(self) -> bool:
        """Return whether waiting would return at once."""

    def add_done_callback(self, callback: Callable[[Emission | Future[None]], Any]) -> None:
        """Have `callback` called once it is done."""

@final
class Signal:
    """What the engine and a compiled chain tell each other besides elements."""

@final
class Dashboard:
    """A dashboard that is being served."""

    def __new__(cls, host: str, port: int, hosts: list[str], allow_control: bool, show_elements: int) -> Dashboard:
        """Serve it at a port, or the next one that is free."""

    @property
    def port(self) -> int | None:
        """The port that it has; None once it has been closed."""

    @property
    def link(self) -> str | None:
        """What to open in a browser; None once it has been closed."""

    @property
    def token(self) -> str | None:
        """What those need who want to control pipelines; None unless that is allowed."""

    @property
    def control_link(self) -> str | None:
        """What to open in a browser, with the token in it."""

    def close(self) -> None:
        """End it."""

@final
class Metrics:
    """The metrics of this process, for those who have an endpoint of their own."""

    def __new__(cls) -> Metrics: ...
    def text(self) -> str:
        """Return all metrics as they are, in the OpenMetrics format."""

    @staticmethod
    def descriptions() -> str:
        """Return what each metric is, without numbers."""

@final
class Pump:
    """Callback for an asyncio loop: runs the queue."""

    def __call__(self, *args: Any, **kwargs: Any) -> None: ...

@final
class Flag:
    """Something that is set or not, for threads to look at."""

    def __new__(cls, is_set: bool) -> Self: ...
    @property
    def is_set(self) -> bool: ...
    @is_set.setter
    def is_set(self, is_set: bool) -> None: ...

@final
class Batch:
    """The next elements of an iterator, or fewer if `stop` gets set: what a source emits at a time."""

    def __new__(cls, iterator: Iterator[Any], n: int, stop: Flag) -> Self: ...
    @property
    def is_over(self) -> bool:
        """Whether the iterator has no more."""

    @property
    def problem(self) -> BaseException | None:
        """The iterator's own exception."""

@final
class Reset:
    """Sets the state of an `accumulate` back to its start; arguments are ignored."""

    def __call__(self, *_ignored: Any) -> None: ...
    def _set_shape(self, returns_state: bool, with_state: bool) -> None:
        """Say what a call returns, and what is sent, from the next element on."""
