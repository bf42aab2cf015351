"""Pipelines over continuous streams of data.

>>> from thalweg import Stream
>>> source = Stream()
>>> L = source.map(lambda x: x + 1).sink_to_list()
>>> for x in range(3):
...     source.emit(x)
>>> L
[1, 2, 3]
"""

from __future__ import annotations

from thalweg._thalweg import __version__
from thalweg.clock import VirtualClock
from thalweg.core import *  # noqa: F403
from thalweg.core import __all__ as _core
from thalweg.errors import (
    BuildError,
    ClosedError,
    Failure,
    PipelineError,
    Retry,
    SeveralFailures,
    UndeliveredError,
)
from thalweg.lifecycle import drain_all
from thalweg.sinks import sink_to_textfile
from thalweg.sources import (
    PeriodicCallback,
    Source,
    filenames,
    from_http_server,
    from_iterable,
    from_periodic,
    from_process,
    from_q,
    from_tcp,
    from_textfile,
    sink_to_file,
)

__all__ = [
    *(name for name in _core if not name.startswith("_")),
    "BuildError",
    "ClosedError",
    "Failure",
    "PeriodicCallback",
    "PipelineError",
    "Retry",
    "SeveralFailures",
    "Source",
    "UndeliveredError",
    "VirtualClock",
    "__version__",
    "drain_all",
    "filenames",
    "from_http_server",
    "from_iterable",
    "from_periodic",
    "from_process",
    "from_q",
    "from_tcp",
    "from_textfile",
    "sink_to_file",
    "sink_to_textfile",
]
