"""Worker processes: start and main function."""

from __future__ import annotations

import sys

from thalweg.tasks.client.dask_scheduler import serve_dask
from thalweg.tasks.process import parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = ["command", "main", "prepare"]

#: Maximum size in bytes of a worker process's initial data.
_MOST = 96 << 10


def command(
    preload: Sequence[str] = (),
    initializer: Callable[..., Any] | None = None,
    initargs: tuple[Any, ...] = (),
    shared: str = "",
) -> list[str]:
    """Return the command that starts a worker process with this process's import path.

    Parameters
    ----------
    preload
        Names of modules to import before taking tasks.
    initializer, initargs
        A function to call after that.
    shared
        A directory with its files and plugins.

    Raises
    ------
    UnpicklableError
        The initializer or its arguments cannot be pickled.
    ValueError
        They are too large.

    Examples
    --------
    >>> from thalweg.tasks.process.worker import command
    >>> "thalweg.tasks.process.worker" in command()[-1]
    True
    """
    import subprocess

    # A function may rely on the interpreter's options.
    options: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    first = b""
    if initializer is not None:
        first = _pickled(initializer, initargs)
        if len(first) > _MOST:
            raise ValueError(f"initializer: {len(first)} bytes with its arguments, and {_MOST} can be sent at most")
    arguments = f"{list(preload)!r}, {first!r}, {shared!r}"
    start = f"import sys; sys.path[:] = {sys.path!r}; from thalweg.tasks.process.worker import main; main({arguments})"
    # Output of a task must appear, whatever becomes of its process.
    return [sys.executable, *options, "-u", "-c", start]


def _pickled(initializer: Callable[..., Any], initargs: tuple[Any, ...]) -> bytes:
    from thalweg.tasks.process import pickling

    try:
        return pickling.again((initializer, initargs), lambda _: True)
    except Exception as error:
        raise pickling.function_error(initializer, error) from error


def prepare(preload: Sequence[str], initializer: Callable[..., Any] | None, initargs: tuple[Any, ...]) -> None:
    """Import modules, and call the initializer, before there are tasks."""
    from importlib import import_module

    for name in preload:
        import_module(name)
    if initializer is not None:
        initializer(*initargs)


def main(preload: Sequence[str] = (), first: bytes = b"", shared: str = "") -> None:
    """Run the tasks that arrive on standard input, until the parent has gone.

    Parameters
    ----------
    preload
        Names of modules to import before.
    first
        The pickle of an initializer and its arguments; none if empty.
    shared
        A directory with files and plugins of all workers; it may not exist yet.
    """
    import os
    import pickle
    import signal

    from thalweg._thalweg import tasks

    # Ctrl-C reaches all processes of a terminal. The parent decides how to handle it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    initializer, initargs = pickle.loads(first) if first else (None, ())
    prepare(preload, initializer, initargs)
    parent.workspace = shared
    if os.path.isdir(shared):
        from thalweg.tasks.process import plugins

        plugins.begin(shared)
    # Tasks may compute Dask's collections, on all workers.
    serve_dask()
    tasks.serve()
