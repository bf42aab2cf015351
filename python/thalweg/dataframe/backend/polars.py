"""Polars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from thalweg.dataframe.backend.column import Column, is_missing, rank
from thalweg.dataframe.backend.labelled import (
    key_columns,
    labels_of,
    python_value,
    time_column,
    value_names,
    with_zone,
)

__all__ = ["POLARS"]

_CUMULATIVE = {"cumsum": "cum_sum", "cumprod": "cum_prod", "cummin": "cum_min", "cummax": "cum_max"}


class _Polars:
    """See `Backend`."""

    name = "polars"

    def is_frame(self, piece: Any) -> bool:
        return isinstance(piece, pl.DataFrame)

    def names(self, frame: Any) -> list[Any]:
        return list(frame.columns)

    def series(self, frame: Any, name: Any) -> Any:
        return frame.get_column(name)

    def read(self, frame: Any, names: list[Any]) -> list[Any]:
        return [self.series(frame, name) for name in names]

    def select(self, frame: Any, names: list[Any]) -> Any:
        return frame.select(names)

    def assign(self, frame: Any, columns: dict[str, Any]) -> Any:
        values = {name: value(frame) if callable(value) else value for name, value in columns.items()}
        return frame.with_columns(**{name: pl.lit(value) for name, value in values.items()})

    def describe(self, series: Any) -> str:
        return str(series.dtype)

    def operation(self, function: Any) -> Any:
        return function

    def column(self, series: Any) -> Column:
        dtype = series.dtype
        zone = getattr(dtype, "time_zone", None)
        if zone is not None:
            return with_zone(_instants(series), zone)
        if isinstance(dtype, pl.Enum):
            return rank(series.to_physical().cast(pl.Int64).fill_null(-1).to_numpy(), dtype.categories)
        valid = series.is_not_null().to_numpy() if series.null_count() else None
        if dtype.is_numeric() and not dtype.is_decimal():
            return Column((series if valid is None else series.fill_null(0)).to_numpy(), valid)
        if dtype == pl.Boolean:
            return Column((series if valid is None else series.fill_null(False)).to_numpy(), valid)
        if dtype.is_temporal() and dtype != pl.Time:
            return Column(series.to_numpy(), valid)
        values = np.empty(len(series), object)
        values[:] = series.to_list()
        return Column(values, valid)

    def labels(self, series: Any) -> Any:
        return labels_of(self.column(series))

    def times(self, piece: Any, on: Any) -> Any:
        times = [name for name, dtype in piece.schema.items() if dtype.is_temporal()] if self.is_frame(piece) else []
        series = self.series(piece, time_column(times, on))
        is_zoned = getattr(series.dtype, "time_zone", None) is not None
        return _instants(series) if is_zoned else self.column(series).values

    def slice(self, piece: Any, start: int, stop: int) -> Any:
        return piece.slice(start, stop - start)

    def take(self, piece: Any, mask: Any) -> Any:
        return piece.filter(mask if isinstance(mask, pl.Series) else pl.Series(mask))

    def concat(self, pieces: list[Any]) -> Any:
        return pl.concat(pieces, how="vertical_relaxed" if self.is_frame(pieces[0]) else "vertical")

    def protect(self, piece: Any) -> Any:
        return piece

    def scalar(self, value: Any) -> Any:
        return python_value(value)

    def row(self, names: list[Any], values: list[Any]) -> Any:
        return pl.DataFrame({name: [self.scalar(value)] for name, value in zip(names, values, strict=True)})

    def name_keys(self, keys: Any, names: list[Any]) -> Any:
        return [_series(name, values) for name, values in key_columns(keys, names).items()]

    def grouped(self, keys: Any, names: list[Any], arrays: list[Any], *, is_frame: bool) -> Any:
        names = value_names(names, [key.name for key in keys], "len")
        return pl.DataFrame([*keys, *map(_series, names, arrays)])

    def aligned(self, piece: Any, names: list[Any], arrays: list[Any], *, is_series: bool = False) -> Any:
        if self.is_frame(piece) and not is_series:
            return pl.DataFrame(dict(zip(names, arrays, strict=True)))
        return pl.Series(names[0], arrays[0])

    def counted(self, keys: Any, counts: Any, series: Any) -> Any:
        order = np.argsort(-counts, kind="stable")
        return pl.DataFrame([_series(series.name, keys[order].to_numpy()), pl.Series("count", counts[order])])

    def cumulate(self, operation: str, carry: Any, new: Any) -> tuple[Any, Any]:
        is_frame = self.is_frame(new)
        rows = new if is_frame else new.to_frame()
        before = 0 if carry is None else 1
        if carry is not None:
            rows = pl.concat([carry, rows], how="vertical_relaxed")
        result = rows.select(getattr(pl.all(), _CUMULATIVE[operation])())
        state = result.select(pl.all().forward_fill()).tail(1)
        result = result.slice(before)
        return state, result if is_frame else result.to_series()

    def from_rows(self, rows: list[Any], example: Any) -> Any:
        if isinstance(rows[0], pl.DataFrame):
            return pl.concat(rows)
        return pl.DataFrame(rows, schema=example.schema, orient="row")

    def adopt(self, thing: Any) -> Any:
        return pl.DataFrame(thing)


def _instants(series: Any) -> Any:
    return series.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy()


def _series(name: str, values: Any) -> Any:
    """Series of an array; Polars takes objects in arrays for none of its types."""
    if values.dtype != object:
        return pl.Series(name, values)
    objects = [None if is_missing(value) else value for value in values]
    zone = next((value.tz for value in objects if isinstance(value, pd.Timestamp)), None)
    if zone is None:
        is_large = any(isinstance(value, int) and value >= 2**63 for value in objects)
        return pl.Series(name, objects, dtype=pl.UInt64 if is_large else None)
    instants = pd.DatetimeIndex(objects).tz_convert(None).to_numpy()
    return pl.Series(name, instants).dt.replace_time_zone("UTC").dt.convert_time_zone(str(zone))


POLARS = _Polars()
