"""Failures that were kept, sent again."""

from __future__ import annotations

from thalweg.dead_letters import DeadLetter, check_letters
from thalweg.sources.acknowledging import AcknowledgingSource
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg.database import Database
    from thalweg.dead_letters import DeadLetters


@Stream.register_api(staticmethod)
class from_dead_letters(AcknowledgingSource["DeadLetter"]):
    """Emit the letters that are kept in a place and have not been replayed; then end.

    Letters that come meanwhile, of elements that fail again say, are left for the next time; their `attempt` goes on
    from where it was.

    A letter has been replayed once it, and all before it, are done: acknowledged by the last sink, or dropped on
    purpose. One that fails where no policy takes care of it is replayed again, with those behind it. How far that is
    is kept every 256 letters and at the end of a drain: beside a file as ``….replayed``, in the database of a table, as
    the offset of the group ``replay TOPIC``. So a program that is killed meanwhile replays some letters again. One
    program at a time replays a file or a table.

    What is no letter is a failure of this node, and passed over.

    Parameters
    ----------
    letters: DeadLetters, str, path or Database
        Where they are kept, as for `to_dead_letters`.

    Raises
    ------
    ValueError
        `letters` is no such place.

    Examples
    --------
    >>> import asyncio, os, tempfile
    >>> from thalweg import Stream
    >>> async def main(path):
    ...     texts, failures = Stream(asynchronous=True), Stream(asynchronous=True)
    ...     failures.to_dead_letters(path)
    ...     texts.map(float, on_error=failures).sink(print)
    ...     await texts.emit("21,2")
    ...     await texts.drain()
    ...     letters = Stream.from_dead_letters(path, asynchronous=True)
    ...     L = letters.map(lambda letter: float(letter.element.replace(",", "."))).sink_to_list()
    ...     letters.start()
    ...     await letters.finished()
    ...     await letters.drain()
    ...     return L
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     asyncio.run(main(os.path.join(folder, "letters.jsonl")))
    [21.2]

    See Also
    --------
    to_dead_letters
    """

    def __init__(self, letters: DeadLetters | str | PathLike[str] | Database, **kwargs: Any) -> None:
        self._elements, self._closer = check_letters(letters).letters(DeadLetter)
        super().__init__(**kwargs)
