"""Fixtures of the tests of tasks."""

from __future__ import annotations

import pytest

from thalweg.tasks import Client


@pytest.fixture
def client():
    with Client(n_workers=4) as client:
        yield client


@pytest.fixture
def one_at_a_time():
    with Client(n_workers=1) as client:
        yield client
