"""The demo, on input whose result is known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[1] / "examples" / "demo.py"
LINES = "a,1\nb,2\nc\n\nd 4.5\n"
RESULT = "5 lines, 12 characters\n3 numbers, 7.5 altogether; 2 lines without one set aside\n"


def test_the_demo_reads_a_file_and_standard_input(python, tmp_path):
    (tmp_path / "lines").write_text(LINES)
    assert python(DEMO, "--input", "lines").stdout == RESULT
    assert python(DEMO, "--input", "-", stdin=LINES).stdout == RESULT


def test_the_demo_without_input(python):
    assert python(DEMO, "--input", "-").stdout.startswith("0 lines, 0 characters\n")


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="there are no counters here")
def test_the_demo_reads_this_machine(python):
    done = python(DEMO, "--seconds", "0.3")
    assert done.returncode == 0, done.stderr
    assert "altogether" in done.stdout


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="there are no counters here")
def test_the_demo_follows_a_local_feed(python):
    done = python(DEMO, "--url", "local", "--seconds", "1.5")
    assert (done.returncode, done.stderr) == (0, "")
    assert " edits a second in " in done.stdout
    edits, path = re.search(r"^(\d+) edits of \d+ wikis, in (.*)$", done.stdout, flags=re.MULTILINE).groups()
    assert int(edits) > 0
    Path(path).unlink()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--seconds", "0"], "expected a number above zero, and not '0'"),
        (["--seconds", "soon"], "'soon'"),
        (["--input", "missing"], "there is no file 'missing'"),
        (["lines"], "lines"),
        (["--input", "-", "--url", "local"], "--input and --url exclude each other"),
    ],
)
def test_errors_are_explained(python, arguments, complaint):
    done = python(DEMO, *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
