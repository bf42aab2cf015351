"""What libraries without an index have in common: keys and times are columns."""

from __future__ import annotations

from typing import Any

import pandas as pd

from thalweg.dataframe.backend.column import Column

__all__ = ["group_columns", "time_column", "without_missing"]


def without_missing(column: Column) -> Any:
    """Labels of a column with missing values, as what `pandas.factorize` takes.

    Examples
    --------
    >>> import numpy as np
    >>> from thalweg.dataframe.backend import Column
    >>> from thalweg.dataframe.backend.labelled import without_missing
    >>> without_missing(Column(np.array([1, 2]), np.array([True, False]))).tolist()
    [1, None]
    """
    labels = column.values.astype(object)
    labels[~column.valid] = None  # type: ignore[operator]
    return pd.array(labels, dtype=object)


def time_column(times: list[Any], on: Any) -> Any:
    """Column of the axis of a window: the one that is asked for, or the only one with times.

    Raises
    ------
    ValueError
        If there is none, or several.

    Examples
    --------
    >>> from thalweg.dataframe.backend.labelled import time_column
    >>> time_column(["at"], None), time_column(["from", "to"], "to")
    ('at', 'to')
    """
    if on is not None:
        return on
    if len(times) != 1:
        found = "none" if not times else ", ".join(map(repr, times))
        raise ValueError(f"a window over a duration needs `on`, the column with the times; those with times: {found}")
    return times[0]


def group_columns(keys: Any, names: list[Any], arrays: list[Any], size: str) -> dict[str, Any]:
    """Columns of a result by group: the keys, then the values; `size` names those that have no name.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from thalweg.dataframe.backend.labelled import group_columns
    >>> columns = group_columns(pd.Index(["a"], name="k"), [None], [np.array([3])], "len")
    >>> {name: values.tolist() for name, values in columns.items()}
    {'k': ['a'], 'len': [3]}
    """
    columns = {}
    for level, name in enumerate(keys.names):
        values = keys.get_level_values(level).to_numpy()
        columns["key" if name is None else name] = values
    for name, array in zip(names, arrays, strict=True):
        # A column that is grouped by can be counted, too.
        name = size if name is None else name
        columns[name if name not in columns else f"{name}_{size}"] = array
    return columns
