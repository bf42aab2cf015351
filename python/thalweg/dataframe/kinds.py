"""Telling data frames, series and indices from other things, and from each other.

They are told by what they can do and not by their type, so that other packages' frames count as well.
"""

from __future__ import annotations

from typing import Any

__all__ = ["is_dataframe_like", "is_index_like", "is_series_like"]


def is_dataframe_like(thing: Any) -> bool:
    """Say whether something is like a data frame.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe.kinds import is_dataframe_like
    >>> is_dataframe_like(pd.DataFrame({"x": [1]})), is_dataframe_like(pd.Series([1]))
    (True, False)
    """
    kind = type(thing)
    return _has(kind, "groupby", "head", "merge", "mean", "columns", "dtypes") and not _has(kind, "dtype")


def is_series_like(thing: Any) -> bool:
    """Say whether something is like a series.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe.kinds import is_series_like
    >>> is_series_like(pd.Series([1])), is_series_like(pd.Index([1]))
    (True, False)
    """
    kind = type(thing)
    return _has(kind, "groupby", "head", "mean", "dtype", "name") and not _is_called_index(kind)


def is_index_like(thing: Any) -> bool:
    """Say whether something is like an index.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe.kinds import is_index_like
    >>> is_index_like(pd.Index([1])), is_index_like([1].index)
    (True, False)
    """
    kind = type(thing)
    return _has(kind, "dtype", "name") and _is_called_index(kind)


def _has(kind: type, *names: str) -> bool:
    return all(hasattr(kind, name) for name in names)


def _is_called_index(kind: type) -> bool:
    return "index" in kind.__name__.lower()
