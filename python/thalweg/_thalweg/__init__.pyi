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
    "note_fork",
    "ops",
    "parallel",
    "parse_interval",
    "signals",
    "sources",
    "sql",
    "tasks",
]

__version__: str

signals: tuple[Signal, Signal, Signal, Signal, Signal, Signal]
"""Messages between the engine and a compiled chain: `done`, `many`, `failed`, `ended` and `left`."""

def await_visitors() -> None:
    """Wait briefly for engine threads that run Python code."""

def note_fork() -> None:
    """Leave other threads, and the pipelines that this thread is inside, to the parent of a forked process."""

def note_ending() -> None:
    """Register the thread that finalizes the interpreter: it keeps the GIL, and must not be stopped."""

def parse_interval(text: str) -> float:
    """Convert a duration such as `"500ms"` or `"1h30min"` to seconds."""

@disjoint_base
class Node(Generic[T]):
    """A node of a pipeline. Use the class `Stream`, which derives from it."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __class_getitem__(cls, of: Any) -> Any: ...
    def emit(self, x: T, asynchronous: bool = False, metadata: Metadata = None, timeout: Any = None) -> Any:
        """Send an element to everything downstream.

        It blocks until the element has been taken, and returns None. In an asynchronous pipeline, and with
        `asynchronous`, it returns something to await instead. After `timeout` it raises `TimeoutError`, and the
        element is withdrawn where it still waits for room.
        """

    def emit_many(
        self, elements: Iterable[T] | Batch, asynchronous: bool = False, timeout: Any = None, progress: bool = False
    ) -> Any:
        """Send all elements of an iterable, which is cheaper than one by one if nothing has to wait.

        Every element is sent, whatever happens to those before it; failures are raised together. Without an
        event loop, Ctrl-C and exits end it.
        """

    def _emit_with(self, x: Any, asynchronous: bool = False, metadata: Metadata = None, timeout: Any = None) -> Any:
        """Same as `emit`."""

    def _set_function(self, function: Any) -> bool:
        """Replace the node's function; return whether the node has one."""

    def _note_change(self) -> None:
        """Record that the node's behaviour has changed, so that chains are recompiled."""

    def _kept(self) -> list[Any]:
        """Return the objects held by the operator: elements, keys, a state."""

    def _lanes(self) -> list[list[Any] | None]:
        """Return the elements that wait at each inlet of a join, in order."""

    def _flush(self) -> Any:
        """Send the held elements."""

    @staticmethod
    def _own_emit(class_: type[Node]) -> None:
        """Define `emit` on a class itself, which the interpreter calls faster than an inherited one."""

    def _let_go(self) -> None:
        """Release everything; the `__del__` of subclasses."""

    def _emit(self, x: Any, metadata: Metadata = None) -> list[Any]:
        """Send an element on this thread; return a list of at most one awaitable."""

    def _receive(self, x: Any, metadata: Metadata = None, who: Node | None = None) -> list[Any]:
        """Process an element as if an upstream had sent it; return a list of at most one awaitable."""

    @property
    def upstreams(self) -> list[Stream]:
        """The upstream nodes, in order."""

    @property
    def current_value(self) -> T:
        """The last element sent."""

    @property
    def asynchronous(self) -> bool | None:
        """Whether `emit` is awaited or blocks; None if not set."""

    @property
    def _event_loop(self) -> AbstractEventLoop | None:
        """The pipeline's asyncio loop."""

    @property
    def _pipeline(self) -> Pipeline:
        """The pipeline the node belongs to."""

    def _downstreams(self) -> list[Stream]:
        """Return the downstream nodes, in order."""

    def _connect(self, downstream: Node) -> None:
        """Connect `downstream` to this node, which joins the two pipelines."""

    def _disconnect(self, downstream: Node) -> None:
        """Undo `_connect`."""

    def _move_to_first(self, upstream: Node | None = None) -> None:
        """Move this node before all other downstreams of its upstreams, or of `upstream`."""

    def _release(self) -> None:
        """Release a sink: from now on only its references keep it alive."""

    def _drain(self, seconds: float, asynchronous: bool) -> Any:
        """Drain the pipeline within `seconds`."""

    def _until_idle(self, seconds: float, asynchronous: bool) -> Any:
        """Wait at most `seconds` until nothing is in flight in the pipeline."""

    def _drain_at_once(self) -> bool:
        """Drain the pipeline as far as possible without an event loop; return whether it is done."""

    def _close(self) -> None:
        """Make the pipeline refuse elements from now on, without waiting for the thread inside."""

    def _reopen(self) -> None:
        """Make the pipeline accept elements again after a drain."""

    def _is_pipeline_idle(self) -> bool:
        """Return whether the pipeline is idle, and no thread is inside it."""

    def _in_flight(self) -> int | None:
        """Return the number of elements in flight in the node; None if a thread is inside the pipeline."""

    def _has_late(self) -> bool:
        """Whether elements have arrived since the last drain."""

    def _take_late(self, takes_late: bool) -> None:
        """Set whether the pipeline accepts elements during and after a drain."""

    def _take_failures(self) -> list[tuple[str, BaseException]]:
        """Take the unreported failures: pairs of a node's name and an exception."""

    def _follow_loop(self) -> None:
        """Use the event loop running on this thread, unless the pipeline has another."""

    def _cut_cycles(self) -> None:
        """Cut the edges that close cycles: elements end there."""

    def _set_asynchronous(self, asynchronous: bool) -> None:
        """Set whether `emit` is awaited or blocks."""

    def _set_event_loop(self, event_loop: AbstractEventLoop) -> None:
        """Set the pipeline's asyncio loop."""

    def _begin_without_loop(self) -> None:
        """Use a loop thread, if the pipeline is asynchronous and no loop runs on this thread."""

    def _need_loop(self) -> None:
        """Ensure that the pipeline has an event loop."""

    def _set_on_error(self, on_error: OnError) -> None:
        """Set the failure policy of the node."""

    def _counters(self) -> tuple[int, int, int, int, float]:
        """Return the numbers of received, sent, failed and held elements, and their total wait."""

    def _trace(self, tracer: object, one_in: int) -> None:
        """Start tracing elements of the pipeline."""

    def _untrace(self) -> None:
        """Stop tracing elements."""

    def _positions(self) -> list[tuple[str, str | None, int, float | None]]: ...
    def _latency(self) -> tuple[int, float, float, float, float] | None:
        """Return the number of timed elements, and their mean, median, 99th percentile and maximum latency."""

    def _is_idle(self) -> bool:
        """Return whether nothing is in flight in the node, and no thread is inside the pipeline."""

    def _svg(self) -> str:
        """Return the pipeline as a drawing."""

    def _png(self) -> bytes | None:
        """Return the pipeline as the contents of a PNG file; None if there are no fonts."""

    def _mermaid(self) -> str:
        """Return the pipeline as a Mermaid diagram."""

    def _dot(self) -> str:
        """Return the pipeline in the DOT language."""

