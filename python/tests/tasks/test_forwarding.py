"""Logs and prints of worker processes, forwarded to the process of the client."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

import pytest

from support import until
from thalweg.tasks import Client

BOUND = 60


class Kept(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)

    def messages(self):
        return [record.getMessage() for record in self.records]


@pytest.fixture
def kept():
    handler, logger = Kept(), logging.getLogger("shop")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def log(level, text, *args, **kwargs):
    logging.getLogger("shop.orders").log(level, text, *args, **kwargs)
    return os.getpid()


def log_many(count):
    for number in range(count):
        log(logging.INFO, "number %d", number)


def log_failure():
    try:
        raise ValueError("no price")
    except ValueError:
        log(logging.ERROR, "not sold", exc_info=True, extra={"lock": threading.Lock(), "order": 7})


def write(number):
    print("line", number)  # noqa: T201
    print("error", number, file=sys.stderr)  # noqa: T201
    sys.stdout.write("a part\nand\n")
    print("a rest", end="", flush=True)  # noqa: T201
    return sys.stdout.fileno(), sys.stdout.writable()


def test_records_keep_worker_level_and_text(kept):
    with Client(processes=True, n_workers=2) as client:
        client.forward_logging("shop")
        client.submit(log, logging.WARNING, "%s is %d", "stock", 3).result(BOUND)
        client.submit(log, logging.DEBUG, "below the level").result(BOUND)
        client.submit(log_failure).result(BOUND)
    first, failure = kept.records
    assert (first.name, first.levelno, first.getMessage()) == ("shop.orders", logging.WARNING, "stock is 3")
    assert first.worker in {"worker 0", "worker 1"}
    assert first.processName == first.worker
    assert first.process != os.getpid()
    assert failure.exc_text.endswith("ValueError: no price")
    assert failure.order == 7
    assert failure.lock.startswith("<unlocked")
    assert "Traceback" in logging.Formatter().format(failure)


def test_records_arrive_in_order_and_before_the_result(kept):
    with Client(processes=True, n_workers=1) as client:
        client.forward_logging("shop")
        client.submit(log_many, 300).result(BOUND)
        assert kept.messages() == [f"number {number}" for number in range(300)]


def test_a_replacement_worker_forwards_too(kept):
    with Client(processes=True, n_workers=1) as client:
        client.forward_logging("shop")
        first = client.submit(log, logging.INFO, "first").result(BOUND)
        os.kill(first, signal.SIGKILL)
        second = until(lambda: (now := client.submit(log, logging.INFO, "second").result(BOUND)) != first and now)
        assert second != first
    assert set(kept.messages()) == {"first", "second"}
    assert {record.worker for record in kept.records} == {"worker 0"}


def test_unforward_logging_stops_forwarding(kept):
    with Client(processes=True, n_workers=1) as client:
        client.forward_logging("shop", logging.ERROR)
        client.submit(log, logging.ERROR, "told").result(BOUND)
        client.unforward_logging("shop")
        client.submit(log, logging.ERROR, "kept").result(BOUND)
        assert kept.messages() == ["told"]
        with pytest.raises(ValueError, match="forward-logging"):
            client.unforward_logging("shop")


def test_loggers_of_the_client_decide_what_is_shown(kept):
    with Client(processes=True, n_workers=1) as client:
        client.forward_logging("shop", logging.DEBUG)
        logging.getLogger("shop").setLevel(logging.WARNING)
        client.submit(log, logging.INFO, "not shown").result(BOUND)
        client.submit(log, logging.WARNING, "shown").result(BOUND)
    assert kept.messages() == ["shown"]


def test_printed_records_name_their_worker(capsys):
    with Client(processes=True, n_workers=1) as client:
        client.forward_logging("shop", output=True)
        number, is_writable = client.submit(write, 5).result(BOUND)
        assert (number, is_writable) == (1, True)
        client.unforward_logging("shop")
    out, err = capsys.readouterr()
    assert out == "worker 0 | line 5\nworker 0 | a part\nworker 0 | and\nworker 0 | a rest\n"
    assert err == "worker 0 | error 5\n"


def test_on_threads_records_are_not_duplicated(kept):
    with Client(n_workers=1) as client:
        client.forward_logging("shop")
        client.submit(log, logging.INFO, "once").result(BOUND)
        client.unforward_logging("shop")
    assert kept.messages() == ["once"]


def test_a_level_that_is_no_number_is_refused():
    with Client(processes=True, n_workers=1) as client, pytest.raises(TypeError, match="level"):
        client.forward_logging("shop", "INFO")
