"""Data frames created periodically by a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from thalweg.dataframe.frame import DataFrame
from thalweg.sources.from_periodic import from_periodic


def random_datapoint(now: pd.Timestamp | None = None, **kwargs: Any) -> pd.DataFrame:
    """Create a frame of one row with a random number, `a`, like the reading of a sensor.

    Examples
    --------
    >>> from thalweg.dataframe import random_datapoint
    >>> random_datapoint().shape
    (1, 1)
    """
    moment = pd.Timestamp.now() if now is None else now
    return pd.DataFrame({"a": np.random.random(1)}, index=[moment])


def random_datablock(last: pd.Timestamp, now: pd.Timestamp, **kwargs: Any) -> pd.DataFrame:
    """Create a frame of random numbers, with a row for each moment since the last call, like new lines of a log.

    Parameters
    ----------
    last
        The last moment of the frame before.
    now
        The latest possible moment of this one.
    freq
        The time between two rows, a `pandas.Timedelta`; 100 ms by default.

    Returns
    -------
    pandas.DataFrame
        With `x`, uniform in [0, 1), `y`, Poisson with mean 1, and `z`, standard normal.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe import random_datablock
    >>> start = pd.Timestamp("2000-01-01")
    >>> len(random_datablock(start, start + pd.Timedelta("1s")))
    10
    """
    freq = kwargs.get("freq", pd.Timedelta("100ms"))
    moments = pd.date_range(start=last + freq, end=now, freq=freq)
    return pd.DataFrame(
        {
            "x": np.random.random(len(moments)),
            "y": np.random.poisson(size=len(moments)),
            "z": np.random.normal(0, 1, size=len(moments)),
        },
        index=moments,
    )


class _Moments:
    """The time between one call and the next; none before there is one."""

    def __init__(self) -> None:
        self.last: pd.Timestamp | None = None

    def __call__(self) -> dict[str, pd.Timestamp]:
        last, self.last = self.last, pd.Timestamp.now()
        return {} if last is None else {"last": last, "now": self.last}


class _Call:
    """Calls the function that creates the frames. It can be pickled."""

    def __init__(self, function: Callable[..., pd.DataFrame], options: dict[str, Any]) -> None:
        self.function = function
        self.options = options

    def __call__(self, moments: dict[str, pd.Timestamp]) -> pd.DataFrame:
        return self.function(**moments, **self.options)


@DataFrame.register_api(staticmethod, "from_periodic")
class PeriodicDataFrame(DataFrame):
    """A stream of data frames that a function creates periodically, until it is stopped.

    Parameters
    ----------
    datafn
        The function. It is called with `last` and `now`, the times of the previous call and of this one, and with the
        options below. By default `random_datablock`.
    interval
        The time between calls: seconds, or text such as ``"500ms"``.
    dask
        Whether to call it on a Dask cluster.
    start
        Whether to start at once.
    **kwargs
        Options for `datafn`.

    Examples
    --------
    >>> import pandas as pd
    >>> from thalweg.dataframe import PeriodicDataFrame
    >>> def gauge(now, level, **_):
    ...     return pd.DataFrame({"level": [level]}, index=[now])
    >>> levels = PeriodicDataFrame(gauge, interval="1s", start=False, level=3)
    >>> levels.level.example.tolist()
    [3]
    """

    def __init__(
        self,
        datafn: Callable[..., pd.DataFrame] = random_datablock,
        interval: Any = "500ms",
        dask: bool = False,
        start: bool = True,
        **kwargs: Any,
    ) -> None:
        if not callable(datafn):
            raise TypeError(f"PeriodicDataFrame: `datafn`: a function that returns a frame, not {datafn!r}")
        call = _Call(datafn, kwargs)
        now = pd.Timestamp.now()
        example = call({"last": now, "now": now})
        self._moments = _Moments()
        source = from_periodic(self._moments, poll_interval=_timedelta(interval).total_seconds())
        moments = source.filter(bool)
        super().__init__((moments.scatter() if dask else moments).map(call), example)
        self.source = source
        if start:
            self.start()

    def start(self) -> None:
        """Start, or continue: the first frame comes after an interval, and has no rows of the time before."""
        if self.source.stopped:
            self._moments.last = None
        self.source.start()

    def stop(self) -> None:
        """Stop creating frames."""
        self.source.stop()


def _timedelta(interval: Any) -> pd.Timedelta:
    # For pandas a number without a unit means nanoseconds.
    return pd.Timedelta(interval, unit="s") if isinstance(interval, (int, float)) else pd.Timedelta(interval)


@DataFrame.register_api(staticmethod, "random")
class Random(PeriodicDataFrame):
    """A stream of data frames of random numbers, for experiments.

    Parameters
    ----------
    freq
        The time between two rows, such as ``"100ms"``.
    interval, dask, start, datafn
        As for `PeriodicDataFrame`.

    Examples
    --------
    >>> from thalweg.dataframe import DataFrame
    >>> numbers = DataFrame.random(freq="10ms", start=False)
    >>> list(numbers.columns)
    ['x', 'y', 'z']
    """

    def __init__(
        self,
        freq: Any = "100ms",
        interval: Any = "500ms",
        dask: bool = False,
        start: bool = True,
        datafn: Callable[..., pd.DataFrame] = random_datablock,
    ) -> None:
        step = _timedelta(freq)
        if not step > pd.Timedelta(0):
            raise ValueError(f"Random: `freq`: a length of time above zero, not {freq!r}")
        super().__init__(datafn, interval, dask, start, freq=step)
