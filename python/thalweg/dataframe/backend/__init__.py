"""A common interface to data frame libraries; the example of a collection determines the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thalweg.dataframe.backend.column import Column

if TYPE_CHECKING:
    from thalweg.dataframe.backend.base import Backend

__all__ = ["Column", "backend_of"]


def backend_of(thing: Any) -> Backend:
    """Backend of the library that a frame, a series or an index belongs to.

    Anything other than Polars and Arrow is handled like pandas, so that libraries with the interface of pandas work.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe.backend import backend_of
    >>> backend_of(pd.Series([1])).name
    'pandas'
    """
    kind = type(thing)
    found = _KNOWN.get(kind)
    if found is None:
        found = _KNOWN[kind] = _find(kind)
    return found


#: Cache of backends by type: finding one takes longer than summing a batch.
_KNOWN: dict[type, Backend] = {}


def _find(kind: type) -> Backend:
    library = kind.__module__.partition(".")[0]
    if library == "polars":
        from thalweg.dataframe.backend.polars import POLARS

        return POLARS
    if library == "pyarrow":
        from thalweg.dataframe.backend.arrow import ARROW

        return ARROW
    from thalweg.dataframe.backend.pandas import PANDAS

    return PANDAS
