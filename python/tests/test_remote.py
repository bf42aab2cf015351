"""Remote files: over HTTP, in S3, over FTP, and local ones."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import hashlib
import os
import pickle
import platform
import re
import shutil
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from servers import BROUGHT, FETCHED, find, server, skip
from support import PATIENCE
from thalweg import Database, Stream
from thalweg._thalweg import sources
from thalweg.remote import Remote, RemoteContent, RemoteFile, RemoteObject

NUMBERS = b"".join(number.to_bytes(4, "big") for number in range(100_000))


class Handler(BaseHTTPRequestHandler):
    """Serves files with ranges, cutting connections after `cut_after` bytes. Below `/bucket` it mimics S3."""

    def do_HEAD(self):
        self.answer(is_head=True)

    def do_GET(self):
        self.answer()

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if "Credential=river/" not in self.headers["Authorization"]:
            return self.say(403, b"<Error><Code>AccessDenied</Code><Message>No.</Message></Error>")
        self.server.files[self.path] = body
        self.say(200)

    def answer(self, is_head=False):
        self.server.asked.append(f"{self.command} {self.path} {self.headers['Range'] or ''}".strip())
        content = self.server.files.get(self.path.split("?")[0])
        if content is None:
            return self.say(404, is_head=is_head)
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "")
        if not match:
            return self.say(200, content, is_head=is_head)
        start, end = int(match[1]), min(int(match[2] or len(content)) + 1, len(content))
        self.say(206, content[start:end], [("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")])

    def say(self, status, content=b"", headers=(), is_head=False):
        self.send_response(status)
        for name, value in (("Accept-Ranges", "bytes"), ("Content-Length", str(len(content))), *headers):
            self.send_header(name, value)
        self.end_headers()
        if not is_head:
            self.wfile.write(content[: self.server.cut_after])
            self.close_connection = len(content) > self.server.cut_after

    def log_message(self, *args):
        pass


@pytest.fixture
def web():
    """A file server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.files, running.asked, running.cut_after = {}, [], 10**9
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def quick(**kwargs):
    return Remote(wait=0, max_wait=0, **kwargs)


def read(elements, remote=None, **kwargs):
    """Return the contents of files, and the failures."""

    async def main():
        failures, source = Stream(asynchronous=True), Stream(asynchronous=True)
        contents = source.read_url(remote or quick(), on_error=failures, **kwargs).sink_to_list()
        failed = failures.map(lambda failure: failure.exception).sink_to_list()
        for element in elements:
            await asyncio.wait_for(source.emit(element), PATIENCE)
        await source.drain()
        return contents, failed

    return asyncio.run(main())


def write(elements, remote=None):
    async def main():
        source = Stream(asynchronous=True)
        source.write_url(remote or quick())
        for element in elements:
            await asyncio.wait_for(source.emit(element), PATIENCE)
        await source.drain()

    asyncio.run(main())


def records(url, *args, **kwargs):
    """Return the elements of a source, and the failures."""

    async def main():
        failures = Stream(asynchronous=True)
        source = Stream.from_url(url, *args, on_error=failures, asynchronous=True, **kwargs)
        found, failed = source.sink_to_list(), failures.map(lambda failure: str(failure.exception)).sink_to_list()
        source.start()
        await asyncio.wait_for(source.finished(), PATIENCE)
        await source.drain()
        await failures.drain()
        return found, failed

    return asyncio.run(main())


def test_contents_arrive_in_order_and_hide_secrets(web):
    web.files.update({"/a%20%C3%BC": b"[20.5]", "/empty": b""})
    (first, second), failed = read([f"{web.url}/a ü", f"{web.url}/empty?key=secret"])
    assert not failed
    assert (first.json(), first.size, first.file) == ([20.5], 6, None)
    assert (second.body, second.text()) == (b"", "")
    assert "secret" not in repr(second)
    assert pickle.loads(pickle.dumps(first)).body == b"[20.5]"
    assert pickle.loads(pickle.dumps(RemoteFile("s3://a/b", md5="1"))).md5 == "1"
    assert pickle.loads(pickle.dumps(RemoteObject("s3://a/b", "c"))).body == b"c"
    assert type(first) is RemoteContent


def test_a_large_file_is_saved_in_parts_over_broken_connections(web, tmp_path):
    web.files["/large"] = NUMBERS
    web.cut_after = 70_000
    path, remote = tmp_path / "large", quick(part_len=150_000, parallel=2)
    digits = hashlib.sha256(NUMBERS).hexdigest()
    (content,), failed = read([RemoteFile(f"{web.url}/large", path, sha256=digits)], remote)
    assert not failed
    assert (content.file, content.size, content.body) == (path, len(NUMBERS), b"")
    assert path.read_bytes() == NUMBERS
    assert [file.name for file in tmp_path.iterdir()] == ["large"]
    assert (remote.bytes_done, remote.bytes_total) == (len(NUMBERS), len(NUMBERS))
    assert any("bytes=300000-" in line for line in web.asked)


