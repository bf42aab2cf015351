"""Keys of groups: what rows are grouped by, and the union of the keys of two batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["number", "unite"]


def number(labels: list[Any], known: Any = None) -> tuple[Any, Any]:
    """Number the groups that rows belong to, in the order of their keys.

    Parameters
    ----------
    labels
        What the rows are grouped by, one or several for each row.
    known
        Keys of another batch, which are returned if these are the same.

    Returns
    -------
    tuple
        The group of each row, -1 where a label is missing; and the keys, a `pandas.Index`.

    Examples
    --------
    >>> from thalweg.dataframe.keys import number
    >>> codes, keys = number([pd.array(["b", "a", "b"])])
    >>> codes.tolist(), keys.tolist()
    ([1, 0, 1], ['a', 'b'])
    """
    codes, keys = _number_one(labels[0], known) if len(labels) == 1 else _number_several(labels)
    if known is not None and keys is not known and _is_same(keys, known):
        keys = known
    return codes, keys


def _number_one(labels: Any, known: Any) -> tuple[Any, Any]:
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu" and len(labels):
        lowest, highest = int(labels.min()), int(labels.max())
        span = highest - lowest + 1
        if span <= 2 * len(labels) + 1024:
            return _number_dense(labels, lowest, span, known)
    codes, keys = pd.factorize(labels)
    return _sort(codes, pd.Index(keys))


def _number_dense(labels: Any, lowest: int, span: int, known: Any) -> tuple[Any, Any]:
    """Number integers from a range that is hardly larger than there are rows."""
    codes = labels.astype(np.int64) - lowest
    is_there = np.bincount(codes, minlength=span) > 0
    found = np.flatnonzero(is_there)
    if len(found) < span:
        codes = (np.cumsum(is_there) - 1)[codes]
    found = (found + lowest).astype(labels.dtype)
    if known is not None and known.dtype == found.dtype and np.array_equal(known.to_numpy(), found):
        return codes, known
    return codes, pd.Index(found)


def _number_several(labels: list[Any]) -> tuple[Any, Any]:
    parts = [_number_one(label, None) for label in labels]
    combined = np.zeros(len(parts[0][0]), np.int64)
    missing = np.zeros(len(combined), bool)
    for codes, keys in parts:
        combined = combined * max(len(keys), 1) + codes
        missing |= codes < 0
    found, codes = np.unique(np.where(missing, -1, combined), return_inverse=True)
    if missing.any():
        # The group of rows without a key is the first.
        found, codes = found[1:], codes - 1
    levels, rest = [], found
    for _, keys in reversed(parts):
        rest, at = np.divmod(rest, max(len(keys), 1))
        levels.append(keys.take(at))
    return codes, pd.MultiIndex.from_arrays(levels[::-1])


def _is_same(a: Any, b: Any) -> bool:
    return len(a) == len(b) and a.dtype == b.dtype and bool(a.equals(b))


def unite(a: Any, b: Any) -> tuple[Any, Any, Any]:
    """Sorted union of two sorted sets of keys.

    Returns
    -------
    tuple
        The union; and where in it the keys of `a` and of `b` are, or None where it is the same set.

    Examples
    --------
    >>> from thalweg.dataframe.keys import unite
    >>> keys, a, b = unite(pd.Index([1, 3]), pd.Index([2, 3]))
    >>> keys.tolist(), a.tolist(), b.tolist()
    ([1, 2, 3], [0, 2], [1, 2])
    """
    if a is b or _is_same(a, b):
        return a, None, None
    at = a.get_indexer(b)
    new = at < 0
    if not new.any():
        return a, None, at
    ours = np.arange(len(a))
    at[new] = np.arange(len(a), len(a) + int(new.sum()))
    joined = a.append(b[new]) if len(a) else b
    order = _argsort(joined)
    if order is None:
        return joined, ours, at
    inverse = _inverse(order)
    return joined.take(order), inverse[ours], inverse[at]


def _sort(codes: Any, keys: Any) -> tuple[Any, Any]:
    order = _argsort(keys)
    if order is None:
        return codes, keys
    inverse = _inverse(order)
    numbered = inverse[codes]
    if (codes < 0).any():
        numbered[codes < 0] = -1
    return numbered, keys.take(order)


def _argsort(keys: Any) -> Any:
    """Order that sorts keys; None if they are sorted, or cannot be."""
    if isinstance(keys, pd.MultiIndex):
        return keys.argsort()
    try:
        if keys.is_monotonic_increasing:
            # Taking them all would lose the frequency of times.
            return None
        if keys.dtype == object:
            return np.argsort(keys.to_numpy(), kind="stable")
        return keys.argsort()
    except TypeError:
        # Keys that cannot be compared stay in the order in which they came.
        return None


def _inverse(order: Any) -> Any:
    inverse = np.empty(len(order), np.intp)
    inverse[order] = np.arange(len(order))
    return inverse
