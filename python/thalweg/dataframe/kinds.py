"""Recognition of data frames, series and indices.

They are recognized by their methods, not by their type, so that other packages' frames count as well.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any

__all__ = ["get_base_frame_type", "get_dataframe_package", "is_dataframe_like", "is_index_like", "is_series_like"]

#: Types that are frames or series without having pandas' methods.
_FRAMES = {("polars", "DataFrame"), ("pyarrow", "Table"), ("pyarrow", "RecordBatch")}
_SERIES = {("polars", "Series"), ("pyarrow", "ChunkedArray")}


def is_dataframe_like(df: Any) -> bool:
    """Whether an object is like a data frame.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe.kinds import is_dataframe_like
    >>> is_dataframe_like(pd.DataFrame({"x": [1]})), is_dataframe_like(pd.Series([1]))
    (True, False)
    """
    kind = type(df)
    if _name(kind) in _FRAMES:
        return True
    return _has(kind, "groupby", "head", "merge", "mean", "columns", "dtypes") and not _has(kind, "dtype")


def is_series_like(s: Any) -> bool:
    """Whether an object is like a series.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe.kinds import is_series_like
    >>> is_series_like(pd.Series([1])), is_series_like(pd.Index([1]))
    (True, False)
    """
    kind = type(s)
    if _name(kind) in _SERIES:
        return True
    return _has(kind, "groupby", "head", "mean", "dtype", "name") and not _is_called_index(kind)


def is_index_like(s: Any) -> bool:
    """Whether an object is like an index.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe.kinds import is_index_like
    >>> is_index_like(pd.Index([1])), is_index_like([1].index)
    (True, False)
    """
    kind = type(s)
    return _has(kind, "dtype", "name") and _is_called_index(kind)


def get_base_frame_type(frame_name: str, is_frame_like: Any, example: Any = None) -> type:
    """Type of an example, checked to be of the expected kind; that of its frame, if one is expected.

    Raises
    ------
    TypeError
        The example is missing, or of another kind.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe.kinds import get_base_frame_type, is_series_like
    >>> get_base_frame_type("Series", is_series_like, pd.Series([1])).__name__
    'Series'
    """
    if example is None:
        raise TypeError(f"{frame_name} needs an example of its elements")
    if is_frame_like is is_dataframe_like and not is_frame_like(example):
        import pandas as pd

        return type(pd.DataFrame(example))
    if not is_frame_like(example):
        raise TypeError(f"{frame_name} needs an example of its kind, and not {type(example).__name__}: {example!r}")
    return type(example)


def get_dataframe_package(df: Any) -> Any:
    """Package of a frame, a series or an index, such as pandas.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe.kinds import get_dataframe_package
    >>> get_dataframe_package(pd.Series([1])) is pd
    True
    """
    module = inspect.getmodule(df if isinstance(df, type) else type(df))
    return sys.modules[module.__name__.partition(".")[0]] if module is not None else None


def _name(kind: type) -> tuple[str, str]:
    return kind.__module__.partition(".")[0], kind.__name__


def _has(kind: type, *names: str) -> bool:
    return all(hasattr(kind, name) for name in names)


def _is_called_index(kind: type) -> bool:
    return "index" in kind.__name__.lower()