def test_unreadable_files_are_named_without_secrets(web):
    web.files["/file"] = b"abc"
    host = web.url.removeprefix("http://")
    files = [
        f"http://anna:secret@{host}/none",
        RemoteFile(f"{web.url}/file", crc32c="00000000"),
        RemoteFile(f"{web.url}/file", md5="12"),
        "gopher://host/x",
        80,
    ]
    contents, failed = read(files)
    assert not contents
    assert [str(error) for error in failed] == [
        f"cannot read {web.url}/none: the server answered 404 Not Found; check its name",
        f"{web.url}/file has the crc32c checksum 364b3fb7, and 00000000 was expected; it is damaged or another file",
        f'cannot use "{web.url}/file": a checksum by md5 has 32 hexadecimal digits, and "12" is none',
        'cannot use "gopher://host/x": its scheme is none of `file:`, `http:`, `https:`, `s3:`, `ftp:`, `ftps:`, '
        "`sftp:`, `webdav:`, `webdavs:`",
        "read_url: an element is a URL or a RemoteFile, not 80",
    ]


def test_files_are_written_atomically(tmp_path):
    name = tmp_path / "new folder" / "über mich.txt"
    local = tmp_path / "local"
    local.write_bytes(NUMBERS)
    write([(name.as_uri(), "20.5"), RemoteObject((tmp_path / "copy").as_uri(), file=local)])
    assert name.read_text() == "20.5"
    assert (tmp_path / "copy").read_bytes() == NUMBERS
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy", "local", "new folder"]
    with pytest.raises(TypeError, match="a RemoteObject, or a URL and bytes or text, not 80"):
        write([80])


def has(scheme):
    """Whether this build of the package has support for a system."""
    try:
        sources.check_remote_url(quick()._settings, f"{scheme}://a/b")
    except ImportError:
        return False
    return True


@pytest.mark.skipif(not has("s3"), reason="built without the feature `remote-s3`")
def test_s3_stores_a_file_and_rejects_wrong_credentials(web):
    login = {"endpoint": web.url, "region": "us-east-1", "secret_key": "s3cret"}
    remote = quick(access_key="river", **login)
    write([("s3://bucket/a/b.txt", b"20.5")], remote)
    assert web.files["/bucket/a/b.txt"] == b"20.5"
    (content,), failed = read(["s3://bucket/a/b.txt"], remote)
    assert (content.text(), failed) == ("20.5", [])
    with pytest.raises(Exception, match=r"No\. \(AccessDenied\); check the access key") as info:
        write([("s3://bucket/x", b"x")], quick(access_key="other", **login))
    assert "s3cret" not in str(info.value)


@pytest.mark.parametrize(
    ("format", "content", "expected"),
    [
        ("lines", b"one\r\ntwo", ["one", "two"]),
        ("jsonl", b'[1]\n\n{"a": null}\n', [[1], {"a": None}]),
        ("csv", b"name,depth\nspring,1\n", [{"name": "spring", "depth": "1"}]),
        ("length_prefixed", b"\0\0\0\5river\0\0\0\3bed", [b"river", b"bed"]),
    ],
)
def test_records_of_every_format(web, format, content, expected):
    web.files["/file"] = content
    assert records(f"{web.url}/file", format) == (expected, [])


def test_lines_are_read_over_broken_connections(web):
    lines = [f"line {number}" for number in range(20_000)]
    web.files["/lines"] = "\n".join(lines).encode()
    web.cut_after = 50_000
    assert records(f"{web.url}/lines", remote=quick()) == (lines, [])
    found, failed = records(f"{web.url}/lines", "chunks", quick())
    assert (b"".join(found), failed) == (web.files["/lines"], [])


def test_a_position_resumes_at_its_byte(web):
    web.files["/lines"] = b"one\n"
    position = Database("sqlite::memory:").position("lines")
    assert records(f"{web.url}/lines", position=position) == (["one"], [])
    web.files["/lines"] += b"two\nthree\n"
    assert records(f"{web.url}/lines", position=position) == (["two", "three"], [])
    assert position.value == "14"
    assert "GET /lines bytes=4-" in web.asked


def test_an_invalid_record_is_a_failure_with_its_place(web):
    web.files["/values"] = b"[1]\n[2\n[3]\n"
    found, failed = records(f"{web.url}/values?key=secret", "jsonl")
    assert found == [[1], [3]]
    assert failed[0].startswith(f"{web.url}/values: line 2, byte 4: ")


