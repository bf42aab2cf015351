"""Everything of `thalweg.dataframe` in one module, where programs written for streamz look for it."""

from thalweg.dataframe.frames import BaseFrame, DataFrame, DataFrames, Frame, Frames, Index, Series, Seriess
from thalweg.dataframe.periodic import PeriodicDataFrame, Random, random_datablock, random_datapoint

__all__ = [
    "BaseFrame",
    "DataFrame",
    "DataFrames",
    "Frame",
    "Frames",
    "Index",
    "PeriodicDataFrame",
    "Random",
    "Series",
    "Seriess",
    "random_datablock",
    "random_datapoint",
]
