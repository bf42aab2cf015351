"""Replay of dead letters."""

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
    """Emit the letters of a storage that have not been replayed, then end.

    Letters that arrive meanwhile, for example of elements that fail again, are left for the next replay; their
    `attempt` counts on.

    A letter counts as replayed once it and all letters before it are done: acknowledged by the last sink, or dropped on
    purpose. A letter that fails without a policy to handle it is replayed again, with those after it. The replay
    position is stored every 256 letters and at the end of a drain: in a file ``….replayed`` beside the letters, in the
    database of the table, or as the offset of the group ``replay TOPIC``. After a crash some letters are replayed
    twice. Only one program at a time may replay a file or a table.

    A record that is not a letter is a failure of this node, and is skipped.

    Parameters
    ----------
    letters: DeadLetters, str, path or Database
        The storage, as for `to_dead_letters`.

    Raises
    ------
    ValueError
        `letters` is not a storage.

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
