"""What is measured."""

from __future__ import annotations

from collections.abc import Callable

from measure import Case

from cases.asynchronous import awaited, blocking, buffered
from cases.collection import collection
from cases.importing import importing
from cases.synchronous import chain, maps, mixed, partitions, together

CASES: dict[str, Callable[[], Case]] = {
    "chain": chain,
    "maps": maps,
    "together": together,
    "mixed": mixed,
    "awaited": awaited,
    "buffered": buffered,
    "blocking": blocking,
    "partitions": partitions,
    "collection": collection,
    "import": importing,
}
