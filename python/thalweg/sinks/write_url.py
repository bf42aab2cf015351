"""Writing remote files as a whole."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.remote.object import take_object_apart
from thalweg.remote.settings import remote_settings
from thalweg.sinks.sink import Sink
from thalweg.stream import Stream
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Placement
    from thalweg.remote import Remote


@Stream.register_api()
class write_url(Sink[T]):
    """Write each element, a URL and its content or a :class:`~thalweg.remote.RemoteObject`, as a file.

    Files become visible when complete: they are written under a temporary name and renamed; large ones on S3 in parts,
    which are combined at the end. An element is acknowledged when its file is complete; until then, its emitter waits.
    An interrupted file is written again from its beginning. Missing folders are created.

    Parameters
    ----------
    remote: Remote
        Settings: logins, limits, retries.

    Examples
    --------
    >>> import asyncio, tempfile
    >>> from pathlib import Path
    >>> from thalweg import Stream
    >>> async def main(folder):
    ...     readings = Stream(asynchronous=True)
    ...     readings.map(lambda x: ((folder / x["room"]).as_uri(), str(x["celsius"]))).write_url()
    ...     await readings.emit({"room": "roof", "celsius": 20.5})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     asyncio.run(main(Path(folder)))
    ...     (Path(folder) / "roof").read_text()
    '20.5'

    See Also
    --------
    read_url, to_files
    """

    def __init__(self, upstream: Stream[T], remote: Remote | None = None, **kwargs: Any) -> None:
        self._settings = remote_settings(remote, "write_url")
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        _thalweg.sources.write_url(placement, self._settings, take_object_apart)
