"""Errors for names that do not exist."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that somebody who wrote `name` is likely to mean, if there is one.

    Examples
    --------
    >>> from thalweg.errors.missing_names import nearest
    >>> nearest("n_worker", ["n_workers", "threads"])
    'n_workers'
    """
    from difflib import get_close_matches

    found = get_close_matches(name, [each for each in names if not each.startswith("_")], n=1)
    return found[0] if found else None


class Missing(AttributeError):
    """Says which name is meant perhaps. It is looked for when somebody reads the message: most who ask for an attribute
    that is not there only want to know that.

    Examples
    --------
    >>> from thalweg.errors.missing_names import Missing
    >>> print(Missing("mapp", "'Stream' object", lambda: ["map", "filter"]))
    'Stream' object has no attribute 'mapp'; did you mean 'map'?
    """

    def __init__(self, name: str, owner: str, names: Callable[[], Iterable[str]]) -> None:
        super().__init__(f"{owner} has no attribute {name!r}")
        self.name: str = name
        self._asked, self._names = name, names

    def __str__(self) -> str:
        text = str(self.args[0])
        meant = None if self._asked.startswith("_") else nearest(self._asked, self._names())
        return f"{text}; did you mean {meant!r}?" if meant else text

    def __reduce__(self) -> tuple[type[AttributeError], tuple[str]]:
        return AttributeError, (str(self),)


# Tracebacks show it as the exception that it is.
Missing.__name__ = Missing.__qualname__ = "AttributeError"
Missing.__module__ = "builtins"


def unexpected(function: str, name: str, names: Iterable[str]) -> TypeError:
    """Return the error that says that `function` takes no argument of that name, and which is meant perhaps.

    Examples
    --------
    >>> from thalweg.errors.missing_names import unexpected
    >>> unexpected("Client", "n_worker", ["n_workers"])
    TypeError("Client got an unexpected keyword argument 'n_worker'; did you mean 'n_workers'?")
    """
    text = f"{function} got an unexpected keyword argument {name!r}"
    meant = nearest(name, names)
    return TypeError(f"{text}; did you mean {meant!r}?" if meant else text)
