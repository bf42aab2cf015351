"""Pausing, resuming and draining pipelines from the dashboard: only if enabled, and with the token."""

from __future__ import annotations

import asyncio
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest

import thalweg
from support import until
from thalweg import Stream

BOUND = 60


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def post(dashboard, fields, **headers):
    """Post a form, and return status and text of the response."""
    request = urllib.request.Request(
        dashboard.link.replace("/status", "/control"), urllib.parse.urlencode(fields).encode(), headers
    )
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=BOUND) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def number(dashboard, name):
    """Return the number of the newest pipeline of that name, which others of the process may share."""
    import json

    with urllib.request.urlopen(dashboard.link.replace("/status", "/info"), timeout=BOUND) as answer:
        pipelines = json.load(answer)["pipelines"]
    return max(pipeline["id"] for pipeline in pipelines if pipeline["name"] == name)


def act(dashboard, name, action):
    fields = {"do": f"{number(dashboard, name)} {action}", "token": dashboard.token}
    until(lambda: post(dashboard, fields)[0] == 303)


def status(dashboard):
    with urllib.request.urlopen(dashboard.link, timeout=BOUND) as answer:
        return answer.read().decode()


@pytest.fixture
def dashboard():
    with thalweg.dashboard(port=0, allow_control=True) as served:
        yield served


def test_control_is_disabled_by_default():
    source = Stream(stream_name="numbers")
    with thalweg.dashboard(port=0) as served:
        assert served.token is None
        assert served.control_link is None
        assert "<button" not in status(served)
        assert post(served, {"do": f"{number(served, 'numbers')} drain", "token": ""})[0] == 404
        with pytest.raises(ValueError, match="read-only is served already"):
            thalweg.dashboard(port=0, allow_control=True)
    source.emit(1)


def test_a_source_is_paused_and_resumed(dashboard):
    clock = thalweg.VirtualClock()
    ticks = Stream.from_periodic(lambda: "tick", "1s", loop=clock, start=True, stream_name="ticks")
    L = ticks.sink_to_list()
    clock.advance("5s")
    act(dashboard, "ticks", "pause")
    until(lambda: "paused: 1 source was stopped" in status(dashboard))
    clock.advance("2s")
    before = len(L)
    clock.advance("1h")
    assert len(L) == before
    act(dashboard, "ticks", "resume")
    until(lambda: "resumed: 1 source runs again" in status(dashboard))
    clock.advance("5s")
    assert len(L) > before


def test_a_pipeline_is_drained(dashboard):
    source = Stream(stream_name="numbers")
    L = source.partition(3).sink_to_list()
    source.emit(1)
    act(dashboard, "numbers", "drain")
    until(lambda: "drained" in status(dashboard))
    assert L == [(1,)]


def test_a_pipeline_of_an_event_loop_is_drained_on_its_loop(dashboard):
    threads = set()

    async def main():
        source = Stream(asynchronous=True, stream_name="awaited")
        source.partition(3).sink(lambda window: threads.add(threading.get_ident()))
        await source.emit(1)
        await asyncio.to_thread(act, dashboard, "awaited", "drain")
        while not threads:
            await asyncio.sleep(0)

    asyncio.run(main())
    assert threads == {threading.get_ident()}


def test_wrong_tokens_and_foreign_origins_are_refused(dashboard):
    source = Stream(stream_name="numbers")
    drain = f"{number(dashboard, 'numbers')} drain"
    for token in ("", "wrong", dashboard.token[1:]):
        code, text = post(dashboard, {"do": drain, "token": token})
        assert (code, dashboard.token in text) == (403, False)
    assert post(dashboard, {"do": drain, "token": dashboard.token}, Origin="http://evil.example")[0] == 403
    assert post(dashboard, {"do": drain, "token": dashboard.token}, Host="evil.example")[0] == 403
    assert dashboard.token not in repr(dashboard) + status(dashboard)
    source.emit(1)


def test_run_prints_the_token_only_if_asked(python, tmp_path):
    script = tmp_path / "program.py"
    script.write_text("from thalweg.view.dashboard import running\nprint(running().token is not None)\n")
    run = python("-m", "thalweg", "run", "--dashboard", "--dashboard-port", "0", "--allow-control", str(script))
    assert run.stdout.split() == ["True"]
    assert "/status#token=" in run.stderr
    run = python("-m", "thalweg", "run", "--dashboard", "--dashboard-port", "0", str(script))
    assert run.stdout.split() == ["False"]
    assert "token" not in run.stderr
    run = python("-m", "thalweg", "run", "--allow-control", str(script))
    assert "are for --dashboard" in run.stderr
