"""Where elements come from by themselves."""

from __future__ import annotations

import builtins
import os

from thalweg import _thalweg
from thalweg.functions import check_callable, is_path
from thalweg.intervals import convert_interval
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    import queue
    from asyncio.subprocess import Process
    from collections.abc import Callable, Iterable, Iterator
    from os import PathLike
    from typing import Any, TextIO

    from thalweg._types import Interval, Metadata


class Source(Stream):
    """The start of a pipeline that elements come from by themselves, on its event loop.

    Subclasses define `_run`, one round, or `run`, all of it. A source that runs keeps its pipeline
    alive.

    Parameters
    ----------
    start: bool
        Whether to start at once; otherwise :meth:`start` does.
    **kwargs:
        Those of :class:`~thalweg.Stream`.

    Examples
    --------
    >>> from thalweg import Source, VirtualClock
    >>> class Ticks(Source):
    ...     async def _run(self):
    ...         await self._send("tick")
    ...         await self._pause(60)
    >>> clock = VirtualClock()
    >>> ticks = Ticks(loop=clock, start=True)
    >>> L = ticks.sink_to_list()
    >>> clock.advance("90s")
    >>> L
    ['tick', 'tick']
    """

    _graphviz_shape = "doubleoctagon"

    def __init__(self, start: bool = False, **kwargs: Any) -> None:
        self._flag = _thalweg.Flag(True)
        self._run_state: _Run | None = None
        self._is_ending = False
        super().__init__(ensure_io_loop=True, **kwargs)
        self.started = False
        if start:
            self.start()

    @property
    def stopped(self) -> bool:
        """Whether the source is to emit nothing more.

        Examples
        --------
        >>> from thalweg import Stream, VirtualClock
        >>> source = Stream.from_iterable([1, 2], loop=VirtualClock())
        >>> source.stopped
        True
        """
        return self._flag.is_set

    @stopped.setter
    def stopped(self, stopped: bool) -> None:
        self._flag.is_set = stopped

    def start(self) -> None:
        """Have the source run; it goes on where it was stopped.

        Examples
        --------
        >>> from thalweg import Stream, VirtualClock
        >>> clock = VirtualClock()
        >>> source = Stream.from_iterable([1, 2], loop=clock)
        >>> L = source.sink_to_list()
        >>> source.start()
        >>> clock.advance("1s")
        >>> L
        [1, 2]
        """
        if self.stopped:
            self.stopped = False
            self.started = True
            self._need_loop()
            self._run_state = _Run()
            self.loop.add_callback(self._supervise, self._run_state)

    def stop(self) -> None:
        """Have the source stop after what it is doing.

        Examples
        --------
        >>> from thalweg import Stream, VirtualClock
        >>> clock = VirtualClock()
        >>> source = Stream.from_periodic(lambda: "tick", "1min", loop=clock, start=True)
        >>> L = source.sink_to_list()
        >>> clock.advance("1s")
        >>> source.stop()
        >>> clock.advance("1h")
        >>> L
        ['tick']
        """
        if not self.stopped:
            self.stopped = True
            if self._run_state is not None:
                self._run_state.wake(self._event_loop)

    def _end(self) -> _Run | None:
        """Have the source stop, and send what it keeps; return its run, to wait for."""
        self._is_ending = True
        self.stop()
        return self._run_state

    async def _supervise(self, state: _Run) -> None:
        """Run, and say what went wrong."""
        from thalweg.errors import ClosedError, log_failure

        state.begin()
        try:
            result: Any = self.run()
            if hasattr(result, "__await__"):
                await result
        except ClosedError:
            self.stopped = True
        except Exception as error:
            self.stopped = True
            log_failure(error)
        finally:
            state.end()

    async def finished(self) -> None:
        """Wait until the source has no more, or has stopped.

        Examples
        --------
        >>> import asyncio
        >>> from thalweg import Stream
        >>> async def main():
        ...     source = Stream.from_iterable([1, 2], asynchronous=True)
        ...     L = source.sink_to_list()
        ...     source.start()
        ...     await source.finished()
        ...     return L
        >>> asyncio.run(main())
        [1, 2]
        """
        if self._run_state is not None:
            await self._run_state.wait()

    async def run(self) -> None:
        """Emit everything, until :attr:`stopped`."""
        while not self.stopped:
            await self._run()

    async def _run(self) -> None:
        """Do one round: what subclasses define."""
        raise NotImplementedError

    async def _send(self, x: Any, metadata: Metadata = None) -> None:
        """Emit an element, and wait until it has been taken. A failure is the element's, not the
        source's: it is logged, and the source goes on.
        """
        from thalweg.errors import ClosedError, log_failure

        try:
            for waiting in self._emit(x, metadata):
                await waiting
        except ClosedError:
            raise
        except Exception as error:
            log_failure(error)

    async def _send_all(self, iterator: Iterator[Any]) -> bool:
        """Emit the elements of an iterator until there are no more or the source is stopped; return
        whether there are no more.
        """
        import asyncio

        from thalweg.errors import ClosedError, log_failure

        while not self.stopped:
            batch = _thalweg.Batch(iterator, 1024, self._flag)
            try:
                waiting = self.emit_many(batch, asynchronous=True)
                if waiting is not None:
                    await waiting
            except ClosedError:
                raise
            except Exception as error:
                if batch.problem is error:
                    raise
                log_failure(error)
            if batch.is_over:
                return True
            # Others on the loop have their turn.
            await asyncio.sleep(0)
        return False

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the source is stopped meanwhile."""
        if self._run_state is not None and not self.stopped:
            await self._run_state.pause(seconds)


class _Run:
    """One run of a source, on its event loop: what others wait for, and how they wake it."""

    def __init__(self) -> None:
        import threading

        self._over = threading.Event()
        self._pausing: asyncio.Future[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def begin(self) -> None:
        import asyncio

        self._loop = asyncio.get_running_loop()

    def end(self) -> None:
        self._over.set()
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        """Wait for the end, on the loop."""
        import asyncio

        if not self._over.is_set():
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future

    def wait_in_thread(self, seconds: float) -> bool:
        """Wait for the end, on another thread."""
        return self._over.wait(seconds)

    async def pause(self, seconds: float) -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        self._pausing = future = loop.create_future()
        timer = loop.call_later(seconds, self._resume)
        try:
            await future
        finally:
            timer.cancel()
            self._pausing = None

    def wake(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """End a pause, from any thread."""
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._resume)

    def _resume(self) -> None:
        if self._pausing is not None and not self._pausing.done():
            self._pausing.set_result(None)


@Stream.register_api(staticmethod)
class from_iterable(Source):
    """Emit the elements of an iterable.

    Parameters
    ----------
    iterable: iterable

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Stream
    >>> async def main():
    ...     source = Stream.from_iterable(range(3), asynchronous=True)
    ...     L = source.map(lambda x: x * 10).sink_to_list()
    ...     source.start()
    ...     await source.finished()
    ...     await source.drain()
    ...     return L
    >>> asyncio.run(main())
    [0, 10, 20]
    """

    def __init__(self, iterable: Iterable[Any], **kwargs: Any) -> None:
        self._iterator = iter(iterable)
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit what is left."""
        await self._send_all(self._iterator)
        self.stopped = True


