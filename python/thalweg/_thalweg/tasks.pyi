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
    "Interest",
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
    """Counts running tasks and keeps them wanted until they end."""

    def __new__(cls) -> Self: ...
    def add(self, futures: list[Future[Any]]) -> None:
        """Add tasks, which stay wanted until they end."""

    def cancel_before_they_begin(self) -> None:
        """Cancel tasks that have not started."""

    def runs_here(self) -> bool:
        """Whether one of the tasks runs on this thread."""

    def wait(self) -> None:
        """Wait until all tasks have ended."""

@final
class Token:
    """Tells a running task to stop."""

    @property
    def cancelled(self) -> bool:
        """Whether the task was cancelled or exceeded its time limit."""

    def check(self) -> None:
        """Raise if the task should stop."""

def search(value: Any, kinds: set[type], others: Callable[[Any], Iterable[Any]] | None = None) -> list[Any]:
    """Objects of some types in a value, at any depth."""

def replace(value: Any, by: Callable[[Any], Any], kinds: Collection[type], skipped: object) -> Any:
    """A copy of a value with every object of some types replaced."""

def current_token() -> Token | None:
    """The token of the task running on this thread."""

def current_engine() -> Engine | None:
    """The engine of the task running on this thread."""

@final
class Interest:
    """Interest in the ends of tasks: callbacks registered with it lapse when it is freed."""

    def __new__(cls) -> Self: ...

@final
class OutOfTheWay:
    """Hand the place of this thread to other tasks for a `with` block, if its task has not seceded."""

    def __new__(cls) -> Self: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def give(self) -> None:
        """Try again, if the system had no thread."""

def secede() -> None:
    """Secede: stop counting toward the engine's width."""

def ask(question: bytes, waits: bool) -> bytes | None:
    """Send a request to the parent of this worker process; None if there is no parent."""

def is_worker() -> bool:
    """Whether this is a worker process."""

def serve() -> None:
    """Run tasks received through standard input."""

def rejoin() -> None:
    """Rejoin: count toward the engine's width again."""

def wait_for_threads(seconds: float) -> list[str]:
    """Wait for the threads of closed engines; return the tasks still running."""

@final
class Placeholder:
    """Placeholder for the result of a task in a pickle."""

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
        """Maximum number of concurrent tasks."""

    @property
    def closed(self) -> bool:
        """Whether it is closed."""

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
        """Create a finished future from a value."""

    def find(self, key: str) -> Future[Any] | None:
        """The live task with a key."""

    def named_futures(self) -> list[Future[Any]]:
        """The live tasks that were given keys."""

    def detached(self) -> list[Future[Any]]:
        """The detached tasks that have not ended."""

    def gather(self, futures: list[Future[_T]]) -> list[_T]:
        """Wait for all results."""

    def info(self, *, runs: bool = False) -> dict[str, Any]:
        """Description of the workers and their tasks; with `runs`, including tasks of the last minute."""

    def on_ask(
        self, callable: Callable[[int, bytes, Callable[[bytes], None]], None], lose: Callable[[int], None]
    ) -> None:
        """Set the handlers for requests of worker processes and for their deaths."""

    def call_soon(self, callable: Callable[[], object]) -> None:
        """Call a function on a thread that may block."""

    def close(self, *, wait: bool = False, replaced: bool = False) -> None:
        """Accept no more tasks. Unfinished ones fail; they are cancelled if the engine is `replaced` by another."""

@final
class Future(Generic[_T]):
    """The result of a task, once available."""

    def __class_getitem__(cls, key: Any) -> GenericAlias: ...
    def __new__(cls, key: Any, client: Any = None) -> Self: ...
    @property
    def key(self) -> Any:
        """The task's key: text, unless given otherwise."""

    @property
    def client(self) -> Client:
        """The client of this future."""

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
        """Whether the task is running."""

    def result(self, timeout: Interval | None = None) -> _T:
        """Wait for the result."""

    def _result_here(self) -> _T:
        """Return the result of a finished task, or raise its exception, without awaiting."""

    def _wait(self, seconds: float) -> bool:
        """Wait at most this many seconds; return whether the task is done."""

    def exception(self, timeout: Interval | None = None) -> BaseException | None:
        """Wait for the exception of the task."""

    def traceback(self, timeout: Interval | None = None) -> TracebackType | None:
        """Wait for the traceback of the exception."""

    def cancel(self, reason: str | None = None, msg: str | None = None, force: bool = False) -> bool:
        """Cancel the task; on the loop of an asynchronous client, returns an awaitable."""

    def retry(self) -> None:
        """Run a failed task again; on the loop of an asynchronous client, returns an awaitable."""

    def _cancel_before_it_begins(self) -> bool:
        """Cancel the task if it has not started; return whether it was cancelled."""

    def _ask_to_stop(self) -> None:
        """Cancel the task's token. Its outcome counts all the same."""

    def _orphan(self) -> None:
        """Stop the task once its future is dropped: the submitting worker has died."""

    def _runs_here(self) -> bool:
        """Whether the task runs on this thread."""

    def release(self) -> None:
        """Release the task."""

    def keep(self) -> None:
        """Let the task run to its end even if the future is dropped."""

    def detach(self) -> None:
        """The same, and closing the engine waits for it."""

    def add_done_callback(self, callback: Callable[[Future[_T]], object]) -> None:
        """Call a function when the task has ended, on a thread that may block."""

    def _notify_holder(self, callback: Callable[[Future[_T]], object], interest: Interest) -> None:
        """Like `_notify`, as long as this future and the interest are alive."""

    def _notify(self, callback: Callable[[Future[_T]], object]) -> None:
        """Call a non-blocking function when the task has ended."""

    def _when_here(self, callback: Callable[[Future[_T]], object]) -> None:
        """Call a function, on a thread that may block, when the task has ended and its result is in this process."""

    def __dask_tokenize__(self) -> tuple[str, Any]: ...
    def __await__(self) -> Generator[Any, None, _T]: ...
