"""Operators of streams on an engine whose first use is there: operators are imported when they are used."""

from __future__ import annotations

import pytest

JOIN = """
from thalweg import Stream

source = Stream()
on_engine = source.scatter(backend="thread")
joined = on_engine.map(str).{operator}(on_engine.map(abs)).gather().sink_to_list()
source.emit_many([1, 2])
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


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("combine_latest", "[('1', 1), ('2', 1), ('2', 2)]"),
        ("zip_latest", "[('1', 1), ('2', 1)]"),
        ("zip", "[('1', 1), ('2', 2)]"),
        ("union", "['1', 1, '2', 2]"),
    ],
)
def test_joins_wait_for_the_values(python, operator, expected):
    """`combine_latest` and `zip_latest` sent elements of the engine downstream, and `gather` left them alone."""
    done = python("-c", JOIN.format(operator=operator))
    assert (done.stdout.strip(), done.stderr) == (expected, "")


def test_operators_are_the_same_whatever_has_been_imported(python):
    later, first = python("-c", SAME), python("-c", SAME, "first")
    assert later.stderr == first.stderr == ""
    assert later.stdout == first.stdout