@final
class Pipeline:
    """A pipeline: its event loop, and its Python nodes."""

    @property
    def is_joined(self) -> bool:
        """Whether it was joined to another pipeline."""

    def nodes(self) -> list[Stream]:
        """Return all live nodes."""

    def _wiring(self) -> list[tuple[Stream, int, list[int], int, bool, int]]:
        """Return every node with its number, the numbers of its downstreams, and how it can be compiled."""

    def _leave_to_parent(self) -> None:
        """Give up the pipeline in a forked child: it belongs to the parent."""

    def _begin_end(self) -> None:
        """Record that a joint drain begins: only functions of these pipelines may emit."""

    def _cease_end(self) -> None:
        """Record that the joint drain is over."""

    def _end(self) -> None:
        """Record that it was drained because the program is ending."""

@final
class Emission:
    """The completion of an `emit`, or of a `drain`, on an event loop: await it."""

    def __await__(self) -> Generator[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...
    def done(self) -> bool:
        """Return whether it is done."""

    def add_done_callback(self, callback: Callable[[Emission | Future[None]], Any]) -> None:
        """Call `callback` when it is done."""

@final
class Signal:
    """A message between the engine and a compiled chain that is no element."""

@final
class Dashboard:
    """A running dashboard."""

    def __new__(cls, host: str, port: int, hosts: list[str], allow_control: bool, show_elements: int) -> Dashboard:
        """Serve it at a port, or at the next free one."""

    @property
    def port(self) -> int | None:
        """The port; None once closed."""

    @property
    def link(self) -> str | None:
        """The URL for a browser; None once closed."""

    @property
    def token(self) -> str | None:
        """The token for controlling pipelines; None unless control is enabled."""

    @property
    def control_link(self) -> str | None:
        """The URL for a browser, including the token."""

    def close(self) -> None:
        """End it."""

@final
class Metrics:
    """The metrics of this process, for programs with their own endpoint."""

    def __new__(cls) -> Metrics: ...
    def text(self) -> str:
        """Return the current metrics in the OpenMetrics format."""

    @staticmethod
    def descriptions() -> str:
        """Return the descriptions of all metrics, without values."""

@final
class Pump:
    """Callback for an asyncio loop: runs the queue."""

    def __call__(self, *args: Any, **kwargs: Any) -> None: ...

@final
class Flag:
    """A flag shared by threads."""

    def __new__(cls, is_set: bool) -> Self: ...
    @property
    def is_set(self) -> bool: ...
    @is_set.setter
    def is_set(self, is_set: bool) -> None: ...

@final
class Batch:
    """The next batch of an iterator for a source; it ends early if `stop` is set."""

    def __new__(cls, iterator: Iterator[Any], n: int, stop: Flag) -> Self: ...
    @property
    def is_over(self) -> bool:
        """Whether the iterator is exhausted."""

    @property
    def problem(self) -> BaseException | None:
        """The iterator's own exception."""

@final
class Reset:
    """Resets the state of an `accumulate` to its start; arguments are ignored."""

    def __call__(self, *_ignored: Any) -> None: ...
    def _set_shape(self, returns_state: bool, with_state: bool) -> None:
        """Set how results are interpreted, from the next element on."""
