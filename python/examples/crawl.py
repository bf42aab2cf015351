"""A crawler: every page of a site once, with one request at a time per host and a pause in between.

This program also serves the site, whose pages link to each other in cycles.
"""

from __future__ import annotations

import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import urljoin

from thalweg import RefCounter, Stream
from thalweg.http import HttpResponse

LINKS = {
    "/": ["/spring", "/mouth", "/nowhere"],
    "/spring": ["/brook", "/"],
    "/brook": ["/river", "/spring"],
    "/river": ["/mouth", "/brook", "https://elsewhere.example/"],
    "/mouth": ["/"],
}


class Site(BaseHTTPRequestHandler):
    """The server."""

    def do_GET(self) -> None:
        """Respond with a page of links."""
        links = LINKS.get(self.path)
        self.send_response(404 if links is None else 200)
        self.end_headers()
        self.wfile.write("".join(f'<a href="{link}">' for link in links or ()).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def links(page: HttpResponse) -> list[str]:
    """Return the links of a page."""
    return [urljoin(page.url, link) for link in re.findall(r'href="([^"]+)"', page.text())]


def crawl(start: str, pause: str) -> list[tuple[int, str]]:
    """Return status and URL of all pages on the host of `start`."""
    urls = Stream()
    pages = urls.filter(lambda url: url.startswith(start)).unique().fetch(per_host=1, interval=pause, robots=True)
    pages.map(links).flatten().connect(urls)
    found = pages.map(lambda page: (page.status, page.url)).sink_to_list()
    # A drain would cut the cycle. The counter covers everything derived from the first URL, after any number of rounds.
    all_done = Event()
    urls.emit(start, metadata=[{"ref": RefCounter(cb=all_done.set)}])
    all_done.wait()
    urls.drain()
    return found


def main(pause: str) -> None:
    """Serve the site, and crawl it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        start = f"http://127.0.0.1:{server.server_address[1]}/"
        for status, url in crawl(start, pause):
            print(status, url.removeprefix(start) or "(start)")
        server.shutdown()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "1s")