@Stream.register_api(staticmethod)
class from_periodic(Source):
    """Emit what a function returns, again and again.

    Parameters
    ----------
    callback: callable
        Called without arguments; an ``async def`` is awaited. If it fails, nothing is emitted that time.
    poll_interval: number or text
        The time between calls: seconds, or a length of time such as ``"500ms"``.

    Examples
    --------
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> source = Stream.from_periodic(lambda: "tick", "10s", loop=clock, start=True)
    >>> L = source.sink_to_list()
    >>> clock.advance("25s")
    >>> L
    ['tick', 'tick', 'tick']
    """

    def __init__(self, callback: Callable[[], Any], poll_interval: Interval = 0.1, **kwargs: Any) -> None:
        check_callable(callback, "from_periodic", "callback")
        self._cb = callback
        self._poll = convert_interval(poll_interval)
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Call and emit, at times that do not drift."""
        from thalweg.errors import log_failure

        loop: Any = self._event_loop
        due = loop.time()
        while not self.stopped:
            try:
                x = self._cb()
                if hasattr(x, "__await__"):
                    x = await x
            except Exception as error:
                log_failure(error)
            else:
                await self._send(x)
            now = loop.time()
            due += self._poll
            if due < now and self._poll > 0:
                # Calls that were missed are not made up for.
                due += self._poll * -((due - now) // self._poll)
            await self._pause(max(0.0, due - now))


def PeriodicCallback(
    callback: Callable[..., Any], callback_time: Interval, asynchronous: bool | None = False, **kwargs: Any
) -> from_periodic:
    """Emit what ``callback(**kwargs)`` returns every `callback_time` seconds: rapidz's name for
    :class:`from_periodic`.

    Examples
    --------
    >>> from thalweg import PeriodicCallback
    >>> source = PeriodicCallback(lambda text: text, "1s", text="tick")
    >>> source
    <from_periodic>
    """
    if kwargs:
        return from_periodic(lambda: callback(**kwargs), callback_time, asynchronous=asynchronous)
    return from_periodic(callback, callback_time, asynchronous=asynchronous)


@Stream.register_api(staticmethod)
class from_textfile(Source):
    r"""Emit the lines of a text file, those that exist and those that are appended.

    Lines keep their delimiter. What stands behind the last one is emitted when the pipeline is drained.

    Parameters
    ----------
    f: str, path or file
        A name, or a file open for reading text.
    poll_interval: number or text
        How often to look for more.
    delimiter: str
        What lines end with.
    from_end: bool
        Whether to emit only what is appended from now on.

    Examples
    --------
    >>> import io
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> source = Stream.from_textfile(io.StringIO("a\nb\nc"), loop=clock, start=True)
    >>> L = source.sink_to_list()
    >>> clock.advance("1s")
    >>> L
    ['a\n', 'b\n']
    >>> source.drain()
    >>> L
    ['a\n', 'b\n', 'c']
    """

    def __init__(
        self,
        f: str | PathLike[str] | TextIO,
        poll_interval: Interval = 0.1,
        delimiter: str = "\n",
        from_end: bool = False,
        **kwargs: Any,
    ) -> None:
        if not delimiter:
            raise ValueError("from_textfile: `delimiter` is not empty")
        # It is read for as long as there is a source.
        self.file: Any = builtins.open(f) if is_path(f) else f  # noqa: SIM115
        self.from_end = from_end
        if from_end:
            self.file.seek(0, os.SEEK_END)
        self.delimiter = delimiter
        self.poll_interval = convert_interval(poll_interval)
        self._rest = ""
        self._lines: Iterator[str] = iter(())
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit lines until stopped."""
        while await self._send_all(self._lines):
            text = self.file.read()
            if text:
                *lines, self._rest = (self._rest + text).split(self.delimiter)
                self._lines = iter([line + self.delimiter for line in lines])
            else:
                await self._pause(self.poll_interval)
        if self._is_ending and self._rest:
            rest, self._rest = self._rest, ""
            await self._send(rest)


