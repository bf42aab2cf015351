"""Names that tasks use, in the client's process and in worker processes."""

from thalweg.errors import logger
from thalweg.tasks.errors import CancelledError, CannotStopError, ClosedClientError, KilledWorker, TaskTimeout
from thalweg.tasks.process.pickling import (
    again,
    argument_error,
    dump_error,
    function_error,
    loads,
    mapped,
    of_task,
    result_error,
    traceback_of,
    unreadable,
    value_error,
)

__all__ = [
    "CancelledError",
    "CannotStopError",
    "ClosedClientError",
    "KilledWorker",
    "TaskTimeout",
    "again",
    "argument_error",
    "dump_error",
    "function_error",
    "loads",
    "logger",
    "mapped",
    "of_task",
    "result_error",
    "traceback_of",
    "unreadable",
    "value_error",
]
