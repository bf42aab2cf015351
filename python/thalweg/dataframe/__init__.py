"""Streaming data frames: write down what is to be done with one, and have it done with each that comes.

It needs pandas: ``pip install 'thalweg[dataframe]'``.
"""

from thalweg.compat.alias import name_frames
from thalweg.dataframe.frames import DataFrame, DataFrames, Frame, Frames, Index, Series, Seriess
from thalweg.dataframe.periodic import PeriodicDataFrame, Random, random_datablock, random_datapoint

__all__ = [
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

name_frames()
