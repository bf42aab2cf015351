"""Headless Chromium, driven over two pipes: no package is needed, and nobody else can connect."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from servers import BROUGHT, environment

#: Moves the pipe ends to descriptors 3 and 4, where Chromium expects them.
_START = """
import os, sys
ends = [os.dup(int(end)) for end in sys.argv[1:3]]
while min(ends) <= 4:
    ends = [os.dup(end) for end in ends]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def found() -> str | None:
    """Path of Chromium, if it is installed or downloaded."""
    fetched = str(BROUGHT / "debian/usr/lib/chromium/chromium")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", fetched)
    return next((path for name in names if (path := shutil.which(name))), None)


class Browser:
    """A page in Chromium."""

    def __init__(self, program: str, directory: Path) -> None:
        theirs, ours = os.pipe()
        ours_back, theirs_back = os.pipe()
        options = (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--remote-debugging-pipe",
            f"--user-data-dir={directory}",
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, str(theirs), str(theirs_back), program, *options],
            pass_fds=(theirs, theirs_back),
            stderr=subprocess.DEVNULL,
            env=environment(program),
        )
        os.close(theirs)
        os.close(theirs_back)
        self._out, self._in = os.fdopen(ours, "wb", buffering=0), os.fdopen(ours_back, "rb")
        self._number = 0
        #: Errors reported by the page.
        self.complaints: list[Any] = []
        self._session: str | None = None
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.tell(f"{domain}.enable")

    def _message(self) -> dict[str, Any]:
        read = bytearray()
        while (byte := self._in.read(1)) != b"\0":
            if not byte:
                raise EOFError("Chromium has ended")
            read += byte
        message: dict[str, Any] = json.loads(read)
        return message

    def tell(self, method: str, **params: Any) -> Any:
        """Send a command, and return the reply."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.complaints.append(answer["params"])
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def show(self, url: str, width: int = 1200, scheme: str = "light") -> None:
        """Open a page in a window of that width, in a colour scheme: ``"light"`` or ``"dark"``."""
        self.tell(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        self.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.tell("Page.navigate", url=url)
        while self.look("document.readyState") != "complete" or self.look("location.href") != url:
            pass

    def open(self, url: str) -> None:
        """Open a page that changes its own address, and wait until it has loaded."""
        self.tell("Page.navigate", url=url)
        while self.look("document.readyState") != "complete" or self.look("location.href") == "about:blank":
            pass

    def press_enter(self) -> None:
        """Press Enter in the focused element."""
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        self.tell("Input.dispatchKeyEvent", type="keyDown", text="\r", **key)
        self.tell("Input.dispatchKeyEvent", type="keyUp", **key)

    def look(self, expression: str) -> Any:
        """Evaluate a JavaScript expression on the page, on the next one if it is leaving."""
        while True:
            try:
                answer = self.tell("Runtime.evaluate", expression=expression, returnByValue=True)
                break
            except RuntimeError as error:
                if "navigated or closed" not in str(error):
                    raise
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def close(self) -> None:
        """Close Chromium."""
        self._out.close()
        self._in.close()
        self._process.kill()
        self._process.wait()
