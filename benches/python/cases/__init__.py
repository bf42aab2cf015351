"""Cases of pipelines."""

from __future__ import annotations

from collections.abc import Callable

from measure import Case

from cases.asynchronous import awaited, blocking, buffered, left
from cases.batches import building, forked, forked_together, lines, mixed_together, ten_together, united
from cases.collection import collection
from cases.importing import importing
from cases.synchronous import chain, maps, mixed, partitions, together

CASES: dict[str, Callable[[], Case]] = {
    "chain": chain,
    "maps": maps,
    "together": together,
    "mixed": mixed,
    "ten_together": ten_together,
    "mixed_together": mixed_together,
    "forked": forked,
    "forked_together": forked_together,
    "united": united,
    "lines": lines,
    "awaited": awaited,
    "buffered": buffered,
    "blocking": blocking,
    "left": left,
    "partitions": partitions,
    "building": building,
    "collection": collection,
    "import": importing,
}
