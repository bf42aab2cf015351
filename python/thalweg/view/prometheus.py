"""Metrics of this process for `prometheus_client`: in a service's existing endpoint."""

from __future__ import annotations

import os

from thalweg import _thalweg
from thalweg.errors.missing_packages import need

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

__all__ = ["PipelineCollector"]


class PipelineCollector:
    """A collector for `prometheus_client`: the metrics of the dashboard's ``/metrics``, in a registry of the service.

    Register one per process. It reads the pipelines and engines of this process when it is asked, and not at all
    otherwise; it needs no dashboard. The metrics are those of the table in docs/DASHBOARD.md, with the same names and
    labels. For a pipeline whose thread is inside a function it waits 0.2 s, and then reports the last known values.

    Raises
    ------
    ImportError
        `prometheus_client` is not installed.

    Examples
    --------
    >>> from prometheus_client import CollectorRegistry
    >>> from thalweg import Stream
    >>> from thalweg.view.prometheus import PipelineCollector
    >>> source = Stream(stream_name="payments")
    >>> L = source.map(abs, stream_name="positive").sink_to_list()
    >>> source.emit(-1)
    >>> registry = CollectorRegistry()
    >>> registry.register(PipelineCollector())
    >>> [
    ...     (sample.labels["direction"], sample.value)
    ...     for family in registry.collect() if family.name == "thalweg_elements"
    ...     for sample in family.samples
    ...     if (sample.labels["pipeline"], sample.labels["node"]) == ("payments", "positive")
    ... ]
    [('in', 1), ('out', 1)]
    """

    def __init__(self) -> None:
        self._parser = need("prometheus_client.openmetrics.parser", "prometheus", "PipelineCollector")
        self._metrics = _thalweg.Metrics()
        self._process = os.getpid()

    def collect(self) -> Iterator[Metric]:
        """Return the current values of all metrics, as families of samples.

        Examples
        --------
        >>> from thalweg.view.prometheus import PipelineCollector
        >>> "thalweg_elements" in [family.name for family in PipelineCollector().collect()]
        True
        """
        if self._process != os.getpid():
            # A process that was forked meanwhile has a copy that is locked for ever.
            self._metrics, self._process = _thalweg.Metrics(), os.getpid()
        return self._families(self._metrics.text())

    def describe(self) -> Iterator[Metric]:
        """Return the families without samples: with it a registry refuses a second collector.

        Examples
        --------
        >>> from thalweg.view.prometheus import PipelineCollector
        >>> "thalweg_elements" in {family.name for family in PipelineCollector().describe()}
        True
        """
        return self._families(_thalweg.Metrics.descriptions())

    def _families(self, text: str) -> Iterator[Metric]:
        families: Iterator[Metric] = self._parser.text_string_to_metric_families(text)
        return families
