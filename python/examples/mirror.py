"""Mirrors files: reads, checks and writes them. A damaged file is not written.

A list contains their names and checksums. Here both ends are local folders; with other URLs they are a bucket,
``s3://bucket/``, or a server, ``ftp://host/folder/``, without changes to the program.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from pathlib import Path

from thalweg import Failure, Stream
from thalweg.remote import Remote, RemoteContent, RemoteFile, RemoteObject

FILES = {"spring.txt": "0.2 m", "gorge.txt": "3.1 m", "mouth.txt": "9 m"}


def publish(folder: Path) -> None:
    """Write the files and their list; then damage one."""
    folder.mkdir()
    lines = []
    for name, text in FILES.items():
        (folder / name).write_text(text)
        lines.append(json.dumps({"name": name, "sha256": hashlib.sha256(text.encode()).hexdigest()}))
    (folder / "files.jsonl").write_text("\n".join(lines))
    (folder / "gorge.txt").write_text("3.7 m")


async def mirror(here: str, there: str) -> tuple[int, list[Failure]]:
    """Copy the files at one URL to another; return the number of bytes read, and the failures."""
    remote = Remote()

    def to_file(entry: dict[str, str]) -> RemoteFile:
        return RemoteFile(f"{here}/{entry['name']}", sha256=entry["sha256"])

    def to_object(content: RemoteContent) -> RemoteObject:
        return RemoteObject(f"{there}/{content.url.rpartition('/')[2]}", content.body)

    entries = Stream.from_url(f"{here}/files.jsonl", "jsonl", asynchronous=True)
    failures = Stream(asynchronous=True)
    failed = failures.sink_to_list()
    contents = entries.map(to_file).read_url(remote, on_error=failures)
    contents.map(to_object).write_url()
    entries.start()
    await entries.finished()
    await entries.drain()
    return remote.bytes_done, failed


def main(folder: Path) -> None:
    """Mirror a folder, and print the contents of the other one."""
    here, there = folder.absolute() / "here", folder.absolute() / "there"
    publish(here)
    done, failed = asyncio.run(mirror(here.as_uri(), there.as_uri()))
    print(done, "bytes")
    for file in sorted(there.iterdir()):
        print(file.name, file.read_text())
    for failure in failed:
        print(str(failure.exception).rpartition("/")[2].split(";")[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
