"""Arrow's tables and record batches."""

from __future__ import annotations

import operator
from numbers import Integral
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thalweg.dataframe.backend.column import Column, rank
from thalweg.dataframe.backend.labelled import (
    key_columns,
    labels_of,
    python_value,
    time_column,
    value_names,
    with_zone,
)

__all__ = ["ARROW"]

_CUMULATIVE = {
    "cumsum": pc.cumulative_sum,
    "cumprod": pc.cumulative_prod,
    "cummin": pc.cumulative_min,
    "cummax": pc.cumulative_max,
}

_SIGNED = pa.int8(), pa.int16(), pa.int32(), pa.int64()
_UNSIGNED = pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()
_NUMERIC = {kind.id for kind in (*_SIGNED, *_UNSIGNED, pa.float16(), pa.float32(), pa.float64(), pa.bool_())}


def _divide(x: Any, y: Any) -> Any:
    # Arrow divides integers without a rest.
    return pc.divide(pc.cast(x, pa.float64()) if _is_whole(x) and _is_whole(y) else x, y)


def _floor_divide(x: Any, y: Any) -> Any:
    quotient = pc.divide(x, y)
    if not _is_whole(quotient):
        return pc.floor(quotient)
    # Arrow rounds towards zero.
    has_rest = pc.not_equal(pc.multiply(quotient, y), x)
    is_negative = pc.xor(pc.less(x, 0), pc.less(y, 0))
    return pc.subtract(quotient, pc.cast(pc.and_kleene(has_rest, is_negative), quotient.type))


def _is_whole(x: Any) -> bool:
    return isinstance(x, Integral) or (hasattr(x, "type") and pa.types.is_integer(x.type))


#: Arrow's columns have no operators.
_OPERATIONS = {
    operator.add: pc.add,
    operator.sub: pc.subtract,
    operator.mul: pc.multiply,
    operator.truediv: _divide,
    operator.floordiv: _floor_divide,
    operator.mod: lambda x, y: pc.subtract(x, pc.multiply(_floor_divide(x, y), y)),
    operator.pow: pc.power,
    operator.neg: pc.negate,
    operator.abs: pc.abs,
    operator.eq: pc.equal,
    operator.ne: pc.not_equal,
    operator.lt: pc.less,
    operator.le: pc.less_equal,
    operator.gt: pc.greater,
    operator.ge: pc.greater_equal,
    operator.and_: pc.and_kleene,
    operator.or_: pc.or_kleene,
    operator.xor: pc.xor,
    operator.invert: pc.invert,
}


