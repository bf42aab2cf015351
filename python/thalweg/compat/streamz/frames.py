"""Everything of `thalweg.dataframe` in one module, where programs written for streamz look for it."""

from thalweg.collections.streaming import OperatorMixin, Streaming
from thalweg.compat.streamz.method_calls import M
from thalweg.dataframe import aggregations
from thalweg.dataframe.columns import BaseFrame
from thalweg.dataframe.ewm import EWM
from thalweg.dataframe.frame import DataFrame, Frame, Index, Series
from thalweg.dataframe.groupby import GroupBy, WindowedGroupBy
from thalweg.dataframe.kinds import (
    get_base_frame_type,
    get_dataframe_package,
    is_dataframe_like,
    is_index_like,
    is_series_like,
)
from thalweg.dataframe.periodic import PeriodicDataFrame, Random, random_datablock, random_datapoint
from thalweg.dataframe.rolling import Rolling
from thalweg.dataframe.updating import DataFrames, Frames, Seriess
from thalweg.dataframe.window import Expanding, Window

__all__ = [
    "EWM",
    "BaseFrame",
    "DataFrame",
    "DataFrames",
    "Expanding",
    "Frame",
    "Frames",
    "GroupBy",
    "Index",
    "M",
    "OperatorMixin",
    "PeriodicDataFrame",
    "Random",
    "Rolling",
    "Series",
    "Seriess",
    "Streaming",
    "Window",
    "WindowedGroupBy",
    "aggregations",
    "get_base_frame_type",
    "get_dataframe_package",
    "is_dataframe_like",
    "is_index_like",
    "is_series_like",
    "random_datablock",
    "random_datapoint",
]
