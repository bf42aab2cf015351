"""The operators, one module each: `map` is in ``map.py``."""

from thalweg.ops.accumulate import accumulate
from thalweg.ops.buffer import buffer
from thalweg.ops.collect import collect
from thalweg.ops.combine_latest import combine_latest
from thalweg.ops.debounce import debounce
from thalweg.ops.delay import delay
from thalweg.ops.filter import filter
from thalweg.ops.flatten import flatten
from thalweg.ops.latest import latest
from thalweg.ops.map import map
from thalweg.ops.map_async import map_async
from thalweg.ops.partition import partition
from thalweg.ops.partition_unique import partition_unique
from thalweg.ops.pluck import pluck
from thalweg.ops.rate_limit import rate_limit
from thalweg.ops.sample import sample
from thalweg.ops.shift import shift
from thalweg.ops.slice import slice
from thalweg.ops.sliding_window import sliding_window
from thalweg.ops.starmap import starmap
from thalweg.ops.throttle import throttle
from thalweg.ops.timed_window import timed_window
from thalweg.ops.timed_window_unique import timed_window_unique
from thalweg.ops.union import union
from thalweg.ops.unique import unique
from thalweg.ops.zip import zip
from thalweg.ops.zip_latest import zip_latest

__all__ = [
    "accumulate",
    "buffer",
    "collect",
    "combine_latest",
    "debounce",
    "delay",
    "filter",
    "flatten",
    "latest",
    "map",
    "map_async",
    "partition",
    "partition_unique",
    "pluck",
    "rate_limit",
    "sample",
    "shift",
    "slice",
    "sliding_window",
    "starmap",
    "throttle",
    "timed_window",
    "timed_window_unique",
    "union",
    "unique",
    "zip",
    "zip_latest",
]
