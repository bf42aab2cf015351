"""Operators, sinks and sources are imported by their first use, as if they had been there from the start."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

import thalweg
from thalweg import ops, sinks, sources


def run(program):
    """What a program prints; it has a process of its own, in which nothing has been imported yet."""
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_program_imports_what_it_uses():
    program = """
        import sys
        from thalweg import Stream
        source = Stream()
        source.map(abs).sink(print)
        source.emit(-1)
        print(*sorted(name for name in sys.modules if name.startswith(("thalweg.ops.", "thalweg.sources.from_"))))
    """
    assert run(program) == ["1", "thalweg.ops.map"]


def test_importing_imports_none_of_the_slow_modules():
    program = """
        import sys
        import thalweg
        print(*{"asyncio", "dataclasses", "json", "re", "datetime", "typing", "inspect"} & set(sys.modules))
    """
    before = run("import sys; print(*sys.modules)")
    assert set(run(program)) <= set(before)


@pytest.mark.parametrize("room", [ops, sinks, sources])
def test_everything_that_is_offered_is_there(room):
    for name in room.__all__:
        assert getattr(room, name).__name__ == name
        assert name in dir(room)


def test_a_name_is_the_class_however_it_was_imported_first():
    program = """
        import thalweg.ops.map
        from thalweg import Stream
        from thalweg.ops.starmap import starmap
        Stream().filter
        from thalweg.ops import filter, map
        print(map.__name__, filter.__name__, starmap.__mro__[1] is map is thalweg.map is thalweg.ops.map)
    """
    assert run(program) == ["map", "filter", "True"]


def test_methods_of_subclasses_have_precedence():
    program = """
        from thalweg import Stream
        class Named(Stream):
            def map(self, func):
                return super().map(func, stream_name="mine")
        print(Named().map(str).name, Stream().map(str).name)
    """
    assert run(program) == ["mine", "None"]


@pytest.mark.parametrize("use", ["import thalweg.ops.map", "thalweg.map", "Stream().scatter(backend='thread').map"])
def test_what_a_program_has_set_stays(use):
    program = f"""
        import thalweg
        from thalweg import Stream
        Stream.map = lambda self, func: "patched"
        {use}
        print(Stream().map(str))
    """
    assert run(program) == ["patched"]


@pytest.mark.parametrize("use", ["import thalweg.ops.map", "thalweg.map", "Stream.map"])
def test_what_a_program_has_registered_stays(use):
    program = f"""
        import thalweg
        from thalweg import Stream
        @Stream.register_api()
        class map(Stream):
            def __init__(self, upstream, func):
                super().__init__(upstream, stream_name="registered")
        {use}
        print(Stream().map(str).name)
    """
    assert run(program) == ["registered"]


@pytest.mark.parametrize("is_used_before", [False, True])
def test_operators_on_an_engine_are_the_engines_whenever_they_are_imported(is_used_before):
    program = f"""
        from thalweg import Stream
        if {is_used_before}:
            Stream().sliding_window(2)
        source = Stream()
        L = source.scatter(backend="thread").sliding_window(2).gather().sink_to_list()
        source.emit_many([1, 2, 3])
        source.drain()
        print(L, Stream().scatter(backend="thread").from_iterable is Stream.from_iterable)
    """
    assert "".join(run(program)).endswith("(1,2),(2,3)]True")


def test_threads_may_use_an_operator_first_at_the_same_time():
    program = """
        from threading import Barrier, Thread
        from thalweg import Stream
        barrier, results = Barrier(8), []
        def build(name):
            source = Stream()
            barrier.wait()
            L = getattr(source, name)(2).sink_to_list()
            source.emit_many(["one", "two"])
            results.extend(L)
        threads = [Thread(target=build, args=["partition" if n % 2 else "pluck"]) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(*sorted(map(str, results)))
    """
    assert run(program) == ["('one',", "'two')"] * 4 + ["e"] * 4 + ["o"] * 4


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'thalweg\.ops' has no attribute 'mapp'"):
        ops.mapp  # noqa: B018
    with pytest.raises(AttributeError, match="map"):
        thalweg.Stream().mapp  # noqa: B018
