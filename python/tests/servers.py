"""Servers started for tests, if their programs are installed."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from support import PATIENCE

FETCHED = "install Debian's package of that name, or have `cargo xtask services up` fetch it"
BUILT = "have `cargo xtask services up` build it, which needs Go"

#: Whether a test without its server fails; otherwise it is skipped.
REQUIRED = os.environ.get("THALWEG_TEST_SERVERS") == "required"

TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or Path(__file__).parents[2] / "target")
BROUGHT = TARGET / "services"


def skip(reason):
    """Skip the test for want of a server; fail it where servers are required."""
    (pytest.fail if REQUIRED else pytest.skip)(reason)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def find(program):
    """Return the path of a program: in `PATH`, in Debian's server directories, or among downloaded ones."""
    places = [os.environ.get("PATH", ""), "/usr/sbin"]
    places += [str(BROUGHT / place) for place in ("nats", "ferretdb", "debian/usr/bin", "debian/usr/sbin")]
    return shutil.which(program, path=os.pathsep.join(places))


def environment(program):
    """Return the variables for running a program: a downloaded one needs the libraries downloaded with it."""
    env = dict(os.environ)
    if BROUGHT in Path(program).parents:
        libraries = BROUGHT / f"debian/usr/lib/{platform.machine()}-linux-gnu"
        env["LD_LIBRARY_PATH"] = os.pathsep.join([str(libraries), str(libraries / "pulseaudio")])
    return env


def kafka():
    """Return the address of a Kafka server; skip the test if there is none."""
    address = os.environ.get("THALWEG_TEST_KAFKA")
    if not address:
        skip("THALWEG_TEST_KAFKA does not say where a server is")
    return address


@contextlib.contextmanager
def server(program, remedy, arguments):
    """Start a server, and yield its port; skip the test if the program is not installed."""
    found = find(program)
    if found is None:
        skip(f"there is no program `{program}`; {remedy}")
    port = free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = subprocess.Popen([found, *arguments(port)], env=environment(found), **quiet)
    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert running.poll() is None, f"{program} has ended: {running.returncode}"
                assert time.monotonic() < end, f"{program} has not started"
                time.sleep(0.01)
        yield port
    finally:
        running.kill()
        running.wait()
