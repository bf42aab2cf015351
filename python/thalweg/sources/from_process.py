"""The lines a program writes."""

from __future__ import annotations

from thalweg.sources.source import Source
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from asyncio.subprocess import Process
    from typing import Any


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
