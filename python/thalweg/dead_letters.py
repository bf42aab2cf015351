"""Dead letters: elements that a function failed on, and their storage."""

from __future__ import annotations

from thalweg._thalweg import sources
from thalweg.database import Database, check_database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from typing import Any


class DeadLetter:
    """A stored element that a function failed on, as `from_dead_letters` emits it.

    Attributes
    ----------
    node: str
        Name of the node.
    ordinal: int
        1-based position of the element among those of the node.
    attempt: int
        Failed attempts: those of the node's policy plus those of all replays.
    error: str
        The exception as text.
    element:
        The element; ``None`` if it was stored for display only.
    shown: str
        Text for display of an element that has no other form; otherwise ``None``. It cannot be replayed.
    """

    __slots__ = ("attempt", "element", "error", "node", "ordinal", "shown")

    def __init__(self, node: str, ordinal: int, attempt: int, error: str, form: str, element: Any) -> None:
        self.node: str = node
        self.ordinal: int = ordinal
        self.attempt: int = attempt
        self.error: str = error
        self.shown: str | None = None
        self.element: Any = None
        if form == "json":
            import json

            self.element = json.loads(element)
        elif form == "bytes":
            self.element = element
        else:
            self.shown = element

    def __repr__(self) -> str:
        element = self.shown if self.shown is not None else repr(self.element)
        return f"DeadLetter({self.node}, {element}, {self.error!r}, attempt={self.attempt})"


class DeadLetters:
    """Storage of dead letters: a file, a table or a topic.

    Parameters
    ----------
    place: str, path or Database
        A file name (one letter in JSON per line); ``kafka://host:port/topic`` (messages are such letters); or a
        :class:`Database` or its URL.
    table: str
        The table of the database, created if it does not exist.
    options: dict
        Options of librdkafka for a topic, such as a login.

    Raises
    ------
    ValueError
        `place` is none of these.
    PipelineError
        The database cannot be opened, or reports an error.

    Examples
    --------
    >>> from thalweg.dead_letters import DeadLetters
    >>> DeadLetters("letters.jsonl")
    DeadLetters('letters.jsonl')
    >>> DeadLetters("kafka://localhost:9092/letters")
    DeadLetters('kafka://localhost:9092/letters')
    """

    def __init__(
        self,
        place: str | PathLike[str] | Database,
        *,
        table: str = "dead_letters",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        import os

        if not isinstance(place, (str, os.PathLike, Database)):
            raise TypeError(f"DeadLetters: `place` is the name of a file, a URL or a Database, not {place!r}")
        if not isinstance(table, str) or not table:
            raise ValueError(f"DeadLetters: `table` is text that is not empty, not {table!r}")
        given = [(str(name), str(value)) for name, value in (options or {}).items()]
        kept = None
        if isinstance(place, Database) or (isinstance(place, str) and place.startswith(("sqlite:", "postgres"))):
            kept = (check_database(place, "DeadLetters"), table)
        name = "" if kept is not None or isinstance(place, Database) else os.fspath(place)
        self._kept = sources.DeadLetters(name, given, kept)

    @property
    def place(self) -> str:
        """The storage without secrets."""
        return self._kept.place

    def __repr__(self) -> str:
        return f"DeadLetters({self.place!r})"


def check_letters(place: DeadLetters | str | PathLike[str] | Database) -> sources.DeadLetters:
    """Return a storage of dead letters, opened if it is given by name.

    Examples
    --------
    >>> from thalweg.dead_letters import check_letters
    >>> check_letters("letters.jsonl").place
    'letters.jsonl'
    """
    return (place if isinstance(place, DeadLetters) else DeadLetters(place))._kept
