"""The task engine."""

from collections.abc import Callable, Collection, Generator, Iterable
from types import GenericAlias, TracebackType
from typing import Any, Generic, Literal, TypeVar, final

from typing_extensions import Self

from thalweg._types import Interval
from thalweg.tasks.client.client import Client

_T = TypeVar("_T")

__all__ = [
    "Engine",
    "Future",
    "OutOfTheWay",
    "Placeholder",
    "Tally",
    "Token",
    "ask",
    "current_engine",
    "current_token",
    "is_worker",
    "rejoin",
    "replace",
    "search",
    "secede",
    "serve",
    "wait_for_threads",
]

@final
class Tally:
    """Counts tasks until they have ended, whoever wants their results."""

    def __new__(cls) -> Self: ...
    def add(self, futures: list[Future[Any]]) -> None:
        """Count tasks, which are wanted until they have ended."""

    def cancel_before_they_begin(self) -> None:
        """Cancel those that have not begun."""

    def runs_here(self) -> bool:
        """Whether one of them runs in this thread."""

    def wait(self) -> None:
        """Wait until all have ended."""

@final
class Token:
    """Says to a running task that it is to stop."""

    @property
    def cancelled(self) -> bool:
        """Whether the task has been cancelled, or is past its limit."""

    def check(self) -> None:
        """Raise what the task is to end with, if it is to end."""

def search(value: Any, kinds: set[type], others: Callable[[Any], Iterable[Any]] | None = None) -> list[Any]:
    """The objects of some kinds in a value, at any depth."""

def replace(value: Any, by: Callable[[Any], Any], kinds: Collection[type], skipped: object) -> Any:
    """A value with something else in the place of every object of some kinds."""

def current_token() -> Token | None:
    """The token of the task that runs in this thread."""

def current_engine() -> Engine | None:
    """The engine of the task that runs in this thread."""

@final
class OutOfTheWay:
    """Leave the place of this thread to other tasks for a `with` block, if a task runs here that has not left it."""

    def __new__(cls) -> Self: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *error: object) -> None: ...

def secede() -> None:
    """Stop counting for the engine's width."""

def ask(question: bytes, waits: bool) -> bytes | None:
    """Ask the parent of this worker process; None where there is none."""

def is_worker() -> bool:
    """Whether this is a worker process."""

def serve() -> None:
    """Run the tasks that come through standard input."""

def rejoin() -> None:
    """Count for the engine's width again."""

def wait_for_threads(seconds: float) -> list[str]:
    """Wait for the threads of closed engines; returns the tasks that go on."""

@final
class Placeholder:
    """Stands for the result of a task in a pickle."""

@final
class Engine:
    """Runs tasks."""

    @staticmethod
    def threads(n: int, *, resources: dict[str, float] | None = None) -> Engine:
        """Start an engine of threads."""

    @staticmethod
    def processes(
        n_workers: int,
        threads_per_worker: int,
        *,
        command: list[str],
        memory_limit: int | None = None,
        worker_ttl: float | None = None,
        resources: dict[str, float] | None = None,
    ) -> Engine:
        """Start an engine of processes."""

    @property
    def kind(self) -> Literal["threads", "processes"]:
        """Kind of the workers: ``"threads"`` or ``"processes"``."""

    @property
    def width(self) -> int:
        """Number of tasks that run at once."""

    @property
    def closed(self) -> bool:
        """Whether it takes no more tasks."""

    asynchronous: bool

    def submit(
        self,
        function: Callable[..., _T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None = None,
        *,
        key: str | None = None,
        call: int | None = None,
        priority: float = 0.0,
        retries: int = 0,
        resources: dict[str, float] | None = None,
        time_limit: float | None = None,
    ) -> Future[_T]:
        """Run a function."""

    def map(
        self,
        function: Callable[..., _T],
        iterables: tuple[Iterable[Any], ...],
        kwargs: dict[str, Any] | None = None,
        *,
        key: str | None = None,
        priority: float = 0.0,
        retries: int = 0,
        resources: dict[str, float] | None = None,
        time_limit: float | None = None,
    ) -> list[Future[_T]]:
        """Run a function on each element."""

    def run(
        self, function: Callable[..., _T], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> list[Future[_T]]:
        """Run a function on each worker."""

    def run_graph(
        self,
        tasks: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any] | None, tuple[int, ...]]],
        wanted: list[int],
        *,
        given: list[Future[Any]] = ...,
        keys: list[str] | None = None,
        priority: float = 0.0,
        retries: int = 0,
        resources: dict[str, float] | None = None,
        time_limit: float | None = None,
    ) -> list[Future[Any]]:
        """Run tasks that use each other's results."""

    def scatter(self, value: _T, *, key: str | None = None) -> Future[_T]:
        """Make a future of a value."""

    def find(self, key: str) -> Future[Any] | None:
        """The live task with a key."""

    def named_futures(self) -> list[Future[Any]]:
        """The live tasks that were given keys."""

    def gather(self, futures: list[Future[_T]]) -> list[_T]:
        """Wait for all results."""

    def info(self, *, runs: bool = False) -> dict[str, Any]:
        """Description of the workers and their tasks; with `runs`, also of those that ran in the last minute."""

    def on_ask(
        self, callable: Callable[[int, bytes, Callable[[bytes], None]], None], lose: Callable[[int], None]
    ) -> None:
        """Say what answers the questions of worker processes, and what is told which of them has died."""

    def call_soon(self, callable: Callable[[], object]) -> None:
        """Call something on a thread that may block."""

    def close(self, *, wait: bool = False) -> None:
        """Take no more tasks, and cancel those that wait."""

