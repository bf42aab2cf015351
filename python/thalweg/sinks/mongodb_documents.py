"""Collections and documents of MongoDB, for sources and sinks."""

from __future__ import annotations

import json
import re
from collections import namedtuple
from datetime import datetime, timedelta, timezone

from thalweg._thalweg import sources
from thalweg.runtime.intervals import check_interval
from thalweg.stream.arguments import check_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal
    from typing import Any
    from uuid import UUID

    from thalweg._types import Interval

_CHANGE = namedtuple("_CHANGE", ("operation", "id", "document"))
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class ObjectId(str):
    """An ObjectId of MongoDB: text of 24 hexadecimal digits, which is written as an ObjectId.

    Examples
    --------
    >>> from thalweg.sources import ObjectId
    >>> ObjectId("65f1c0ffee65f1c0ffee65f1") == "65f1c0ffee65f1c0ffee65f1"
    True
    >>> ObjectId("7")
    Traceback (most recent call last):
    ValueError: an ObjectId is text of 24 hexadecimal digits, not '7'
    """

    __slots__ = ()

    def __new__(cls, digits: str) -> ObjectId:
        """Return the id with these digits."""
        if not re.fullmatch("[0-9a-fA-F]{24}", digits):
            raise ValueError(f"an ObjectId is text of 24 hexadecimal digits, not {digits!r}")
        return super().__new__(cls, digits.lower())

    def __repr__(self) -> str:
        return f"ObjectId({str(self)!r})"


class MongoDbChange(_CHANGE):
    """A change of a document of MongoDB.

    Examples
    --------
    >>> from thalweg.sources import MongoDbChange
    >>> change = MongoDbChange("delete", 7, None)
    >>> change.operation, change.id
    ('delete', 7)
    """

    __slots__ = ()

    if TYPE_CHECKING:
        #: ``"insert"``, ``"update"``, ``"replace"`` or ``"delete"``; ``"read"`` for an existing document.
        operation: str
        #: The document's ``_id``.
        id: Any
        #: The document as it is when the change is read; ``None`` if it was deleted.
        document: dict[str, Any] | None


class Types:
    """Python types for values that JSON does not have."""

    ObjectId = ObjectId

    @staticmethod
    def to_datetime(milliseconds: int) -> datetime | int:
        """Return the UTC time at this many milliseconds after 1970; the number itself for years unknown to Python."""
        try:
            return _EPOCH + timedelta(milliseconds=milliseconds)
        except OverflowError:
            return milliseconds

    @staticmethod
    def Decimal(text: str) -> Decimal:
        """Return a decimal."""
        from decimal import Decimal

        return Decimal(text)

    @staticmethod
    def UUID(*, bytes: bytes) -> UUID:
        """Return a UUID."""
        from uuid import UUID

        return UUID(bytes=bytes)

    from_json = staticmethod(json.loads)


def make_collection(
    operator: str,
    uri: str,
    database: str,
    collection: str,
    *,
    key: str | Iterable[str] = (),
    ordered: bool = True,
    retries: int = 10,
    wait: Interval = "100ms",
) -> sources.MongoDbCollection:
    """Return a collection of a server; raise an error that names the operator if an argument is invalid.

    Examples
    --------
    >>> from thalweg.sinks.mongodb_documents import make_collection
    >>> make_collection("to_mongodb", "mongodb://localhost", "feed", "")
    Traceback (most recent call last):
    ValueError: to_mongodb: `collection` is text that is not empty, not ''
    """
    for name, text in [("uri", uri), ("database", database), ("collection", collection)]:
        if not isinstance(text, str) or not text:
            raise ValueError(f"{operator}: `{name}` is text that is not empty, not {'…' if name == 'uri' else text!r}")
    fields = check_names(key, operator, "key")
    for field in fields:
        if not isinstance(field, str) or not field:
            raise ValueError(f"{operator}: `key` is made of names of fields, not {field!r}")
    if type(retries) is not int or not 0 <= retries < 2**32:
        raise ValueError(f"{operator}: `retries` is a number from 0 on, not {retries!r}")
    make = getattr(sources, "MongoDbCollection", None)
    if make is None:
        how = "pip install . --config-settings=build-args=--features=mongodb"
        raise ImportError(f"{operator}: this package was built without MongoDB: build it with `{how}`")
    pause = check_interval(wait, operator, "wait")
    arguments = (uri, database, collection, fields, bool(ordered), retries, pause)
    made: sources.MongoDbCollection = name_operator(operator, make, *arguments)
    return made


def name_operator(operator: str, make: Any, *arguments: Any) -> Any:
    """Call `make`, and add the name of the operator to its `ValueError`.

    Examples
    --------
    >>> from thalweg.sinks.mongodb_documents import name_operator
    >>> name_operator("from_mongodb", int, "7")
    7
    """
    try:
        return make(*arguments)
    except ValueError as error:
        raise ValueError(f"{operator}: {error}") from None
