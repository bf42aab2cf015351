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

TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or Path(__file__).parents[2] / "target")
BROUGHT = TARGET / "services"


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


@contextlib.contextmanager
def server(program, remedy, arguments):
    """Start a server, and yield its port; skip the test if the program is not installed."""
    found = find(program)
    if found is None:
        pytest.skip(f"there is no program `{program}`; {remedy}")
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
