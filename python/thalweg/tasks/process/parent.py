"""What a worker process has of its parent, the process of the client."""

from __future__ import annotations

from thalweg._thalweg.tasks import ask as _ask

__all__ = ["ask", "new_workspace", "workspace"]

#: In a worker process: the directory that all workers share.
workspace = ""


def new_workspace() -> str:
    """Return a name for a directory that workers share; nobody has one of that name."""
    import tempfile
    from uuid import uuid4

    return f"{tempfile.gettempdir()}/thalweg-{uuid4().hex}"


def ask(question: bytes, waits: bool = False) -> bytes:
    """Ask the parent of this worker process something.

    Parameters
    ----------
    question
        What is asked.
    waits
        Whether the answer comes when something has happened, which may need this thread: another task has its place
        meanwhile.

    Raises
    ------
    ConnectionError
        If this is no worker process, or its parent has gone.

    Examples
    --------
    >>> from thalweg.tasks.process.parent import ask
    >>> try:
    ...     ask(b"anybody there?")
    ... except ConnectionError:
    ...     print("no")
    no
    """
    answer = _ask(question, waits)
    if answer is None:
        raise ConnectionError("this is not a worker process of a client, or the client has gone")
    return answer
