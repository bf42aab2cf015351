"""HTTP servers with TLS."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import urllib.request

import pytest

from certificates import make_certificate
from support import PATIENCE
from thalweg import Stream


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("certificates"))


def post(port, context, body=b"river"):
    url = f"https://localhost:{port}/"
    with urllib.request.urlopen(url, data=body, context=context, timeout=PATIENCE) as answer:
        return answer.status, answer.read()


def agreed(port, context, *protocols):
    """Return the protocol chosen by the server."""
    context.set_alpn_protocols(list(protocols))
    with (
        socket.create_connection(("localhost", port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        return secure.selected_alpn_protocol()


def test_requests_are_answered_over_tls(files):
    async def main():
        requests = Stream.from_http_requests(0, tls=files, asynchronous=True)
        requests.map(lambda request: request.text().upper()).respond()
        requests.start()
        # A silent client and one without TLS block nobody.
        silent = socket.create_connection(("localhost", requests.port))
        plain = socket.create_connection(("localhost", requests.port))
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        context = ssl.create_default_context(cafile=str(files[0]))
        answer = await asyncio.to_thread(post, requests.port, context)
        chosen = [
            await asyncio.to_thread(agreed, requests.port, context, *protocols)
            for protocols in (("h2", "http/1.1"), ("http/1.1",))
        ]
        for client in (silent, plain):
            client.close()
        await requests.drain()
        return answer, chosen

    assert asyncio.run(main()) == ((200, b"RIVER"), ["h2", "http/1.1"])


def test_client_certificates_may_be_required(files, tmp_path):
    own = make_certificate(tmp_path, "client")
    options = {"certfile": files[0], "keyfile": files[1], "ca_certs": own[0], "cert_reqs": ssl.CERT_REQUIRED}

    async def main():
        bodies = Stream.from_http_server(0, server_kwargs={"ssl_options": options}, asynchronous=True)
        L = bodies.sink_to_list()
        bodies.start()
        context = ssl.create_default_context(cafile=str(files[0]))
        with pytest.raises(OSError, match=r"(?i)certificate.required|closed|reset|EOF|broken pipe"):
            await asyncio.to_thread(post, bodies.port, context)
        context.load_cert_chain(*own)
        answer = await asyncio.to_thread(post, bodies.port, context)
        await bodies.drain()
        return answer, L

    assert asyncio.run(main()) == ((200, b"OK"), [b"river"])


def test_a_key_of_another_certificate_is_reported_at_the_call(files, tmp_path):
    _, other = make_certificate(tmp_path)
    told = re.escape(f"from_http_server: TLS: {other}: it is not the key of the certificate in {files[0]}")
    with pytest.raises(ValueError, match=told):
        Stream.from_http_server(0, tls=(files[0], other))
    with pytest.raises(ValueError, match="TLS is up to the server that this is a part of"):
        Stream.from_http_server(None, tls=files)
