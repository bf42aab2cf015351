"""Sources, a module each."""

from thalweg.sources.filenames import filenames
from thalweg.sources.from_http_server import from_http_server
from thalweg.sources.from_iterable import from_iterable
from thalweg.sources.from_periodic import PeriodicCallback, from_periodic
from thalweg.sources.from_process import from_process
from thalweg.sources.from_q import from_q
from thalweg.sources.from_tcp import from_tcp
from thalweg.sources.from_textfile import from_textfile
from thalweg.sources.sink_to_file import sink_to_file
from thalweg.sources.source import Source

__all__ = [
    "PeriodicCallback",
    "Source",
    "filenames",
    "from_http_server",
    "from_iterable",
    "from_periodic",
    "from_process",
    "from_q",
    "from_tcp",
    "from_textfile",
    "sink_to_file",
]