@pytest.mark.parametrize("scheme", ["s3", "sftp"])
def test_missing_build_features_are_named_with_a_remedy(scheme):
    if has(scheme):
        pytest.skip(f"built with the feature `remote-{scheme}`")
    problem = f"pip install . --config-settings=build-args=--features=remote-{scheme}"
    with pytest.raises(ImportError, match=re.escape(problem)):
        Stream.from_url(f"{scheme}://a/b")


def test_wrong_arguments_are_named():
    for make, problem in [
        (lambda: Stream.from_url("s3:///x"), 'from_url: cannot use "s3:///x": it has no bucket'),
        (lambda: Stream.from_url("ftp://a/b", "xml"), 'from_url: `format` is "chunks", "lines"'),
        (lambda: Stream.from_url("file:///x", remote=Remote(schemes=["https"])), "none of the allowed https"),
        (lambda: Stream.from_url("ftp://h/a%0D%0AQUIT"), "its path has a control character"),
        (lambda: Stream.from_url("s3://b/..%2Fc"), "its path has a part `..`"),
        (lambda: Remote(access_key="a"), "give `access_key` and `secret_key` together"),
        (lambda: Remote(password="a"), "a `password` needs a `user`"),
        (lambda: Remote(retries=-1), "`retries` is a number from 0 on"),
    ]:
        with pytest.raises(ValueError, match=re.escape(problem)):
            make()
    with pytest.raises(TypeError, match="read_url: `remote` is a Remote, not 'x'"):
        Stream().read_url("x")


def vsftpd(tmp_path, **more):
    """Start vsftpd with a folder `pub`, and yield its port."""
    folder = tmp_path / "files" / "pub"
    folder.mkdir(parents=True)

    def arguments(port):
        settings = {
            "listen": "YES",
            "listen_address": "127.0.0.1",
            "listen_port": port,
            "background": "NO",
            "run_as_launching_user": "YES",
            "ftp_username": "nobody",
            "anonymous_enable": "YES",
            "anon_root": folder.parent,
            "write_enable": "YES",
            "anon_upload_enable": "YES",
            "anon_mkdir_write_enable": "YES",
            "anon_other_write_enable": "YES",
            "anon_world_readable_only": "NO",
            "seccomp_sandbox": "NO",
            **more,
        }
        (tmp_path / "vsftpd.conf").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        return [tmp_path / "vsftpd.conf"]

    return server("vsftpd", FETCHED, arguments)


def test_vsftpd_round_trip(tmp_path):
    with vsftpd(tmp_path) as port:
        folder, url = tmp_path / "files/pub", f"ftp://127.0.0.1:{port}/pub/a b.csv"
        write([(url, "name\nspring\nmouth\n")])
        assert (folder / "a b.csv").read_text() == "name\nspring\nmouth\n"
        position = Database("sqlite::memory:").position("rows")
        assert records(url, "csv", position=position) == ([{"name": "spring"}, {"name": "mouth"}], [])
        with (folder / "a b.csv").open("a") as file:
            file.write("sea\n")
        assert records(url, "csv", position=position) == ([{"name": "sea"}], [])
        _, (error,) = read([f"ftp://anna:secret@127.0.0.1:{port}/pub/a.txt"])
        assert "the server answered 530" in str(error)
        assert "secret" not in str(error)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no `openssl` to make a certificate with")
def test_vsftpd_is_verified_over_tls(tmp_path, python, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    settings = tmp_path / "openssl.cnf"
    extensions = "subjectAltName = DNS:localhost\nbasicConstraints = critical, CA:FALSE\n"
    settings.write_text(f"[req]\ndistinguished_name = name\nx509_extensions = more\n[name]\n[more]\n{extensions}")
    made = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-config", str(settings)]
    made += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", *made], check=True, capture_output=True, timeout=PATIENCE)
    tls = {"ssl_enable": "YES", "allow_anon_ssl": "YES", "force_anon_logins_ssl": "YES", "force_anon_data_ssl": "YES"}
    tls |= {"rsa_cert_file": certificate, "rsa_private_key_file": key}
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\nfrom thalweg import Stream\nfrom thalweg.remote import Remote, RemoteObject\n"
        "url, remote = sys.argv[1], Remote(wait=0, retries=0, max_len=2**24)\n"
        "source, urls = Stream(), Stream()\nsource.write_url(remote)\n"
        "source.emit(RemoteObject(url, bytes(3_000_000)))\n"
        "L = urls.read_url(remote).sink_to_list()\nurls.emit(url)\nurls.drain()\nprint(L[0].size, any(L[0].body))\n"
    )
    with vsftpd(tmp_path, **tls) as port:
        url = f"ftps://localhost:{port}/pub/zeros"
        done = python(program, url)
        assert "invalid peer certificate: " in done.stderr
        assert "; have this machine trust" in done.stderr
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        done = python(program, url)
        assert (done.stdout, done.stderr) == ("3000000 False\n", "")


