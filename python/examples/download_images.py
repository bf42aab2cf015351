"""Downloads images, shrinks them on worker processes, and writes them. A broken one is reported, and the others finish.

This program also serves them: five images, a file that is no image, and a name without a file.
"""

from __future__ import annotations

import io
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from PIL import Image

from thalweg import Failure, Stream
from thalweg.http import HttpResponse
from thalweg.tasks import Client

WIDTH = 64
NAMES = ["delta", "estuary", "gorge", "meander", "rapids", "broken", "missing"]


class Images(BaseHTTPRequestHandler):
    """The server."""

    def do_GET(self) -> None:
        """Respond with an image whose size and colour depend on its name."""
        name = self.path.strip("/")
        self.send_response(404 if name == "missing" else 200)
        self.end_headers()
        if name == "broken":
            self.wfile.write(b"not an image")
        elif name != "missing":
            red, green = (sum(name.encode()) * factor % 256 for factor in (3, 5))
            Image.new("RGB", (100 * len(name), 300), (red, green, 128)).save(self.wfile, "PNG")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def found(response: HttpResponse) -> HttpResponse:
    """Raise for a missing file."""
    if not response.ok:
        raise FileNotFoundError(f"{response.url}: {response.status}")
    return response


def shrink(response: HttpResponse) -> tuple[str, bytes]:
    """Shrink an image, on a worker process."""
    with Image.open(io.BytesIO(response.body)) as image:
        image.thumbnail((WIDTH, WIDTH))
        out = io.BytesIO()
        image.save(out, "PNG")
    return response.url.rpartition("/")[2], out.getvalue()


def download(url: str, directory: Path) -> list[Failure]:
    """Download all images, and return the failures."""
    with Client(processes=True, n_workers=2) as client:
        names = Stream()
        responses = names.map(lambda name: f"{url}/{name}").fetch(unordered=True).map(found)
        images = responses.scatter(client).map(shrink)
        images.buffer(8).gather().starsink(lambda name, data: (directory / f"{name}.png").write_bytes(data))
        failures = responses.on_exception().union(images.on_exception()).sink_to_list()
        names.emit_many(NAMES)
        names.drain()
    return failures


def main(directory: Path) -> None:
    """Serve the images, download them, and print the result."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Images) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        failures = download(f"http://127.0.0.1:{server.server_address[1]}", directory)
        server.shutdown()
    for file in sorted(directory.glob("*.png")):
        with Image.open(file) as image:
            print(file.stem, *image.size)
    for failure in sorted(failures, key=str):
        print(type(failure.exception).__name__)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
