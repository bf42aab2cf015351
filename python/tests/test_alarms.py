"""What pipelines ask their event loop for."""

from __future__ import annotations

import asyncio

from thalweg import Stream

HOUR = 3600


class Recording(asyncio.SelectorEventLoop):
    """An event loop that counts the calls it is asked for in an hour or so."""

    def __init__(self):
        super().__init__()
        self.far = 0

    def call_at(self, when, callback, *args, context=None):
        if when > self.time() + HOUR / 2:
            self.far += 1
        return super().call_at(when, callback, *args, context=context)


def test_a_node_that_waits_long_costs_nothing_while_other_pipelines_tick():
    """The loop was asked once more for the end of the window with each tick."""
    loop = Recording()

    async def main():
        slow, quick = Stream(asynchronous=True), Stream(asynchronous=True)
        windows = slow.timed_window(HOUR).sink_to_list()
        ticks = quick.rate_limit("100us").sink_to_list()
        await slow.emit(1)
        for x in range(200):
            await quick.emit(x)
        assert (windows, len(ticks)) == ([], 200)
        far = loop.far
        await slow.drain()
        return far

    try:
        assert loop.run_until_complete(main()) == 1
    finally:
        loop.close()
