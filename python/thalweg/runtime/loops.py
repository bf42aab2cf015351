"""Event loops: the user's, and one on a separate thread otherwise."""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock
from weakref import WeakValueDictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    import concurrent.futures
    from asyncio import AbstractEventLoop, Future, Task, TimerHandle
    from collections.abc import Awaitable, Callable, Iterable
    from typing import Any

    from thalweg.stream import Stream

#: The loops on threads of ours. Once it is cleared, the next pipeline gets a new one.
shared_loops: list[Any] = []

#: Held while a loop is started: several threads may build their first pipelines at the same time.
_starting = allocate_lock()


def _leave_to_parent() -> None:
    """Forget the parent's loops in a forked process: their threads do not exist there."""
    global _starting
    shared_loops.clear()
    _starting = allocate_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


def running() -> AbstractEventLoop | None:
    """Return the event loop that runs on this thread, or None. Does not import asyncio.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg.runtime import loops
    >>> async def main():
    ...     return loops.running() is asyncio.get_running_loop()
    >>> loops.running(), asyncio.run(main())
    (None, True)
    """
    find = getattr(sys.modules.get("asyncio.events"), "_get_running_loop", None)
    return None if find is None else find()


def find(asynchronous: bool | None) -> AbstractEventLoop:
    """Return the asyncio loop for a pipeline that needs one."""
    import asyncio

    if asynchronous:
        running = asyncio._get_running_loop()
        return running if running is not None else _current()
    client = _dask_client()
    if client is not None:
        return to_asyncio(client.loop)
    with _starting:
        if not shared_loops:
            shared_loops.append(to_user(_start_thread()))
        return to_asyncio(shared_loops[-1])


def attach(node: Stream) -> None:
    """Give a node's pipeline its event loop. An asynchronous one gets it when it runs, if no loop runs now."""
    import asyncio

    if node._event_loop is None:
        if node.asynchronous and asyncio._get_running_loop() is None:
            return
        node._need_loop()


def _current() -> AbstractEventLoop:
    """The loop that is going to run, as far as can be told."""
    import asyncio
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return asyncio.get_event_loop()
        except RuntimeError:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            return loop


def _dask_client() -> Any:
    """The active Dask client, if Dask is in use."""
    distributed = sys.modules.get("distributed")
    if distributed is None or distributed.__name__ == "thalweg.distributed":
        return None
    try:
        return distributed.default_client()
    except (ValueError, AttributeError):
        return None


def _start_thread() -> AbstractEventLoop:
    import asyncio
    import threading

    loop = asyncio.new_event_loop()

    def run() -> None:
        asyncio.set_event_loop(loop)
        while not loop.is_closed():
            try:
                loop.run_forever()
                return
            except BaseException:
                # An interrupt that a function has raised: the waiting emitter has been told, or the next one will be.
                continue

    threading.Thread(target=run, name="thalweg-loop", daemon=True).start()
    return loop


def to_asyncio(loop: Any) -> AbstractEventLoop:
    """Return the asyncio loop behind Tornado's, a clock's, or ours."""
    inner: AbstractEventLoop = getattr(loop, "asyncio_loop", loop)
    if not hasattr(inner, "call_soon_threadsafe"):
        raise TypeError(f"loop: an event loop of asyncio or Tornado, not {loop!r}")
    return inner


#: Wrappers of loops in use, by the loops' identity.
_users: WeakValueDictionary[int, Loop] = WeakValueDictionary()


def to_user(loop: AbstractEventLoop) -> Any:
    """Return an asyncio loop in the user's form: Tornado's if Tornado is in use."""
    ioloop = sys.modules.get("tornado.ioloop")
    if ioloop is not None:
        known = getattr(ioloop.IOLoop, "_ioloop_for_asyncio", {}).get(loop)
        if known is not None:
            return known
        from tornado.platform.asyncio import AsyncIOLoop

        return AsyncIOLoop(asyncio_loop=loop, make_current=False)
    known = _users.get(id(loop))
    # Another loop may have got the identity of one that is gone.
    if known is None or known.asyncio_loop is not loop:
        known = _users[id(loop)] = Loop(loop)
    return known


