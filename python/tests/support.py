"""What several tests share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

#: Seconds; enough for a process on a machine that is busy. Nothing takes that long unless it hangs.
PATIENCE = 60

#: Runs the interpreter with these arguments, in an empty directory.
Python = Callable[..., "subprocess.CompletedProcess[str]"]
