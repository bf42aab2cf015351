"""The dashboard's pages in Chromium: live updates, any width, light and dark."""

from __future__ import annotations

import os
import signal
import threading

import pytest

import browser as chromium
import thalweg
from servers import REQUIRED
from support import until
from thalweg import Stream
from thalweg.tasks import Client

BOUND = 60

pytestmark = pytest.mark.skipif(
    chromium.found() is None and not REQUIRED,
    reason="there is no Chromium; install it, or have `cargo xtask services up` fetch it",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    started = chromium.Browser(chromium.found(), tmp_path_factory.mktemp("chromium"))
    # Closing its pipes ends Chromium in any state.
    too_long = threading.Timer(5 * BOUND, started.close)
    too_long.start()
    yield started
    too_long.cancel()
    started.close()


@pytest.fixture
def dashboard():
    with thalweg.dashboard(port=0) as served:
        yield served


def text(page):
    return page.look("document.getElementById('content')?.innerText") or ""


def address(dashboard, path):
    return dashboard.link.replace("/status", path)


def fail(x):
    raise ValueError("no <b>price</b>")


def test_an_open_page_shows_where_elements_wait(page, dashboard):
    clock = thalweg.VirtualClock()
    source = Stream(stream_name="orders <script>window.intruder = 1</script>", loop=clock)
    source.buffer(9, stream_name="queue").rate_limit(1e7, stream_name="slow").sink(lambda x: None)
    page.show(dashboard.link)
    assert "queue" in text(page)
    for x in range(4):
        source.emit(x)

    def waits():
        # Waiting is measured on the pipeline's virtual clock.
        clock.advance("1s")
        return "Elements wait in slow" in text(page)

    until(waits)
    assert "orders <script>" in text(page)
    assert page.look("window.intruder") is None
    # Pipelines of other tests may be drawn too.
    drawing = "[...document.querySelectorAll('svg')].find((svg) => svg.textContent.includes('orders'))"
    assert page.look(f"{drawing}.querySelectorAll('rect.thalweg-is-slow').length") == 1
    clock.advance(4e7)


def test_failures_are_shown_with_their_message(page, dashboard):
    source = Stream(stream_name="failing")
    source.map(fail, on_error="skip", stream_name="price").sink(lambda x: None)
    page.show(address(dashboard, "/failures"))
    source.emit(1)
    until(lambda: "ValueError: no <b>price</b>" in text(page))
    assert page.look("document.querySelectorAll('#content b').length") == 0


def test_a_dead_worker_is_shown(page, dashboard):
    with Client(processes=True, n_workers=1, name="mortal") as client:
        page.show(address(dashboard, "/tasks"))
        until(lambda: "mortal" in text(page))
        pid = client.submit(os.getpid).result(BOUND)
        dying = client.submit(signal.pause, retries=0)
        until(lambda: "pause, for" in text(page))
        os.kill(pid, signal.SIGKILL)
        until(lambda: page.look("document.querySelectorAll('rect.run-killed').length") == 1)
        until(lambda: "workers that died: 1 (by itself, or killed from outside)" in text(page))
        assert page.look("document.querySelector('rect.run-killed').getBoundingClientRect().width") >= 0.5
        dying.cancel(force=True)


def press(page, label, report):
    """Press a button with the keyboard, and wait until the page reports the outcome."""
    button = f"document.querySelector('[aria-label=\"{label}\"]')"
    until(lambda: page.look(f"{button} !== null"))
    page.look(f"{button}.focus()")
    page.press_enter()
    until(lambda: report in text(page))


def test_buttons_work_with_the_keyboard(page):
    clock = thalweg.VirtualClock()
    ticks = Stream.from_periodic(lambda: "tick", "1s", loop=clock, start=True, stream_name="metronome")
    L = ticks.partition(1000).sink_to_list()
    clock.advance("5s")
    page.show("about:blank")
    page.complaints.clear()
    with thalweg.dashboard(port=0, allow_control=True) as served:
        page.open(served.control_link)
        # The token is removed from the address but kept in the page.
        until(lambda: page.look("location.href") == served.link)
        assert page.look("document.getElementById('token').value") == served.token
        press(page, "pause metronome", "paused: 1 source")
        assert ticks.stopped
        press(page, "resume metronome", "resumed: 1 source")
        assert not ticks.stopped
        press(page, "drain metronome", "drained")
        # The page keeps an entered token.
        assert page.look("document.getElementById('token').value") == served.token
        assert page.complaints == []
        page.show("about:blank")
    assert len(L) == 1


def test_buttons_without_the_token_do_nothing(page):
    source = Stream(stream_name="untouched")
    with thalweg.dashboard(port=0, allow_control=True) as served:
        page.show(served.link, width=400)
        assert page.look("document.documentElement.scrollWidth") <= 400
        page.look("document.getElementById('token').value = 'wrong'")
        page.look("document.querySelector('[aria-label=\"drain untouched\"]').focus()")
        page.press_enter()
        until(lambda: "the token is not the one" in page.look("document.body.innerText"))
        page.show("about:blank")
    source.emit(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/status", "/graph", "/tasks", "/failures"])
def test_pages_are_readable_on_a_phone(page, dashboard, path, scheme):
    source = Stream(stream_name="a name that is too long for any telephone, in one word: " + 60 * "x")
    source.map(fail, on_error="skip").buffer(3).sliding_window(3).sink(print)
    source.emit(1)
    with Client(n_workers=1, name="client"):
        page.show(address(dashboard, path), width=400, scheme=scheme)
        assert page.look("document.documentElement.scrollWidth") <= 400
        colours = page.look("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
        foreground, background = (int(colour.strip("rgb()").split(",")[0]) for colour in colours)
        assert abs(foreground - background) > 150
        assert (background < 128) == (scheme == "dark")


def test_nothing_is_loaded_from_other_hosts_or_blocked(page, dashboard):
    # Ends connections of the previous page.
    page.show("about:blank")
    page.complaints.clear()
    for path in ("/status", "/graph", "/tasks", "/failures"):
        page.show(address(dashboard, path))
        loaded = page.look("performance.getEntriesByType('resource').map(entry => new URL(entry.name).origin)")
        assert set(loaded) == {dashboard.link.removesuffix("/status")}
    assert page.complaints == []
