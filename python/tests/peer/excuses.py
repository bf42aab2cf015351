"""Peer tests that need not pass, each with its reason; tests that cannot run here or need not run twice; and retries
of failed tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

#: Many tests assert times to the millisecond, and sometimes another program has the processor.
ATTEMPTS = 3


class Excuses:
    """A pytest plugin that expects the listed tests to fail, and fails when one passes or does not exist."""

    def __init__(self, file: Path, *, apply: bool) -> None:
        self.file = file
        self.apply = apply
        self.reasons = dict(self._read())

    def _read(self):
        for number, line in enumerate(self.file.read_text().splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            name, colon, reason = line.partition(": ")
            if not colon or not reason.strip():
                raise pytest.UsageError(f"{self.file}:{number}: expected `test_module::test_name: the reason`")
            yield name.strip(), reason.strip()

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        if not self.apply:
            return
        left = dict(self.reasons)
        for item in items:
            name = f"{Path(item.path).stem}::{item.name}"
            reason = left.pop(name, None)
            if reason is not None:
                # Strict: an excuse that is no longer needed must be removed.
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
        selected = config.getoption("keyword") or config.getoption("markexpr")
        if left and not selected:
            raise pytest.UsageError(f"{self.file}: there is no test {', '.join(sorted(left))}")


class Skips:
    """A pytest plugin that skips tests, each given with its reason."""

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = reasons

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            reason = self.reasons.get(f"{Path(item.path).stem}::{item.name}")
            if reason is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


class Repeats:
    """A pytest plugin that skips repetitions of a test for a parameter it does not read."""

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        seen = set()
        repeats = []
        for item in items:
            if item.name.startswith("test_groupby_windowing_"):
                read = {name: value for name, value in item.callspec.params.items() if name != "getter"}  # type: ignore[attr-defined]
                key = (item.name.partition("[")[0], *((name, id(read[name])) for name in sorted(read)))
                if key in seen:
                    repeats.append(item)
                seen.add(key)
        config.hook.pytest_deselected(items=repeats)
        items[:] = [item for item in items if item not in repeats]


class Attempts:
    """A pytest plugin that repeats failed tests, and reports it at the end."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for attempt in range(1, ATTEMPTS + 1):
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
            failed = [report for report in reports if report.failed]
            if not failed or attempt == ATTEMPTS:
                break
            self.failures.append(f"{item.name}, attempt {attempt}: {failed[0].longreprtext.splitlines()[-1]}")
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for failure in self.failures:
            terminalreporter.line(f"run again: {failure}")
