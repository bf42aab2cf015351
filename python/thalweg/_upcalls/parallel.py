"""Names that streams on engines use."""

from thalweg.parallel.remote import (
    BatchCall,
    Code,
    dumps,
    heard,
    loads,
    pickled,
    size_of,
    told,
    watch,
    without_unsendable,
)
from thalweg.parallel.waiting import awaited, result, run_until_done
from thalweg.view.tracing import resume_trace

__all__ = [
    "BatchCall",
    "Code",
    "awaited",
    "dumps",
    "heard",
    "loads",
    "pickled",
    "result",
    "resume_trace",
    "run_until_done",
    "size_of",
    "told",
    "watch",
    "without_unsendable",
]