@Stream.register_api(staticmethod)
class filenames(Source):
    """Emit the names of the files in a directory, those there are and those that appear.

    Parameters
    ----------
    path: str or path
        A directory, or a pattern such as ``"data/*.csv"``.
    poll_interval: number or text
        How often to look for more.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from thalweg import Stream, VirtualClock
    >>> clock = VirtualClock()
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     pathlib.Path(directory, "a.csv").touch()
    ...     source = Stream.filenames(directory, loop=clock, start=True)
    ...     L = source.map(os.path.basename).sink_to_list()
    ...     clock.advance("1s")
    >>> L
    ['a.csv']
    """

    def __init__(self, path: str | PathLike[str], poll_interval: Interval = 0.1, **kwargs: Any) -> None:
        path = os.fspath(path)
        if "*" not in path and os.path.isdir(path):
            path = os.path.join(path, "*")
        self.path = path
        self.seen: set[str] = set()
        self.poll_interval = convert_interval(poll_interval)
        super().__init__(**kwargs)

    async def _run(self) -> None:
        import glob

        for name in sorted(set(glob.glob(self.path)) - self.seen):
            if self.stopped:
                return
            self.seen.add(name)
            await self._send(name)
        await self._pause(self.poll_interval)


@Stream.register_api(staticmethod)
class from_process(Source):
    """Emit the lines a program writes, as bytes.

    Parameters
    ----------
    cmd: list of str, or str
        The program and its arguments; a str is split as a shell does, without running one.
    open_kwargs: dict
        For ``asyncio.create_subprocess_exec``.
    with_stderr: bool
        Whether to emit what it writes to stderr as well.
    with_end: bool
        Whether to emit a last line that does not end.

    Examples
    --------
    >>> import asyncio, sys
    >>> from thalweg import Stream
    >>> async def main():
    ...     source = Stream.from_process([sys.executable, "-c", "print(1)"], asynchronous=True)
    ...     L = source.map(bytes.strip).sink_to_list()
    ...     source.start()
    ...     await source.finished()
    ...     return L
    >>> asyncio.run(main())
    [b'1']
    """

    def __init__(
        self,
        cmd: str | list[str],
        open_kwargs: dict[str, Any] | None = None,
        with_stderr: bool = False,
        with_end: bool = True,
        **kwargs: Any,
    ) -> None:
        self.cmd = cmd
        self.open_kwargs = open_kwargs or {}
        self.with_stderr = with_stderr
        self.with_end = with_end
        self.process: Process | None = None
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Run the program, and emit its lines until it ends or the source is stopped."""
        import asyncio
        import shlex
        import subprocess

        command = shlex.split(self.cmd) if isinstance(self.cmd, str) else self.cmd
        self.process = await asyncio.create_subprocess_exec(
            *command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if self.with_stderr else None,
            **self.open_kwargs,
        )
        try:
            await self._read(self.process.stdout)
        finally:
            if self.process.returncode is None:
                await self._reap(self.process)
        self.stopped = True

    async def _read(self, output: Any) -> None:
        import asyncio

        reading: asyncio.Future[bytes] | None = None
        while not self.stopped:
            reading = reading or asyncio.ensure_future(output.readline())
            # A program that writes nothing must not keep the source from being stopped.
            done, _ = await asyncio.wait([reading], timeout=0.05)
            if not done:
                continue
            line, reading = reading.result(), None
            if not line or not (line.endswith(b"\n") or self.with_end):
                break
            await self._send(line)
        if reading is not None:
            reading.cancel()

    async def _reap(self, process: Process) -> None:
        """Have the program end: by itself, by asking, by force."""
        import asyncio

        for ask in (None, process.terminate, process.kill):
            if ask is not None:
                try:
                    ask()
                except ProcessLookupError:
                    return
            try:
                await asyncio.wait_for(process.wait(), 1.0)
                return
            except asyncio.TimeoutError:
                continue


@Stream.register_api(staticmethod)
class from_q(Source):
    """Emit what others put into a ``queue.Queue``.

    Parameters
    ----------
    q: queue.Queue
    sleep_time: number or text
        How often to look for more.

    Examples
    --------
    >>> import queue
    >>> from thalweg import Stream, VirtualClock
    >>> clock, q = VirtualClock(), queue.Queue()
    >>> source = Stream.from_q(q, loop=clock, start=True)
    >>> L = source.sink_to_list()
    >>> q.put(1)
    >>> clock.advance("1s")
    >>> L
    [1]
    """

    def __init__(self, q: queue.Queue[Any], sleep_time: Interval = 0.01, **kwargs: Any) -> None:
        self.q = q
        self.sleep = convert_interval(sleep_time)
        super().__init__(**kwargs)

    async def _run(self) -> None:
        import queue

        try:
            x = self.q.get_nowait()
        except queue.Empty:
            await self._pause(self.sleep)
        else:
            await self._send(x)


@Stream.register_api(staticmethod)
class from_tcp(Source):
    """Emit what arrives on a port, split at a delimiter, which stays.

    Parameters
    ----------
    port: int
        The port to listen on, while the source runs.
    delimiter: bytes
    server_kwargs: dict
        For ``asyncio.start_server``; without a ``host``, only this machine can connect.

    Examples
    --------
    >>> import asyncio, socket
    >>> from thalweg import Stream
    >>> with socket.create_server(("localhost", 0)) as taken:
    ...     port = taken.getsockname()[1]
    >>> async def main():
    ...     source = Stream.from_tcp(port, asynchronous=True)
    ...     arrived = asyncio.Event()
    ...     L = source.sink_to_list()
    ...     node = source.sink(lambda line: arrived.set())
    ...     source.start()
    ...     while source.server is None:
    ...         await asyncio.sleep(0.01)
    ...     _, writer = await asyncio.open_connection("localhost", port)
    ...     writer.write(b"hello\\n")
    ...     await arrived.wait()
    ...     writer.close()
    ...     await source.drain()
    ...     return [line.strip() for line in L]
    >>> asyncio.run(main())
    [b'hello']
    """

    def __init__(
        self, port: int, delimiter: bytes = b"\n", server_kwargs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        self.port = port
        self.delimiter = delimiter
        self.server_kwargs = {"host": "localhost", **(server_kwargs or {})}
        self.server: Any = None
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Listen until stopped."""
        import asyncio

        tasks: set[Any] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.current_task())
            try:
                while not self.stopped:
                    await self._send(await reader.readuntil(self.delimiter))
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                tasks.discard(asyncio.current_task())
                writer.close()

        server = await asyncio.start_server(serve, port=self.port, **self.server_kwargs)
        self.server = server
        try:
            while not self.stopped:
                await self._pause(3600)
        finally:
            self.server = None
            server.close()
            for task in tasks:
                task.cancel()


