"""The dashboard: what it shows of this process, without disturbing it."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import urllib.error
import urllib.request
import warnings
from pathlib import Path

import pytest

import thalweg
from support import until
from thalweg import Database, Stream
from thalweg.tasks import Client, Event
from thalweg.view.dashboard import running, serve_at

BOUND = 60


@pytest.fixture
def dashboard():
    with thalweg.dashboard(port=0) as served:
        yield served


def get(dashboard, path):
    request = urllib.request.Request(dashboard.link.replace("/status", path))
    with urllib.request.urlopen(request, timeout=BOUND) as answer:
        return answer.read().decode()


def pipeline(dashboard, name):
    info = json.loads(get(dashboard, "/info"))
    found = [each for each in info["pipelines"] if each["name"] == name]
    return found[0] if found else None


def test_pipelines_are_shown_by_their_names(dashboard):
    source = Stream(stream_name="orders <b>")
    L = source.map(abs, stream_name="positive").sink_to_list()
    source.emit_many([1, -2])
    nodes = pipeline(dashboard, "orders <b>")["nodes"]
    assert [(node["name"], node["received"], node["sent"]) for node in nodes] == [
        ("orders <b>", 0, 2),
        ("positive", 2, 2),
        ("sink(append)", 2, 0),
    ]
    status = get(dashboard, "/status")
    assert "orders &lt;b&gt;" in status
    assert "<b>" not in status
    metrics = get(dashboard, "/metrics")
    assert re.search(r'thalweg_elements_total\{pipeline="orders <b>",node="positive".*direction="in"\} 2\n', metrics)
    assert L == [1, 2]


@pytest.mark.parametrize(("name", "shown"), [(7, "7"), (b"x", "b'x'"), ("caf\udce9.txt", "caf\\udce9.txt")])
def test_names_may_be_of_any_type_and_not_be_encodable(dashboard, name, shown):
    source = Stream(stream_name=name)
    node = source.map(abs, stream_name=name)
    node.sink(print)
    renamed = Stream()
    renamed.name = name
    pipelines = json.loads(get(dashboard, "/info"))["pipelines"]
    found = [each["nodes"] for each in pipelines if each["name"] == shown]
    assert [[node["name"] for node in nodes] for nodes in found] == [[shown, shown, "sink(print)"], ["Stream"]]
    assert (source.name, node.name, renamed.name) == (name, name, name)


def test_the_guide_lists_exactly_all_metrics(dashboard, tmp_path):
    guide = (Path(__file__).parents[2] / "docs" / "DASHBOARD.md").read_text()
    written = dict(re.findall(r"^\| `(thalweg_\w+)` \| (.*?) \|", guide, flags=re.MULTILINE))
    source = Stream(stream_name="metrics")
    source.sink(print).latency()
    source.emit("timed")
    (tmp_path / "rivers.csv").write_text("name\nOb\n")
    rivers = Stream.from_csv(tmp_path / "rivers.csv", position=Database("sqlite::memory:").position("rivers"))
    rivers.sink(lambda river: None)
    rivers.start()
    until(lambda: rivers.positions() and rivers.positions()[0]["value"] == "8")
    with Client(n_workers=1, processes=True):
        samples = re.findall(r"^(thalweg_\w+)\{(.*)\} ", get(dashboard, "/metrics"), flags=re.MULTILINE)
    # A histogram adds suffixes to its name and bucket bounds as labels.
    there = {
        re.sub("_(bucket|sum|count)$", "", name): [label for label in re.findall(r'(\w+)="', labels) if label != "le"]
        for name, labels in samples
    }
    assert there == {name: re.findall(r"`(\w+)`", labels) for name, labels in written.items()}


def test_the_first_example_of_the_guide_works(python):
    guide = (Path(__file__).parents[2] / "docs" / "DASHBOARD.md").read_text()
    program = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)[0]
    done = python("-c", program)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/status\n", done.stdout)


def test_failures_are_shown_with_their_origin(dashboard):
    def invert(x):
        return 1 / x

    source = Stream(stream_name="numbers")
    source.map(invert, on_error="skip").sink(print)
    source.emit_many([0, 0.0])
    failures = get(dashboard, "/failures")
    assert "map(invert)" in failures
    assert "ZeroDivisionError: division by zero" in failures
    assert "division by zero" in failures
    assert "(2 times)" in failures
    assert "return 1 / x" in failures
    assert pipeline(dashboard, "numbers")["nodes"][1]["failed"] == 2


def test_a_failure_whose_message_raises_is_still_shown(dashboard):
    class Silent(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    def fail(x):
        raise Silent

    source = Stream(stream_name="silent")
    source.map(fail, on_error="skip").sink(print)
    source.emit(1)
    assert "its text can&#39;t be had" in get(dashboard, "/failures") or "its text can't be had" in get(
        dashboard, "/failures"
    )


def test_a_failure_whose_message_cannot_be_encoded_is_shown(dashboard):
    def read(name):
        raise OSError(f"cannot read {name}")

    get(dashboard, "/status")
    source = Stream()
    source.map(read).sink(print)
    with pytest.raises(OSError, match="cannot read"):
        source.emit("caf\udce9.txt")
    assert "cannot read caf\\udce9.txt" in get(dashboard, "/failures")


def test_a_busy_pipeline_is_shown_without_waiting(dashboard):
    begun, ends = threading.Event(), threading.Event()

    def slow(x):
        begun.set()
        ends.wait(BOUND)

    source = Stream(stream_name="slow")
    source.sink(slow)
    thread = threading.Thread(target=source.emit, args=(1,))
    thread.start()
    begun.wait(BOUND)
    try:
        assert pipeline(dashboard, "slow")["busy"]
    finally:
        ends.set()
        thread.join()
    until(lambda: not pipeline(dashboard, "slow")["busy"])


def test_waiting_elements_are_shown_at_their_node(dashboard):
    source = Stream(stream_name="congested", asynchronous=False)
    slow = source.buffer(1000).rate_limit(0.5)
    slow.sink_to_list()
    source.emit_many(range(100), timeout=BOUND)
    # An open live page makes the dashboard sample continuously.
    with urllib.request.urlopen(dashboard.link.replace("/status", "/live/status"), timeout=BOUND):
        seen = until(lambda: (found := pipeline(dashboard, "congested")) and found["bottleneck"] and found)
    named = {node["id"]: node["name"] for node in seen["nodes"]}
    assert named[seen["bottleneck"]].startswith("rate_limit")
    assert seen["state"] == "waiting"
    slow.interval = 0


@pytest.mark.parametrize("processes", [False, True])
def test_tasks_and_workers_are_shown(dashboard, processes):
    with Client(n_workers=2, processes=processes, name="mine") as client:
        event = Event("go on")
        future = client.submit(event.wait, key="waits for it")
        until(lambda: client.processing() and any("waits for it" in keys for keys in client.processing().values()))
        tasks = get(dashboard, "/tasks")
        assert "mine" in tasks
        assert "waits for it" in tasks
        assert ("MB" in tasks) == processes
        assert client.dashboard_link == dashboard.link
        event.set()
        future.result(BOUND)

        # Runs are recorded from the first request on.
        assert isinstance(client.submit(int, "no number").exception(BOUND), ValueError)

        def runs():
            [engine] = [each for each in json.loads(get(dashboard, "/info"))["engines"] if each["name"] == "mine"]
            found = [run for worker in engine["workers"] for run in worker["runs"]]
            return [(run["name"], run["tasks"], run["outcome"]) for run in found]

        until(lambda: ("int", 1, "failed") in runs())
        page = get(dashboard, "/tasks")
        assert "Tasks of the last minute" in page
        assert re.search(r"<title>int, [\d.]+ .?s, failed</title>", page)


def test_tasks_of_a_stream_in_processes_are_named_after_its_nodes(dashboard):
    def double(x):
        return 2 * x

    def add(total, x):
        return total + x

    with Client(n_workers=1, processes=True, name="streaming") as client:
        source = Stream()
        doubled = source.scatter(client=client).map(double).filter(bool)
        results = doubled.accumulate(add, start=0).gather().sink_to_list()

        def names():
            engines = json.loads(get(dashboard, "/info"))["engines"]
            [engine] = [each for each in engines if each["name"] == "streaming"]
            return {run["name"] for worker in engine["workers"] for run in worker["runs"]}

        # Runs are recorded from the first request on.
        names()
        source.emit(1)
        assert results == [2]
        until(lambda: names() == {"map(double), filter(bool)", "accumulate(add)"})


def test_dead_workers_and_timeouts_are_counted(dashboard):
    with Client(n_workers=1, processes=True, name="mortal") as client:

        def engine():
            [found] = [each for each in json.loads(get(dashboard, "/info"))["engines"] if each["name"] == "mortal"]
            return found

        first = client.submit(os.getpid).result(BOUND)
        late = client.submit(Event("never").wait, time_limit=0.2)
        assert isinstance(late.exception(BOUND), TimeoutError)
        second = client.submit(os.getpid).result(BOUND)
        assert second != first
        os.kill(second, signal.SIGKILL)
        until(lambda: engine()["deaths"]["unexpected"] == 1)
        third = client.submit(os.getpid).result(BOUND)
        seen = until(lambda: (found := engine())["workers"] and found)
        assert seen["time_limits"] == 1
        assert {cause: count for cause, count in seen["deaths"].items() if count} == {
            "task_stopped": 1,
            "unexpected": 1,
        }
        [worker] = seen["workers"]
        assert (worker["name"], worker["process"], worker["restarts"]) == ("worker 0", third, 2)
        metrics = get(dashboard, "/metrics")
        assert 'thalweg_worker_restarts_total{engine="mortal",worker="worker 0"} 2\n' in metrics
        assert 'thalweg_worker_deaths_total{engine="mortal",cause="task_stopped"} 1\n' in metrics
        assert 'thalweg_time_limits_total{engine="mortal"} 1\n' in metrics
        tasks = get(dashboard, "/tasks")
        assert f"worker 0, process {third}" in tasks
        assert "workers that died: 2 (1 by itself, or killed from outside, 1 ended to stop a task)" in tasks


def test_only_local_host_names_are_answered(dashboard):
    request = urllib.request.Request(dashboard.link, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=BOUND)


def test_the_dashboard_is_a_singleton_and_can_change_its_port(dashboard):
    assert thalweg.dashboard(port=0) is dashboard is running()
    assert repr(dashboard) == f"<Dashboard: {dashboard.link}>"
    assert dashboard.link in dashboard._repr_html_()
    port = dashboard.port
    dashboard.close()
    assert (running(), dashboard.link, dashboard.port) == (None, None, None)
    assert repr(dashboard) == "<Dashboard: closed>"
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with (
            pytest.warns(UserWarning, match=f"port {port} is taken: the dashboard is at"),
            thalweg.dashboard(port=port) as another,
        ):
            assert another.port != port


@pytest.mark.parametrize("port", [-1, 65536, "8787", True, None])
def test_an_invalid_port_is_refused(port):
    with pytest.raises(ValueError, match="`port` is a number from 0 to 65535"):
        thalweg.dashboard(port=port)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"host": 5}, "`host` is an address as text, not 5"),
        ({"hosts": "name"}, "`hosts` is a list of host names, not 'name'"),
        ({"hosts": 5}, "`hosts` is a list of host names, not 5"),
        ({"hosts": [1]}, r"`hosts` is a list of host names, not \[1\]"),
        ({"allow_control": "yes"}, "`allow_control` is True or False, not 'yes'"),
    ],
)
def test_an_argument_of_another_type_is_refused(arguments, message):
    with pytest.raises(TypeError, match=f"dashboard: {message}"):
        thalweg.dashboard(port=0, **arguments)


def test_an_unassigned_address_is_refused():
    with pytest.raises(OSError, match=r"192\.0\.2\.1"):
        thalweg.dashboard(port=0, host="192.0.2.1")
    with pytest.raises(OSError, match=r"like `127\.0\.0\.1:8787`"):
        thalweg.dashboard(port=0, host="nowhere.invalid")


def test_a_client_can_start_a_dashboard():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Client(n_workers=1, dashboard_address=":0") as client:
            assert client.dashboard_link == running().link
            assert f'<a href="{client.dashboard_link}" target="_blank">' in client._repr_html_()
    assert running() is None
    assert "<code>&lt;Client: threads, closed&gt;</code><br>Dashboard: none" in client._repr_html_()
    with thalweg.dashboard(port=0) as dashboard:
        Client(n_workers=1, dashboard_address=":0").close()
        assert running() is dashboard
    with pytest.raises(ValueError, match="dashboard_address"):
        Client(n_workers=1, dashboard_address="here")
    assert serve_at(None) is None


def test_a_forked_process_has_no_dashboard(dashboard):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if running() is None else 1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_an_environment_variable_starts_a_dashboard(python, monkeypatch):
    monkeypatch.setenv("THALWEG_DASHBOARD", "0")
    done = python(
        "-c",
        "import thalweg\n"
        "from thalweg.view.dashboard import running\n"
        "assert running() is None\n"
        "source = thalweg.Stream()\n"
        "assert running().link.startswith('http://127.0.0.1:')",
    )
    assert (done.returncode, done.stderr) == (0, "")
    monkeypatch.setenv("THALWEG_DASHBOARD", "here")
    done = python("-c", "import thalweg; thalweg.Stream()")
    assert done.returncode == 0
    assert "THALWEG_DASHBOARD=here" in done.stderr


def test_thalweg_run_starts_a_dashboard(python, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "import urllib.request, streamz\n"
        "from thalweg.view.dashboard import running\n"
        "source = streamz.Stream(stream_name='mine')\n"
        "source.sink(print)\n"
        "print('mine' in urllib.request.urlopen(running().link).read().decode())\n"
    )
    done = python("-m", "thalweg", "run", "--dashboard", "--dashboard-port", "0", str(script))
    assert (done.returncode, done.stdout) == (0, "True\n")
    assert "dashboard: http://127.0.0.1:" in done.stderr


def test_a_program_ends_while_a_page_is_open(python):
    done = python(
        "-c",
        "import thalweg, urllib.request\n"
        "dashboard = thalweg.dashboard(port=0)\n"
        "source = thalweg.Stream()\n"
        "source.buffer(5).sink(print)\n"
        "answer = urllib.request.urlopen(dashboard.link.replace('/status', '/live/status'))\n"
        "answer.readline()\n"
        "source.emit_many([1, 2])\n",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n2\n", "")


def test_thalweg_top_shows_the_same(python, dashboard):
    source = Stream(stream_name="in a terminal")
    source.map(abs).sink(print)
    with Client(n_workers=1, name="mine"):
        done = python("-m", "thalweg", "top", str(dashboard.port), "--once")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"process {os.getpid()}"
    assert any(line.startswith("in a terminal: idle") for line in lines)
    assert any(line.split()[:2] == ["map(abs)", "idle"] for line in lines)
    assert any(line.startswith("mine: 0 tasks run") for line in lines)
    assert max(map(len, lines)) <= 80
    port = dashboard.port
    dashboard.close()
    done = python("-m", "thalweg", "top", f"127.0.0.1:{port}", "--once")
    assert done.returncode == 1
    assert f"no dashboard at 127.0.0.1:{port}" in done.stderr
    done = python("-m", "thalweg", "top", "nonsense", "--once")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "no dashboard at nonsense" in done.stderr
