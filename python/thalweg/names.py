"""What is said of names that do not exist."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that somebody who wrote `name` is likely to mean, if there is one.

    Examples
    --------
    >>> from thalweg.names import nearest
    >>> nearest("n_worker", ["n_workers", "threads"])
    'n_workers'
    """
    from difflib import get_close_matches

    found = get_close_matches(name, [each for each in names if not each.startswith("_")], n=1)
    return found[0] if found else None


def missing(name: str, owner: str, names: Iterable[str], obj: Any = None) -> AttributeError:
    """Return the error that says that `owner` has no such attribute, and which is meant perhaps.

    Examples
    --------
    >>> from thalweg.names import missing
    >>> missing("mapp", "'Stream' object", ["map", "filter"])
    AttributeError("'Stream' object has no attribute 'mapp'; did you mean 'map'?")
    """
    text = f"{owner} has no attribute {name!r}"
    meant = None if name.startswith("_") else nearest(name, names)
    error = AttributeError(f"{text}; did you mean {meant!r}?" if meant else text)
    error.name, error.obj = name, obj
    return error


def unexpected(function: str, name: str, names: Iterable[str]) -> TypeError:
    """Return the error that says that `function` takes no argument of that name, and which is meant perhaps.

    Examples
    --------
    >>> from thalweg.names import unexpected
    >>> unexpected("Client", "n_worker", ["n_workers"])
    TypeError("Client got an unexpected keyword argument 'n_worker'; did you mean 'n_workers'?")
    """
    text = f"{function} got an unexpected keyword argument {name!r}"
    meant = nearest(name, names)
    return TypeError(f"{text}; did you mean {meant!r}?" if meant else text)
