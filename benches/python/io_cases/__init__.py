"""Sources and sinks of thalweg, beside streamz's and hand-written code."""

from __future__ import annotations

from collections.abc import Callable

from measure import Case

from io_cases.databases import sqlite
from io_cases.files import text
from io_cases.http import http_in, http_reply
from io_cases.processes import process
from io_cases.tcp import tcp

CASES: dict[str, Callable[[], Case]] = {
    "text": text,
    "tcp": tcp,
    "http-in": http_in,
    "http-reply": http_reply,
    "process": process,
    "sqlite": sqlite,
}
