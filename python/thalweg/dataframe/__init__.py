"""Streaming data frames: operations are written once, and applied to each frame that arrives.

Needs pandas: ``pip install 'thalweg[dataframe]'``. Frames may be of pandas, Polars or Arrow, as the example of a
collection.
"""

from thalweg.errors.missing_packages import need

need("pandas", "dataframe", "thalweg.dataframe")

from thalweg import errors  # noqa: E402
from thalweg.dataframe.aggregations import Aggregation, Mergeable  # noqa: E402
from thalweg.dataframe.ewm import EWM  # noqa: E402
from thalweg.dataframe.frame import DataFrame, Frame, Index, Series  # noqa: E402
from thalweg.dataframe.groupby import GroupBy, WindowedGroupBy  # noqa: E402
from thalweg.dataframe.periodic import PeriodicDataFrame, Random, random_datablock, random_datapoint  # noqa: E402
from thalweg.dataframe.rolling import Rolling  # noqa: E402
from thalweg.dataframe.schema import SchemaError  # noqa: E402
from thalweg.dataframe.updating import DataFrames, Frames, Seriess  # noqa: E402
from thalweg.dataframe.window import Expanding, Window  # noqa: E402

__all__ = [
    "EWM",
    "Aggregation",
    "DataFrame",
    "DataFrames",
    "Expanding",
    "Frame",
    "Frames",
    "GroupBy",
    "Index",
    "Mergeable",
    "PeriodicDataFrame",
    "Random",
    "Rolling",
    "SchemaError",
    "Series",
    "Seriess",
    "Window",
    "WindowedGroupBy",
    "random_datablock",
    "random_datapoint",
]


def take_name() -> None:
    """Let streaming data frames say that they come from the package we stand in for, if we do: libraries that plot
    them, such as hvplot, tell by that what they have.
    """
    name = next((name for name in errors.PEERS if name in errors.stands_for), None)
    if name is not None:
        for kind in (DataFrame, DataFrames, Series, Seriess):
            kind.__module__ = f"{name}.dataframe.core"


take_name()
