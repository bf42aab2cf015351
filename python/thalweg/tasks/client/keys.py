"""Keys of tasks: text, numbers, bytes, or tuples of them, as in Dask's collections."""

from __future__ import annotations

from typing import Any

#: Prefix of a key that is not text; a Python literal follows.
_LITERAL = "\0"


def to_text(key: Any) -> str:
    """Convert a key to the engine's form.

    Raises
    ------
    TypeError
        It cannot be a key.

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
    """The same of built-in types, whose representations can be parsed."""
    if isinstance(key, tuple):
        return tuple(_plain(each) for each in key)
    for kind in (bool, int, float, bytes):
        if isinstance(key, kind):
            # numpy's types are subclasses.
            return kind(key)  # type: ignore[arg-type]
    return str(key)
