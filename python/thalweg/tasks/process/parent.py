"""A worker process's access to its parent, the process of the client."""

from __future__ import annotations

from thalweg._thalweg.tasks import ask as _ask

__all__ = ["ask", "new_workspace", "workspace"]

#: In a worker process: the directory shared by all workers.
workspace = ""


def new_workspace() -> str:
    """Return an unused name for a directory shared by workers."""
    import tempfile
    from uuid import uuid4

    return f"{tempfile.gettempdir()}/thalweg-{uuid4().hex}"


def ask(question: bytes, waits: bool = False) -> bytes:
    """Send a request to the parent of this worker process.

    Parameters
    ----------
    question
        What is asked.
    waits
        Whether the answer has to wait for something that may need this thread: another task gets its place meanwhile.

    Raises
    ------
    ConnectionError
        This is not a worker process, or its parent has gone.

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
