"""Certificates for tests."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from support import PATIENCE


def make_certificate(folder, name="localhost"):
    """Return the files of a self-signed certificate for a host, and of its key."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no `openssl` to make a certificate with")
    certificate, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    made = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    made += ["-addext", f"subjectAltName=DNS:{name}", "-addext", "basicConstraints=critical,CA:FALSE"]
    made += ["-out", str(certificate), "-keyout", str(key)]
    subprocess.run(["openssl", "req", *made], check=True, capture_output=True, timeout=PATIENCE)
    return certificate, key
