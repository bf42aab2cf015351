"""What libraries without an index have in common: keys and times are columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from thalweg.dataframe.backend.column import Column

__all__ = ["key_columns", "labels_of", "python_value", "time_column", "value_names", "with_zone"]


def with_zone(instants: np.ndarray[Any, Any], zone: str) -> Column:
    """Column of times in a time zone, as objects that have it; `instants` are UTC.

    Examples
    --------
    >>> import numpy as np
    >>> from thalweg.dataframe.backend.labelled import with_zone
    >>> str(with_zone(np.array(["2024-01-01"], "datetime64[us]"), "Europe/Berlin").values[0])
    '2024-01-01 01:00:00+01:00'
    """
    times = pd.DatetimeIndex(instants).tz_localize("UTC").tz_convert(zone)
    missing = np.asarray(times.isna())
    return Column(times.to_numpy(dtype=object), ~missing if missing.any() else None)


def python_value(value: Any) -> Any:
    """Value of Python's own for one of numpy or pandas; nanoseconds are cut off.

    Examples
    --------
    >>> import numpy as np
    >>> from thalweg.dataframe.backend.labelled import python_value
    >>> python_value(np.datetime64("2024-01-01T00:00:00", "ns"))
    datetime.datetime(2024, 1, 1, 0, 0)
    """
    if isinstance(value, np.generic):
        whole = value.astype("m8[us]" if value.dtype.kind == "m" else "M8[us]") if _is_finer(value) else value
        return whole.item()
    return value.to_pydatetime(warn=False) if isinstance(value, pd.Timestamp) else value


def _is_finer(value: Any) -> bool:
    return value.dtype.kind in "mM" and np.datetime_data(value.dtype)[0] == "ns"


def labels_of(column: Column) -> Any:
    """Labels of a column, as what `pandas.factorize` takes. Days are objects: it would make times of them.

    Examples
    --------
    >>> import numpy as np
    >>> from thalweg.dataframe.backend import Column
    >>> from thalweg.dataframe.backend.labelled import labels_of
    >>> labels_of(Column(np.array([1, 2]), np.array([True, False]))).tolist()
    [1, None]
    """
    if column.valid is None and column.values.dtype != "datetime64[D]":
        return column.values
    labels = column.values.astype(object)
    if column.valid is not None:
        labels[~column.valid] = None
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


def key_columns(keys: Any, names: list[Any]) -> dict[str, Any]:
    """Columns of the keys of groups, by name.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe.backend.labelled import key_columns
    >>> {name: values.tolist() for name, values in key_columns(pd.Index([1, 2]), [None]).items()}
    {'key': [1, 2]}
    """
    columns: dict[str, Any] = {}
    for level, name in enumerate(names):
        name = "key" if name is None else name
        columns[name if name not in columns else f"{name}_{level}"] = keys.get_level_values(level).to_numpy()
    return columns


def value_names(names: list[Any], taken: list[str], size: str) -> list[str]:
    """Names of the values of groups: `size` for those that have none, and other ones than those of the keys.

    Examples
    --------
    >>> from thalweg.dataframe.backend.labelled import value_names
    >>> value_names(["x", None], ["x"], "len")
    ['x_len', 'len']
    """
    named = [size if name is None else name for name in names]
    # A column that is grouped by can be counted, too.
    return [f"{name}_{size}" if name in taken else name for name in named]