class _Arrow:
    """See `Backend`."""

    name = "arrow"

    def is_frame(self, piece: Any) -> bool:
        return isinstance(piece, (pa.Table, pa.RecordBatch))

    def names(self, frame: Any) -> list[Any]:
        return list(frame.schema.names)

    def series(self, frame: Any, name: Any) -> Any:
        return _chunked(frame.column(name))

    def read(self, frame: Any, names: list[Any]) -> list[Any]:
        return [frame.column(name) for name in names]

    def select(self, frame: Any, names: list[Any]) -> Any:
        return frame.select(names)

    def assign(self, frame: Any, columns: dict[str, Any]) -> Any:
        for name, value in columns.items():
            value = value(frame) if callable(value) else value
            if not isinstance(value, (pa.ChunkedArray, pa.Array)):
                value = pa.repeat(value, len(frame))
            at = frame.schema.get_field_index(name)
            frame = frame.append_column(name, value) if at < 0 else frame.set_column(at, name, value)
        return frame

    def describe(self, series: Any) -> str:
        return str(series.type)

    def operation(self, function: Any) -> Any:
        return _OPERATIONS.get(function, function)

    def column(self, series: Any) -> Column:
        series = _chunked(series)
        kind = series.type
        valid = pc.is_valid(series).to_numpy() if series.null_count else None
        if kind.id in _NUMERIC:
            return Column(_to_numpy(series if valid is None else pc.fill_null(series, pa.scalar(0).cast(kind))), valid)
        if _is_zoned(kind):
            return with_zone(_to_numpy(series), kind.tz)
        if pa.types.is_dictionary(kind) and kind.ordered:
            ranked = series.unify_dictionaries().combine_chunks()
            places = pc.fill_null(ranked.indices.cast(pa.int64()), -1)
            return rank(places.to_numpy(), ranked.dictionary.to_pylist())
        if pa.types.is_temporal(kind) and not pa.types.is_time(kind):
            return Column(_to_numpy(series), valid)
        return Column(np.asarray(_to_numpy(series), dtype=object), valid)

    def labels(self, series: Any) -> Any:
        return labels_of(self.column(series))

    def times(self, piece: Any, on: Any) -> Any:
        fields = piece.schema if self.is_frame(piece) else ()
        times = [field.name for field in fields if pa.types.is_temporal(field.type)]
        series = self.series(piece, time_column(times, on))
        return _to_numpy(series) if _is_zoned(series.type) else self.column(series).values

    def slice(self, piece: Any, start: int, stop: int) -> Any:
        return piece.slice(start, stop - start)

    def take(self, piece: Any, mask: Any) -> Any:
        if isinstance(mask, np.ndarray):
            mask = pa.array(mask)
        if isinstance(mask, pa.ChunkedArray) and isinstance(piece, pa.RecordBatch):
            # A record batch takes a single chunk.
            mask = pa.concat_arrays(mask.chunks) if mask.num_chunks else pa.array([], pa.bool_())
        return piece.filter(mask)

    def concat(self, pieces: list[Any]) -> Any:
        if self.is_frame(pieces[0]):
            return pa.concat_tables([_table(piece) for piece in pieces], promote_options="permissive")
        return pa.chunked_array([chunk for piece in pieces for chunk in _chunked(piece).chunks], pieces[0].type)

    def protect(self, piece: Any) -> Any:
        return piece

    def scalar(self, value: Any) -> Any:
        return python_value(value)

    def row(self, names: list[Any], values: list[Any]) -> Any:
        return pa.table({name: [self.scalar(value)] for name, value in zip(names, values, strict=True)})

    def name_keys(self, keys: Any, names: list[Any]) -> Any:
        return {name: _array(values) for name, values in key_columns(keys, names).items()}

    def grouped(self, keys: Any, names: list[Any], arrays: list[Any], *, is_frame: bool) -> Any:
        names = value_names(names, list(keys), "count_all")
        return pa.Table.from_arrays([*keys.values(), *map(_array, arrays)], names=[*keys, *names])

    def aligned(self, piece: Any, names: list[Any], arrays: list[Any], *, is_series: bool = False) -> Any:
        if self.is_frame(piece) and not is_series:
            return pa.table(dict(zip(names, arrays, strict=True)))
        return pa.chunked_array([arrays[0]])

    def counted(self, keys: Any, counts: Any, series: Any) -> Any:
        order = np.argsort(-counts, kind="stable")
        return pa.table({"values": _array(keys[order].to_numpy()), "counts": counts[order]})

    def cumulate(self, operation: str, carry: Any, new: Any) -> tuple[Any, Any]:
        rows = new if carry is None else self.concat([carry, new])
        before = 0 if carry is None else 1

        def run(series: Any) -> Any:
            return _CUMULATIVE[operation](_chunked(series), skip_nulls=True)

        def last(series: Any) -> Any:
            return pc.fill_null_forward(series).slice(len(series) - 1)

        if not self.is_frame(new):
            result = run(rows)
            return last(result), result.slice(before)
        results = {name: run(self.series(rows, name)) for name in self.names(rows)}
        state = pa.table({name: last(series) for name, series in results.items()})
        return state, pa.table(results).slice(before)

    def from_rows(self, rows: list[Any], example: Any) -> Any:
        if self.is_frame(rows[0]):
            return self.concat(rows)
        names = self.names(example)
        return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=example.schema)

    def adopt(self, thing: Any) -> Any:
        return pa.table(thing)


def _array(values: Any) -> Any:
    if values.dtype != object:
        return pa.array(values)
    try:
        return pa.array(values, from_pandas=True)
    except OverflowError:
        return pa.array(values, pa.uint64(), from_pandas=True)


def _is_zoned(kind: Any) -> bool:
    return pa.types.is_timestamp(kind) and kind.tz is not None


def _to_numpy(series: Any) -> Any:
    # A single chunk is taken as it is.
    return series.chunk(0).to_numpy(zero_copy_only=False) if series.num_chunks == 1 else series.to_numpy()


def _chunked(series: Any) -> Any:
    return pa.chunked_array([series]) if isinstance(series, pa.Array) else series


def _table(frame: Any) -> Any:
    return pa.Table.from_batches([frame]) if isinstance(frame, pa.RecordBatch) else frame


ARROW = _Arrow()
