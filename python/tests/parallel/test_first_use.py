"""Operators of streams on an engine whose first use is there: operators are imported when they are used."""

from __future__ import annotations

import pytest

JOIN = """
from thalweg import Stream

source = Stream()
plain = source.map(str)
on_engine = source.scatter(backend="thread")
joined = {first}.{operator}(on_engine.map(abs)).gather().sink_to_list()
for x in (1, 2):
    source.emit(x)
source.drain()
print(joined)
"""

SAME = """
import sys
from thalweg import Stream

names = sorted({*Stream._operators, *Stream._later})
if "first" in sys.argv:
    for name in names:
        getattr(Stream, name)
from thalweg.parallel.stream import ParallelStream
import thalweg.parallel

print([(name, getattr(ParallelStream, name).__module__) for name in names])
"""


@pytest.mark.parametrize("first", ["on_engine.map(str)", "plain"])
@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("combine_latest", "[('1', 1), ('2', 1), ('2', 2)]"),
        ("zip_latest", "[('1', 1), ('2', 1)]"),
        ("zip", "[('1', 1), ('2', 2)]"),
        ("union", "['1', 1, '2', 2]"),
    ],
)
def test_joins_wait_for_the_values(python, operator, expected, first):
    """They sent elements of the engine downstream, and `gather` left them alone."""
    done = python("-c", JOIN.format(operator=operator, first=first))
    assert (done.stdout.strip(), done.stderr) == (expected, "")


def test_operators_are_the_same_whatever_has_been_imported(python):
    later, first = python("-c", SAME), python("-c", SAME, "first")
    assert later.stderr == first.stderr == ""
    assert later.stdout == first.stdout
