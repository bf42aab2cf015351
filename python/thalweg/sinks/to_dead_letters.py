"""Storing failures, to be replayed."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.dead_letters import check_letters
from thalweg.errors import Failure
from thalweg.sinks.sink import Sink
from thalweg.stream import Stream
from thalweg.stream.arguments import check_callable
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import Any

    from thalweg._types import Placement
    from thalweg.database import Database
    from thalweg.dead_letters import DeadLetters

#: Maximum characters of an element that is stored for display only.
_MAX_SHOWN = 1000


@Stream.register_api()
class to_dead_letters(Sink[T]):
    """Store failures in a file, a table or a topic: the node, the error, the attempt and the element.

    Elements are the failures that an `on_error` stream receives. A failure is acknowledged when its letter has been
    written, and so is its element.

    An element is stored if it is text, bytes, or a JSON value: numbers, booleans, ``None``, and lists and dicts of
    these. Of others, ``repr`` is stored, up to 1,000 characters, which cannot be replayed; use `keep` to convert them.

    Parameters
    ----------
    letters: DeadLetters, str, path or Database
        The storage, see :class:`~thalweg.dead_letters.DeadLetters`: a file name, ``sqlite:letters.db``,
        ``postgres://…``, ``kafka://host:port/topic``.
    keep: callable
        Converts an element to the value to store.
    on_error:
        How to handle a failure that cannot be written, see :class:`~thalweg.Stream`.

    Raises
    ------
    ValueError
        `letters` is not a storage, or an option is invalid.

    Examples
    --------
    >>> import os, tempfile
    >>> from thalweg import Stream
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "letters.jsonl")
    >>> texts, failures = Stream(), Stream()
    >>> node = failures.to_dead_letters(path)
    >>> L = texts.map(float, on_error=failures).sink_to_list()
    >>> for text in ["20.5", "21,2"]:
    ...     texts.emit(text)
    >>> texts.drain()
    >>> L
    [20.5]
    >>> letter = open(path).read()
    >>> letter[:73]
    '{"node":"map(float)","ordinal":2,"attempt":1,"error":"ValueError: could n'
    >>> letter[-18:]
    '"element":"21,2"}\\n'
    >>> folder.cleanup()

    See Also
    --------
    from_dead_letters
    """

    def __init__(
        self,
        upstream: Stream[T],
        letters: DeadLetters | str | PathLike[str] | Database,
        *,
        keep: Callable[[Any], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if keep is not None:
            check_callable(keep, "to_dead_letters", "keep")
        self._keep = keep
        self._letters = check_letters(letters)
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        keep = self._keep
        _thalweg.sources.to_dead_letters(placement, self._letters, lambda failure: _take_apart(failure, keep))


def _take_apart(failure: Any, keep: Callable[[Any], Any] | None) -> tuple[str, int, int, str, str, Any]:
    if not isinstance(failure, Failure):
        raise TypeError(f"to_dead_letters: an element is a Failure, from a stream for `on_error`, not {failure!r}")
    error = failure.exception
    form, kept = _form(failure.element if keep is None else keep(failure.element))
    return failure.node, failure.ordinal, failure.attempts, f"{type(error).__name__}: {error}", form, kept


def _form(x: Any) -> tuple[str, Any]:
    import json

    if isinstance(x, (bytes, bytearray, memoryview)):
        return "bytes", bytes(x)
    try:
        text = json.dumps(x, allow_nan=False)
        # A value that comes back as another one, such as a tuple as a list, has not been stored.
        if json.loads(text) == x:
            return "json", text
    except (TypeError, ValueError, RecursionError):
        pass
    return "shown", repr(x)[:_MAX_SHOWN]
