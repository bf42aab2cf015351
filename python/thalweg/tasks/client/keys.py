"""Keys of tasks: text, or numbers, bytes and tuples of such, as Dask's collections have them."""

from __future__ import annotations

from typing import Any

#: Begins a key that is no text; what follows is a literal of Python's.
_LITERAL = "\0"


def to_text(key: Any) -> str:
    """Return a key as the engine takes it.

    Raises
    ------
    TypeError
        It is nothing that a key may be.

    Examples
    --------
    >>> from thalweg.tasks.client.keys import to_text
    >>> to_text("load")
    'load'
    >>> to_text(["load"])
    Traceback (most recent call last):
    TypeError: key: text, bytes, a number, or a tuple of these, not ['load']
    """
    if isinstance(key, str):
        return key
    if not _is_literal(key):
        raise TypeError(f"key: text, bytes, a number, or a tuple of these, not {key!r}")
    return _LITERAL + repr(_plain(key))


def _is_literal(key: Any) -> bool:
    if isinstance(key, tuple):
        return all(_is_literal(each) for each in key)
    return isinstance(key, (str, bytes, int, float))


def _plain(key: Any) -> Any:
    """The same of the built-in types, whose representations can be read."""
    if isinstance(key, tuple):
        return tuple(_plain(each) for each in key)
    for kind in (bool, int, float, bytes):
        if isinstance(key, kind):
            # Those of numpy are of subclasses.
            return kind(key)  # type: ignore[arg-type]
    return str(key)
