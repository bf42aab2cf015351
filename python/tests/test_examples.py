"""The example programs, run as users run them."""

import re
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"

#: Expected output of each program, line by line: text or a pattern.
OUTPUTS = {
    "callback_to_future.py": ["[68.0, 68.9, 69.8, 70.7, 71.6, 72.5]", "20.0"],
    "crawl.py 10ms": ["200 (start)", "200 spring", "200 mouth", "404 nowhere", "200 brook", "200 river"],
    "download_images.py .": [
        *("delta 64 38", "estuary 64 27", "gorge 64 38", "meander 64 27", "rapids 64 32"),
        *("FileNotFoundError", "UnidentifiedImageError"),
    ],
    "edits_by_wiki.py": ["10 s: {'en': 2, 'de': 1}", "20 s: {'fr': 2}", "30 s: {}", "38 s: {'en': 1, 'de': 1}"],
    "five_slow_requests.py": [*(f'{{"hello": "{name}"}}' for name in "abcde"), r"in the time of \w+"],
    "mirror.py .": [
        *("13 bytes", "mouth.txt 9 m", "spring.txt 0.2 m"),
        r"gorge.txt has the sha256 checksum \w+, and \w+ was expected",
    ],
    "moving_average.py": [
        "{'hall': 17.0, 'kitchen': 19.0}",
        "{'hall': 17.0, 'kitchen': 20.0}",
        "{'hall': 15.0, 'kitchen': 22.0}",
    ],
    "terminal_clock.py 1": ["", r"\d\d:\d\d:\d\d"],
    "time_limits.py": ["[9, 85, 846]", "10000000 took too long"],
}


@pytest.mark.parametrize("command", OUTPUTS)
def test_an_example_prints_the_expected_output(python, command):
    program, *arguments = command.split()
    done = python(EXAMPLES / program, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    for line, expected in zip(done.stdout.splitlines(), OUTPUTS[command], strict=True):
        assert line == expected or re.fullmatch(expected, line)


def test_every_example_is_run():
    programs = {command.split()[0] for command in OUTPUTS}
    # Programs run by other tests.
    programs |= {"demo.py", "feed_to_database.py", "feed_to_mongodb.py", "kafka_averages.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == programs
