"""Lines of a program's output."""

from __future__ import annotations

from thalweg._thalweg import sources
from thalweg.sources.source import Source
from thalweg.stream import Stream
from thalweg.stream.arguments import check_dict, is_path
from thalweg.stream.limits import MAX_LEN, check_max_len

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen
    from typing import Any


@Stream.register_api(staticmethod)
class from_process(Source[bytes]):
    """Emit the lines of a program's output, as bytes.

    The output is read on a thread, at most 320 KiB ahead of the pipeline. When the source is stopped, the program is
    asked to end, and killed after a second; :meth:`start` runs it anew. A line that is too long is a failure of this
    node, see `on_error`; the lines after it are emitted. A program that ends by itself without success, with another
    exit code than 0 or by a signal, is reported after its last line, as a ``subprocess.CalledProcessError``. Needs a
    Unix system.

    Parameters
    ----------
    cmd: list of str, or str
        The program and its arguments; a str is split as by a shell, without running one.
    open_kwargs: dict
        For ``subprocess.Popen``.
    with_stderr: bool
        Whether to emit stderr as well.
    with_end: bool
        Whether to emit a last line without a line end.
    max_len: int
        Maximum length of a line, in bytes; also given by ``open_kwargs={"limit": …}``.

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
        max_len: int = MAX_LEN,
        **kwargs: Any,
    ) -> None:
        _check_cmd(cmd)
        self.cmd = cmd
        self.open_kwargs: dict[str, Any] = check_dict(open_kwargs, "from_process", "open_kwargs")
        self._max_len = check_max_len(self.open_kwargs.pop("limit", max_len), "from_process")
        _check_open_kwargs(self.open_kwargs)
        self.with_stderr = with_stderr
        self.with_end = with_end
        self.process: Popen[bytes] | None = None
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Run the program, and emit its lines until it ends or the source is stopped."""
        import shlex
        import subprocess

        command = shlex.split(self.cmd) if isinstance(self.cmd, str) else self.cmd
        arguments = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT if self.with_stderr else None,
            **self.open_kwargs,
        }
        self.process = process = subprocess.Popen(command, **arguments)
        try:
            if process.stdout is not None:
                output = process.stdout.fileno()
                await self._run_in_rust(sources.output(output, b"\n", self.with_end, self._max_len))
        finally:
            has_ended = await self._reap(process)
        if has_ended and process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)

    def stop(self) -> None:
        """Stop the source, and end its program.

        Examples
        --------
        >>> from thalweg import Stream
        >>> source = Stream.from_process(["sleep", "1000"], start=True)
        >>> source.stop()
        >>> source.stopped
        True
        """
        super().stop()
        process = self.process
        if process is not None and process.poll() is None:
            process.terminate()

    async def _reap(self, process: Popen[bytes]) -> bool:
        """End the program: wait if its output has ended, otherwise terminate it, then kill it.

        Returns whether it has ended by itself.
        """
        has_ended = not self.stopped and await _ends(process)
        for ask in (process.terminate, process.kill):
            if process.poll() is None:
                ask()
                await _ends(process)
        if process.stdout is not None:
            process.stdout.close()
        return has_ended


async def _ends(process: Popen[bytes]) -> bool:
    """Wait for a second at most; return whether the program has ended."""
    import asyncio

    for _ in range(100):
        if process.poll() is not None:
            return True
        await asyncio.sleep(0.01)
    return False


def _check_cmd(cmd: Any) -> None:
    parts = [cmd] if isinstance(cmd, str) else cmd
    is_list = isinstance(parts, (list, tuple)) and all(
        isinstance(part, (str, bytes)) or is_path(part) for part in parts
    )
    if not is_list or not parts or not parts[0]:
        raise TypeError(f"from_process: `cmd` is a program and its arguments, not {cmd!r}")


def _check_open_kwargs(open_kwargs: dict[str, Any]) -> None:
    import inspect
    import subprocess

    known = set(inspect.signature(subprocess.Popen).parameters) - {
        "args",
        "stdout",
        "text",
        "universal_newlines",
        "encoding",
    }
    for name in open_kwargs:
        if name not in known:
            raise TypeError(
                f"from_process: `open_kwargs`: {name!r} is not an argument for a process whose output is bytes"
            )