@final
class Future(Generic[_T]):
    """The result of a task, when there is one."""

    def __class_getitem__(cls, key: Any) -> GenericAlias: ...
    def __new__(cls, key: Any, client: Any = None) -> Self: ...
    @property
    def key(self) -> Any:
        """The task's name: text, unless it was given another key."""

    @property
    def client(self) -> Client:
        """The client that it is a future of."""

    @property
    def type(self) -> type | None:
        """The type of the result, once there is one. A result in a worker process is fetched for it."""

    @property
    def status(self) -> Literal["pending", "finished", "error", "cancelled"]:
        """Status of the task."""

    @property
    def engine(self) -> Engine:
        """The engine that runs the task."""

    def done(self) -> bool:
        """Whether the task has ended."""

    def cancelled(self) -> bool:
        """Whether the task has been cancelled."""

    def running(self) -> bool:
        """Whether the task has begun, and has not ended."""

    def result(self, timeout: Interval | None = None) -> _T:
        """Wait for the result."""

    def _result_here(self) -> _T:
        """Return the result of a task that is done, or raise what it failed with, without awaiting."""

    def _wait(self, seconds: float) -> bool:
        """Wait for so many seconds at most; say whether the task is done."""

    def exception(self, timeout: Interval | None = None) -> BaseException | None:
        """Wait for what the task raised."""

    def traceback(self, timeout: Interval | None = None) -> TracebackType | None:
        """Wait for where the task raised it."""

    def cancel(self, reason: str | None = None, msg: str | None = None, force: bool = False) -> bool:
        """Cancel the task; in an asynchronous client's loop, what is returned can be awaited."""

    def retry(self) -> None:
        """Run a failed task again; in an asynchronous client's loop, what is returned can be awaited."""

    def _cancel_before_it_begins(self) -> bool:
        """Cancel the task if it has not begun; say whether it was cancelled."""

    def _ask_to_stop(self) -> None:
        """Have the task's token say that it is not wanted. Whatever comes of it counts all the same."""

    def _orphan(self) -> None:
        """Have the task stopped once nobody has its future: whoever submitted it has died."""

    def _runs_here(self) -> bool:
        """Whether the task runs in this thread."""

    def release(self) -> None:
        """Let go of the task."""

    def keep(self) -> None:
        """Let the task run to its end also if nobody holds the future."""

    def add_done_callback(self, callback: Callable[[Future[_T]], object]) -> None:
        """Call something when the task has ended, on a thread that may block."""

    def _notify_holder(self, callback: Callable[[Future[_T]], object]) -> None:
        """Do what `_notify` does, for as long as somebody holds this future."""

    def _notify(self, callback: Callable[[Future[_T]], object]) -> None:
        """Call something that does not block when the task has ended."""

    def _when_here(self, callback: Callable[[Future[_T]], object]) -> None:
        """Call something, on a thread that may block, when the task has ended and a result is in this process."""

    def __dask_tokenize__(self) -> tuple[str, Any]: ...
    def __await__(self) -> Generator[Any, None, _T]: ...
