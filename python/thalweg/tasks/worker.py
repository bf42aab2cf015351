"""Worker processes: how they are started, and what they do."""

from __future__ import annotations

import sys

__all__ = ["ask", "command", "main"]


def command() -> list[str]:
    """Return what starts a worker process, which imports from where this process does.

    Examples
    --------
    >>> from thalweg.tasks.worker import command
    >>> "thalweg.tasks.worker" in command()[-1]
    True
    """
    import subprocess

    # How the interpreter was called belongs to what a function may rely on.
    options: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    start = f"import sys; sys.path[:] = {sys.path!r}; from thalweg.tasks.worker import main; main()"
    # What a task prints is to be seen, whatever becomes of its process.
    return [sys.executable, *options, "-u", "-c", start]


def main() -> None:
    """Run the tasks that come through standard input, until the parent has gone."""
    import signal

    from thalweg._thalweg import tasks

    # Ctrl-C goes to all processes of a terminal. What is to be done about it the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tasks.serve()


def ask(question: bytes) -> bytes:
    """Ask the parent of this worker process something.

    Raises
    ------
    ConnectionError
        If this is no worker process, or its parent has gone.

    Examples
    --------
    >>> from thalweg.tasks.worker import ask
    >>> try:
    ...     ask(b"anybody there?")
    ... except ConnectionError:
    ...     print("no")
    no
    """
    from thalweg._thalweg import tasks

    answer = tasks.ask(question)
    if answer is None:
        raise ConnectionError("this is not a worker process of a client, or the client has gone")
    return answer
