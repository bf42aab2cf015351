"""How far tasks are."""

from __future__ import annotations

import threading
import time
from typing import Any

from thalweg.tasks.client import tree
from thalweg.tasks.client.completion import as_completed
from thalweg.view.progress import bar, of_futures

__all__ = ["progress"]


def progress(*futures: Any, notebook: bool | None = None, file: Any = None, **kwargs: Any) -> None:
    """Show how many futures have ended, how fast, how long the others will take, and what failed.

    In a terminal it returns when all have ended. In a notebook it shows a widget and returns at once, as with Dask.
    Where the output is no terminal, it shows nothing, and waits.

    Parameters
    ----------
    *futures
        Futures, or what holds some.
    notebook: bool
        Whether to show a widget; None for finding out.
    file
        Where to write to, if that is not ``sys.stderr``.
    **kwargs
        What Dask's takes besides; there is one kind of bar.

    Examples
    --------
    >>> import io
    >>> from thalweg.distributed import Client, progress
    >>> output = io.StringIO()
    >>> with Client() as client:
    ...     progress(client.map(abs, [-1, -2]), file=output)
    >>> "2 of 2" in output.getvalue()
    True
    """
    flat = tree.flat(futures)
    shown = bar(file, notebook=notebook)
    batches = as_completed(flat).batches()
    if shown is None:
        for _ in batches:
            pass
    elif shown.stays:
        arguments = (batches, len(flat), shown, time.monotonic)
        threading.Thread(target=of_futures, args=arguments, name="thalweg progress", daemon=True).start()
    else:
        of_futures(batches, len(flat), shown, time.monotonic)
