"""The end of a program: all its pipelines are drained within one shared timeout."""

from __future__ import annotations

import asyncio
import textwrap
from time import monotonic

import pytest

from thalweg import Stream, drain_all
from thalweg.runtime import lifecycle, program_end


@pytest.fixture(autouse=True)
def _alone(no_other_pipelines):
    pass


def test_every_pipeline_is_drained():
    sources = [Stream() for _ in range(3)]
    results = [source.partition(2).sink_to_list() for source in sources]
    for source in sources:
        source.emit(1)
    drain_all()
    assert results == [[(1,)]] * 3


def test_pipelines_share_the_time(monkeypatch):
    now = monotonic()
    monkeypatch.setattr(lifecycle.time, "monotonic", lambda: now)
    given = []

    def drain_now(node, seconds):
        nonlocal now
        given.append(seconds)
        now += min(seconds, 4)

    monkeypatch.setattr(program_end, "_drain_now", drain_now)
    pipelines = [Stream() for _ in range(4)]
    drain_all()
    assert given == pytest.approx([10, 6, 2, 0.001])
    given.clear()
    drain_all("5s")
    assert given == pytest.approx([5, 1, 0.001, 0.001])
    del pipelines


@pytest.mark.parametrize("asynchronous", [True, None])
def test_on_a_closed_loop_elements_that_need_no_loop_are_delivered(asynchronous, caplog):
    loop = asyncio.new_event_loop()
    source = Stream(asynchronous=asynchronous, loop=loop)
    results = source.partition(2).sink_to_list()
    source._emit(1)
    loop.close()
    drain_all()
    assert (results, caplog.text) == ([(1,)], "")


def test_a_loop_that_has_stopped_runs_again():
    loop = asyncio.new_event_loop()
    source = Stream(asynchronous=True, loop=loop)
    results = source.partition(2).sink_to_list()
    loop.run_until_complete(source.emit(1))
    drain_all()
    loop.close()
    assert results == [(1,)]


def test_stuck_pipelines_are_logged(caplog):
    stuck = [Stream(asynchronous=False) for _ in range(2)]
    sinks = [source.buffer(5).sink(lambda x: asyncio.get_running_loop().create_future()) for source in stuck]
    for source in stuck:
        source.emit(1)
    drain_all(0.1)
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 2
    assert all("not everything was delivered" in record.getMessage() for record in caplog.records)
    del sinks


def test_a_blocked_loop_is_given_up(caplog, monkeypatch):
    import threading

    monkeypatch.setattr(program_end, "_GRACE", 0.01)
    block, begun = threading.Event(), threading.Event()
    source = Stream(asynchronous=False)
    node = source.map(str)

    def hold():
        begun.set()
        block.wait()

    source.loop.add_callback(hold)
    begun.wait()
    drain_all(0.01)
    block.set()
    assert "is stuck" in caplog.text
    del node


def test_no_warning_at_exit_about_a_loop_closed_by_asyncio_run(python, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent("""
            import asyncio
            from thalweg import Stream
            async def main():
                source = Stream(asynchronous=True)
                node = source.rate_limit(0.001).sink(print)
                await source.emit(1)
                return source, node
            kept = asyncio.run(main())
        """)
    )
    done = python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", 0)
