"""Fixtures for tests of tasks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from thalweg.tasks import Client

# Worker processes import functions from the same path as this process, which includes the tests.
sys.path.append(str(Path(__file__).parents[3]))


@pytest.fixture
def client():
    with Client(n_workers=4) as client:
        yield client


@pytest.fixture
def one_at_a_time():
    with Client(n_workers=1) as client:
        yield client
