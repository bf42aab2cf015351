"""pandas, and libraries with the same interface, such as cuDF."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from thalweg.dataframe.backend.column import Column, rank

__all__ = ["PANDAS"]

#: Types for what `infer_dtype` finds.
_MASKED = {"integer": "Int64", "boolean": "boolean"}

#: From this version on, a shallow copy does not see changes to the original.
_COPIES_ON_WRITE = int(pd.__version__.partition(".")[0]) >= 3


class _Pandas:
    """See `Backend`."""

    name = "pandas"

    #: Columns of the last frame, and their positions: mostly, those of the next are the same.
    _layout: tuple[Any, dict[Any, int]] = (pd.Index([]), {})

    def is_frame(self, piece: Any) -> bool:
        return hasattr(type(piece), "dtypes") and hasattr(type(piece), "columns")

    def names(self, frame: Any) -> list[Any]:
        return list(frame.columns)

    def series(self, frame: Any, name: Any) -> Any:
        return frame[name]

    def read(self, frame: Any, names: list[Any]) -> list[Any]:
        # The arrays themselves: making a series of a column takes longer than adding it up.
        take = getattr(frame, "_get_column_array", None)
        if take is None or not isinstance(frame, pd.DataFrame):
            return [frame[name] for name in names]
        columns = frame.columns
        known, positions = self._layout
        if columns is not known and not columns.equals(known):
            if not columns.is_unique:
                return _read_repeated(frame, names)
            positions = {name: i for i, name in enumerate(columns)}
            self._layout = (columns, positions)
        return [take(positions[name]) for name in names]

    def select(self, frame: Any, names: list[Any]) -> Any:
        return frame[names]

    def assign(self, frame: Any, columns: dict[str, Any]) -> Any:
        return frame.assign(**columns)

    def operation(self, function: Any) -> Any:
        return function

    def describe(self, series: Any) -> str:
        return str(series.dtype)

    def column(self, series: Any) -> Column:
        dtype = series.dtype
        if isinstance(dtype, np.dtype):
            values = series if isinstance(series, np.ndarray) else np.asarray(series)
            kind = dtype.kind
            if kind in "iub":
                return Column(values)
            if kind == "f":
                # NaN if any is.
                least = np.minimum.reduce(values) if len(values) else 0
                if least == least:
                    return Column(values)
                return Column(values, values == values)
            if kind == "c":
                valid = values == values
            elif kind in "mM":
                valid = ~np.isnat(values)
            else:
                valid = ~pd.isna(values)
            return Column(values, None if valid.all() else valid)
        if isinstance(dtype, pd.CategoricalDtype) and dtype.ordered:
            return rank(np.asarray(getattr(series, "cat", series).codes), dtype.categories)
        missing = np.asarray(series.isna())
        valid = None if not missing.any() else ~missing
        numeric = getattr(dtype, "numpy_dtype", None)
        if numeric is not None and numeric.kind in "iufb":
            return Column(series.to_numpy(dtype=numeric, na_value=numeric.type(0)), valid)
        return Column(np.asarray(series, dtype=object), valid)

    def labels(self, series: Any) -> Any:
        if isinstance(series.dtype, np.dtype) and series.dtype.kind != "M":
            return np.asarray(series)
        return series.array if isinstance(series, pd.Series) else series

    def times(self, piece: Any, on: Any) -> Any:
        index = piece if isinstance(piece, pd.Index) else piece.index if on is None else piece[on]
        if isinstance(index.dtype, pd.DatetimeTZDtype):
            return index.to_numpy(dtype="datetime64[ns]")
        return self.column(index).values

    def slice(self, piece: Any, start: int, stop: int) -> Any:
        return piece[start:stop] if isinstance(piece, pd.Index) else piece.iloc[start:stop]

    def take(self, piece: Any, mask: Any) -> Any:
        return piece[mask]

    def concat(self, pieces: list[Any]) -> Any:
        if len(pieces) == 1:
            return pieces[0]
        if isinstance(pieces[0], pd.Index):
            return pieces[0].append(pieces[1:])
        return _package(pieces[0]).concat(pieces)

    def protect(self, piece: Any) -> Any:
        if isinstance(piece, pd.Index):
            return piece
        return piece.copy(deep=not _COPIES_ON_WRITE)

    def scalar(self, value: Any) -> Any:
        if isinstance(value, np.timedelta64):
            return pd.Timedelta(value)
        if isinstance(value, np.datetime64):
            return pd.Timestamp(value)
        return value

    def row(self, names: list[Any], values: list[Any]) -> Any:
        return pd.Series([self.scalar(value) for value in values], index=pd.Index(names))

    def name_keys(self, keys: Any, names: list[Any]) -> Any:
        return keys.set_names(names)

    def grouped(self, keys: Any, names: list[Any], arrays: list[Any], *, is_frame: bool) -> Any:
        if is_frame:
            columns = dict(enumerate(map(_infer, arrays)))
            return pd.DataFrame(columns, index=keys, copy=True).set_axis(pd.Index(names), axis=1)
        return pd.Series(_infer(arrays[0]), index=keys, name=names[0], copy=True)

    def aligned(self, piece: Any, names: list[Any], arrays: list[Any], *, is_series: bool = False) -> Any:
        if self.is_frame(piece) and not is_series:
            return pd.DataFrame(dict(enumerate(arrays)), index=piece.index, copy=False).set_axis(
                pd.Index(names), axis=1
            )
        index = None if isinstance(piece, pd.Index) else piece.index
        return pd.Series(arrays[0], index=index, name=names[0], copy=False)

    def counted(self, keys: Any, counts: Any, series: Any) -> Any:
        order = np.argsort(-counts, kind="stable")
        return pd.Series(counts[order], index=keys[order].set_names(series.name), name="count")

    def cumulate(self, operation: str, carry: Any, new: Any) -> tuple[Any, Any]:
        new = _as_numbers(new) if operation in ("cumsum", "cumprod") else new
        if carry is None:
            result = getattr(new, operation)()
        else:
            result = getattr(_package(new).concat([carry, new]), operation)().iloc[1:]
        filled = result if carry is None else _package(new).concat([carry, result])
        return filled.ffill().iloc[-1:], result

    def from_rows(self, rows: list[Any], example: Any) -> Any:
        return self.concat(rows) if self.is_frame(rows[0]) else pd.DataFrame(rows, columns=example.columns)

    def adopt(self, thing: Any) -> Any:
        if hasattr(pd.DataFrame, "from_arrow"):
            return pd.DataFrame.from_arrow(thing)
        import pyarrow as pa

        return pa.table(thing).to_pandas()


def _read_repeated(frame: Any, names: list[Any]) -> list[Any]:
    """Columns of a frame in which several have the same name: all of them, in their order, or none."""
    places: dict[Any, list[int]] = {}
    for place, name in enumerate(frame.columns):
        places.setdefault(name, []).append(place)
    for name in set(names):
        if len(places[name]) != names.count(name):
            raise ValueError(f"the frame has {len(places[name])} columns {name!r}: give each a name of its own")
    return [frame.iloc[:, places[name].pop(0)] for name in names]


def _package(piece: Any) -> Any:
    from thalweg.dataframe.kinds import get_dataframe_package

    return get_dataframe_package(piece)


def _infer(array: Any) -> Any:
    """Values as the type that all of them have; integers and flags stay such beside missing values."""
    if array.dtype != object:
        return array
    masked = _MASKED.get(pd.api.types.infer_dtype(array, skipna=True))
    if masked is None or not pd.isna(array).any():
        return pd.Series(array).infer_objects().array
    try:
        return pd.array(array, dtype=masked)
    except OverflowError:
        return pd.array(array, dtype="UInt64")


def _as_numbers(new: Any) -> Any:
    if PANDAS.is_frame(new):
        flags = [name for name in new.columns if new[name].dtype == bool]
        return new.astype(dict.fromkeys(flags, int)) if flags else new
    return new.astype(int) if new.dtype == bool else new


PANDAS = _Pandas()