class Loop:
    """An asyncio loop with those methods of Tornado's that are used with streams.

    Examples
    --------
    >>> from thalweg import VirtualClock
    >>> from thalweg.runtime.loops import Loop
    >>> clock = VirtualClock()
    >>> loop = Loop(clock.asyncio_loop)
    >>> timer = loop.call_later(60, print, "a minute later")
    >>> clock.advance("1h")
    a minute later
    """

    def __init__(self, asyncio_loop: AbstractEventLoop) -> None:
        self.asyncio_loop = asyncio_loop

    def add_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call a function on the loop, from any thread; an awaitable result is awaited."""
        self.asyncio_loop.call_soon_threadsafe(self._run, callback, args, kwargs)

    spawn_callback = add_callback

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> TimerHandle:
        """Call a function after `delay` seconds."""
        return self.asyncio_loop.call_later(delay, self._run, callback, args, kwargs)

    def time(self) -> float:
        """Return the loop's time in seconds."""
        return self.asyncio_loop.time()

    def stop(self) -> None:
        """Stop the loop."""
        self.asyncio_loop.stop()

    def _run(self, callback: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        result = callback(*args, **kwargs)
        if hasattr(result, "__await__"):
            ensure_future(result).add_done_callback(_raise)


def _raise(future: Future[Any]) -> None:
    """Raise an error where the loop reports it. A loop that ends cancels what still runs."""
    if not future.cancelled():
        future.result()


def ensure_future(awaitable: Awaitable[Any]) -> Future[Any]:
    """Start an awaitable on the running loop."""
    import asyncio

    if asyncio.isfuture(awaitable) and awaitable.get_loop() is not asyncio.get_running_loop():
        return _follow(awaitable)
    future = asyncio.ensure_future(awaitable)
    if isinstance(future, asyncio.Task):
        # Losses at the closing of a loop are reported in one message.
        future._log_destroy_pending = False  # type: ignore[attr-defined]
    return future


def _follow(theirs: Future[Any]) -> Future[Any]:
    """Return a future of the running loop for one of another thread's loop.

    Raises
    ------
    RuntimeError
        That loop does not run: nothing would complete the future.
    """
    import asyncio

    there = theirs.get_loop()
    if not there.is_running() and not theirs.done():
        raise RuntimeError(
            f"the result {theirs!r} belongs to an event loop that does not run, so that it would never be there: "
            "return a coroutine instead, or make the pipeline in a coroutine, with `Stream(asynchronous=True)`"
        )
    here = asyncio.get_running_loop()
    ours: Future[Any] = here.create_future()

    def done(_: Future[Any]) -> None:
        if not here.is_closed():
            here.call_soon_threadsafe(settle)

    def settle() -> None:
        if ours.done():
            return
        if theirs.cancelled():
            ours.cancel()
        elif (error := theirs.exception()) is not None:
            ours.set_exception(error)
        else:
            ours.set_result(theirs.result())

    if theirs.done():
        settle()
    else:
        there.call_soon_threadsafe(theirs.add_done_callback, done)
    return ours


#: The unfinished calls of asynchronous functions.
_calls: set[Task[Any]] = set()


def begin_call(awaitable: Awaitable[Any]) -> Future[Any]:
    """Start an awaitable result of a function on the running loop: called by the engine."""
    import asyncio

    future = ensure_future(awaitable)
    if future is not awaitable and isinstance(future, asyncio.Task):
        # The end of a loop does not cancel it, but waits for it.
        asyncio.tasks._unregister_task(future)
        _calls.add(future)
        future.add_done_callback(_calls.discard)
    return future


def is_in_call() -> bool:
    """Whether a call of a node's asynchronous function runs here, or anything else on a loop of ours: called by the
    engine.
    """
    import asyncio

    loop = asyncio._get_running_loop()
    if loop is None:
        return False
    return asyncio.current_task(loop) in _calls or any(to_asyncio(shared) is loop for shared in shared_loops)


def calls_on(loop: AbstractEventLoop) -> list[Task[Any]]:
    """Return the unfinished calls of asynchronous functions on a loop."""
    return [call for call in _calls if call.get_loop() is loop]


def forget_calls(loop: AbstractEventLoop) -> None:
    """Forget the calls on a closed loop."""
    _calls.difference_update(calls_on(loop))


async def together(awaitables: Iterable[Awaitable[Any]]) -> list[Any]:
    """Await all."""
    import asyncio

    return await asyncio.gather(*map(ensure_future, awaitables))


def responds(loop: AbstractEventLoop, seconds: float) -> bool:
    """Whether the loop of another thread calls functions, within so many seconds.

    Examples
    --------
    >>> from thalweg.runtime import loops
    >>> loops.responds(loops.find(False), 60)
    True
    """
    import threading

    called = threading.Event()
    loop.call_soon_threadsafe(called.set)
    return called.wait(seconds)


def start(loop: AbstractEventLoop, function: Callable[[], Awaitable[Any]]) -> concurrent.futures.Future[Any]:
    """Call an asynchronous function on a loop of another thread; return the future of its result.

    The coroutine is created there, so that a signal here leaves no coroutine that is never awaited.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg.runtime import loops
    >>> async def double(x):
    ...     return 2 * x
    >>> loops.start(loops.find(False), lambda: double(21)).result()
    42
    """
    import asyncio
    import concurrent.futures

    result: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def begin() -> None:
        if result.cancelled():
            result.set_running_or_notify_cancel()
            return
        task = asyncio.ensure_future(call(), loop=loop)
        task.add_done_callback(end)
        # The program may end first, after a Ctrl-C anywhere in the waiting thread: nobody is to be told then.
        task._log_destroy_pending = False  # type: ignore[attr-defined]

        def give_up(given_up: concurrent.futures.Future[Any]) -> None:
            if given_up.cancelled():
                loop.call_soon_threadsafe(task.cancel)

        result.add_done_callback(give_up)

    async def call() -> Any:
        return await function()

    def end(task: Future[Any]) -> None:
        if task.cancelled():
            result.cancel()
        if not result.set_running_or_notify_cancel():
            return
        error = task.exception()
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(task.result())

    loop.call_soon_threadsafe(begin)
    return result