def command_lines(program):
    """Yield the command lines of processes of a program."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # The process may have ended meanwhile.
        with contextlib.suppress(OSError):
            line = path.read_bytes()
            if line.split(b"\0")[0].endswith(b"/" + program.encode()):
                yield line


@pytest.fixture
def sftp(tmp_path, monkeypatch):
    """URL of a folder on an OpenSSH server started for the test, and the connection options."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("host", "user"):
        made = subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name])
        assert made.returncode == 0
    sshd = find("sshd")
    if sshd is None:
        skip(f"there is no program `sshd`; {FETCHED}")
    user, before = getpass.getuser(), []
    if os.geteuid() == 0:
        # As root, `sshd` would need a user for privilege separation: run it as `nobody`.
        user, before = "nobody", ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        for path in [folder, tmp_path / "host"]:
            shutil.chown(path, 65534)
        for path in [tmp_path, *tmp_path.parents[:3]]:
            path.chmod(0o755)

    def arguments(port):
        settings = {
            "Port": port,
            "ListenAddress": "127.0.0.1",
            "HostKey": tmp_path / "host",
            "AuthorizedKeysFile": tmp_path / "user.pub",
            "StrictModes": "no",
            "UsePAM": "yes",
            "PidFile": "none",
            "Subsystem": "sftp internal-sftp",
            "ForceCommand": "internal-sftp",
        }
        (tmp_path / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        key = " ".join((tmp_path / "host.pub").read_text().split()[:2])
        (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port} {key}\n")
        libraries = BROUGHT / f"debian/usr/lib/{platform.machine()}-linux-gnu"
        return [f"LD_LIBRARY_PATH={libraries}", *before, sshd, "-D", "-f", tmp_path / "sshd_config"]

    # Ignores the user's own ssh configuration.
    ssh = shutil.which("ssh")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ssh").write_text(
        f'#!/bin/sh\nexec {ssh} -F /dev/null -o UserKnownHostsFile={tmp_path}/known_hosts -o IdentitiesOnly=yes "$@"\n'
    )
    (tmp_path / "bin/ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    with server("env", FETCHED, arguments) as port:
        yield f"sftp://127.0.0.1:{port}{folder}", quick(user=user, key_file=tmp_path / "user"), tmp_path


@pytest.mark.skipif(not has("sftp"), reason="built without the feature `remote-sftp`")
@pytest.mark.skipif(not shutil.which("ssh"), reason="there is no program `ssh`; install OpenSSH's client")
def test_openssh_round_trip(sftp, monkeypatch):
    url, remote, folder = sftp
    files = {"a b.txt": b"20.5", "new/über.txt": NUMBERS, "empty": b""}
    write([(f"{url}/a b.txt", "old"), *((f"{url}/{name}", content) for name, content in files.items())], remote)
    assert {name: (folder / "files" / name).read_bytes() for name in files} == files
    assert sorted(path.name for path in (folder / "files").iterdir()) == ["a b.txt", "empty", "new"]
    contents, failed = read([*(f"{url}/{name}" for name in files), f"{url}/none"], remote)
    assert [content.body for content in contents] == list(files.values())
    assert str(failed[0]) == f"cannot read {url}/none: No such file; check its name"
    # A kept connection would let `ssh` outlive the program.
    end = time.monotonic() + PATIENCE
    while any(str(folder).encode() in line for line in command_lines("ssh")):
        assert time.monotonic() < end
        time.sleep(0.01)
    (folder / "known_hosts").write_text("")
    contents, failed = read([f"{url}/empty"], remote)
    assert "Host key verification failed" in str(failed[0])
    assert "`known_hosts`" in str(failed[0])
    monkeypatch.setenv("PATH", str(folder / "files"))
    contents, failed = read([f"{url}/empty"], remote)
    assert "needs the program `ssh`: install OpenSSH's client" in str(failed[0])


def test_parquet_is_copied_and_the_copy_removed(web, tmp_path, monkeypatch, caplog):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    parquet.write_table(pyarrow.table({"number": list(range(20_000))}), tmp_path / "numbers.parquet")
    web.files["/numbers.parquet"] = (tmp_path / "numbers.parquet").read_bytes()
    web.cut_after = 10_000
    batches, failed = records(f"{web.url}/numbers.parquet", "parquet", quick())
    assert (sum(batch.num_rows for batch in batches), failed) == (20_000, [])
    assert not list((tmp_path / "temporary").iterdir())
    records(f"{web.url}/none", "parquet", quick())
    assert "404 Not Found; check its name" in caplog.text