@Stream.register_api(staticmethod)
class from_http_server(Source):
    """Emit the body of every HTTP POST to a port. Needs Tornado.

    Parameters
    ----------
    port: int
        The port to listen on, while the source runs.
    path: str
        A regular expression for the paths to answer.
    server_kwargs: dict
        For ``tornado.httpserver.HTTPServer``, and ``address``; without it, only this machine can connect.

    Examples
    --------
    >>> import asyncio, socket
    >>> from thalweg import Stream
    >>> with socket.create_server(("localhost", 0)) as taken:
    ...     port = taken.getsockname()[1]
    >>> async def main():
    ...     from tornado.httpclient import AsyncHTTPClient
    ...
    ...     source = Stream.from_http_server(port, asynchronous=True)
    ...     L = source.sink_to_list()
    ...     source.start()
    ...     while source.server is None:
    ...         await asyncio.sleep(0.01)
    ...     answer = await AsyncHTTPClient().fetch(f"http://localhost:{port}/", method="POST", body=b"hello")
    ...     await source.drain()
    ...     return answer.body, L
    >>> asyncio.run(main())
    (b'OK', [b'hello'])
    """

    def __init__(
        self, port: int, path: str = "/.*", server_kwargs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        self.port = port
        self.path = path
        self.server_kwargs = dict(server_kwargs or {})
        self._address = self.server_kwargs.pop("address", "localhost")
        self.server: Any = None
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Listen until stopped."""
        from tornado.httpserver import HTTPServer
        from tornado.web import Application, RequestHandler

        source = self

        class Handler(RequestHandler):
            async def post(self) -> None:
                await source._send(self.request.body)
                self.write("OK")

        server = HTTPServer(Application([(self.path, Handler)]), **self.server_kwargs)
        server.listen(self.port, self._address)
        self.server = server
        try:
            while not self.stopped:
                await self._pause(3600)
        finally:
            self.server = None
            server.stop()
            await server.close_all_connections()


def sink_to_file(
    filename: str | PathLike[str],
    upstream: Stream,
    mode: str = "w",
    prefix: str = "",
    suffix: str = "\n",
    flush: bool = False,
) -> Any:
    """Write every element of `upstream`, a str, to a file, which is returned: close it, or use it in a
    ``with`` statement.

    Examples
    --------
    >>> import os, tempfile
    >>> from thalweg import Stream, sink_to_file
    >>> source = Stream()
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = os.path.join(directory, "lines.txt")
    ...     with sink_to_file(path, source, prefix="- "):
    ...         source.emit_many(["a", "b"])
    ...     with open(path) as file:
    ...         print(file.read(), end="")
    - a
    - b
    """
    file = builtins.open(filename, mode=mode)  # noqa: SIM115, it is the caller's to close

    def write(text: str) -> None:
        file.write(prefix + text + suffix)
        if flush:
            file.flush()

    upstream.sink(write)
    return file
