"""The metrics: Prometheus' own parser reads them, and a service's existing endpoint can serve them."""

from __future__ import annotations

import os
import sys
import threading
import urllib.request

import pytest

pytest.importorskip("prometheus_client")

from prometheus_client import CollectorRegistry, exposition
from prometheus_client import parser as classic
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

import thalweg
from support import until
from thalweg import Stream
from thalweg.tasks import Client
from thalweg.view.prometheus import PipelineCollector

BOUND = 60


@pytest.fixture
def dashboard():
    with thalweg.dashboard(port=0) as served:
        yield served


def served_metrics(dashboard):
    with urllib.request.urlopen(dashboard.link.replace("/status", "/metrics"), timeout=BOUND) as answer:
        return list(text_string_to_metric_families(answer.read().decode()))


def test_metrics_are_read_by_prometheus(dashboard):
    source = Stream(stream_name='a "quoted"\nname \\ of two lines')
    source.sink(print)
    families = served_metrics(dashboard)
    names = {family.name for family in families}
    assert {"thalweg_elements", "thalweg_failures", "thalweg_held_elements", "thalweg_waited_seconds"} <= names
    pipelines = {sample.labels.get("pipeline") for family in families for sample in family.samples}
    assert source.name in pipelines


def samples(registry):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def test_a_collector_has_what_the_dashboard_has(dashboard):
    source = Stream(stream_name='a name that is "quoted"\nand \\ of two lines')
    source.map(abs).sink_to_list()
    source.emit_many([1, -2])
    registry = CollectorRegistry()
    registry.register(PipelineCollector())
    with Client(n_workers=1, name="mine"):
        collected = samples(registry)
        served = served_metrics(dashboard)
    served = {
        (sample.name, *sorted(sample.labels.items())): sample.value for family in served for sample in family.samples
    }
    assert {name for name, *_ in collected} == {name for name, *_ in served}

    def of_this_test(all_samples):
        # Pipelines of other tests may still run or disappear.
        return {
            key: value
            for key, value in all_samples.items()
            if dict(key[1:]).get("pipeline", source.name) == source.name
        }

    assert of_this_test(collected) == of_this_test(served)
    assert (2.0, source.name) in {
        (value, dict(labels).get("pipeline")) for (name, *labels), value in collected.items() if "elements" in name
    }
    # Responses in both formats.
    for generate, parse in [
        (exposition.generate_latest, classic.text_string_to_metric_families),
        (openmetrics.generate_latest, text_string_to_metric_families),
    ]:
        families = parse(generate(registry).decode())
        read = {sample.name for family in families for sample in family.samples}
        assert {"thalweg_elements_total", "thalweg_waited_seconds_total"} <= read


def test_a_registry_accepts_one_collector_and_can_query_one_metric():
    registry = CollectorRegistry()
    collector = PipelineCollector()
    registry.register(collector)
    with pytest.raises(ValueError, match="thalweg_elements"):
        registry.register(PipelineCollector())
    source = Stream(stream_name="one metric")
    source.emit(1)
    [family] = registry.restricted_registry(["thalweg_held_elements"]).collect()
    assert (family.name, family.type) == ("thalweg_held_elements", "gauge")
    described = {family.name: (family.type, family.documentation, family.unit) for family in collector.describe()}
    collected = {family.name: (family.type, family.documentation, family.unit) for family in collector.collect()}
    assert described == collected
    registry.unregister(collector)
    assert samples(registry) == {}


def test_a_collector_shows_the_last_state_of_a_busy_pipeline():
    begun, ends = threading.Event(), threading.Event()

    def slow(x):
        if x:
            begun.set()
            ends.wait(BOUND)

    source = Stream(stream_name="busy")
    source.sink(slow)
    registry = CollectorRegistry()
    registry.register(PipelineCollector())

    def sent():
        wanted = {"pipeline": "busy", "node": "busy", "direction": "out"}.items()
        return [
            value
            for (name, *labels), value in samples(registry).items()
            if name == "thalweg_elements_total" and wanted <= dict(labels).items()
        ]

    source.emit(0)
    assert sent() == [1]
    thread = threading.Thread(target=source.emit, args=(1,))
    thread.start()
    begun.wait(BOUND)
    try:
        assert sent() == [1]
    finally:
        ends.set()
        thread.join()
    until(lambda: sent() == [2])


@pytest.mark.skipif(sys.platform != "linux", reason="it forks")
def test_a_forked_process_has_its_own_metrics(capfd):
    def pipelines_and_engines(registry):
        labels = [dict(key[1:]) for key in samples(registry)]
        names = {each["pipeline"] for each in labels if "pipeline" in each}
        return names, {each["engine"] for each in labels if "engine" in each}

    before = Stream(stream_name="before")
    before.emit(1)
    with Client(n_workers=1, name="mine"):
        registry = CollectorRegistry()
        registry.register(PipelineCollector())
        names, engines = pipelines_and_engines(registry)
        assert "before" in names
        assert "mine" in engines
        pid = os.fork()
        if pid == 0:
            after = Stream(stream_name="after")
            after.emit(1)
            os._exit(0 if pipelines_and_engines(registry) == ({"after"}, set()) else 1)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert capfd.readouterr().err == ""


def test_a_missing_prometheus_client_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client.openmetrics.parser", None)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ImportError, match=r"PipelineCollector needs the package `prometheus_client`: pip install"):
        PipelineCollector()
