"""Dead letters: stored in a file, a table or a topic, and replayed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass

import pytest

from support import rest_of
from thalweg import Database, Failure, Retry, Stream
from thalweg.dead_letters import DeadLetters
from thalweg.testing import KafkaBroker


async def fail(letters, texts, **kwargs):
    """Send texts through a node that fails on non-numbers, and store these as dead letters."""
    source, failures = Stream(asynchronous=True), Stream(asynchronous=True)
    failures.to_dead_letters(letters, **kwargs)
    source.map(int, on_error=failures).sink_to_list()
    for text in texts:
        await source.emit(text)
    await source.drain()


async def replay(letters):
    """Return the letters of a replay, all of them acknowledged."""
    again = Stream.from_dead_letters(letters, asynchronous=True)
    found = again.sink_to_list()
    again.start()
    await again.finished()
    await again.drain()
    return found


async def check_each_is_replayed_once(letters):
    await fail(letters, ["1", "two", "3", "vier\n"])
    first = await replay(letters)
    assert [letter.element for letter in first] == ["two", "vier\n"]
    assert (first[1].node, first[1].ordinal, first[1].attempt) == ("map(int)", 4, 1)
    assert first[1].error.startswith("ValueError: invalid literal")
    assert await replay(letters) == []
    # Letters that fail again are stored again, with more attempts, and not replayed in the same run.
    await fail(letters, ["five"])
    again, failures = Stream.from_dead_letters(letters, asynchronous=True), Stream(asynchronous=True)
    failures.to_dead_letters(letters, keep=lambda letter: letter.element)
    again.map(lambda letter: int(letter.element), on_error=Retry(1, then=failures)).sink_to_list()
    again.start()
    await again.finished()
    await again.drain()
    second = await replay(letters)
    assert [(letter.element, letter.attempt) for letter in second] == [("five", 3)]


@pytest.mark.asyncio
async def test_letters_in_a_file_are_replayed_once(tmp_path):
    await check_each_is_replayed_once(tmp_path / "letters.jsonl")
    lines = (tmp_path / "letters.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["element"] == "two"


@pytest.mark.asyncio
async def test_letters_in_a_table_are_replayed_once(tmp_path):
    database = Database(f"sqlite:{tmp_path}/letters.db")
    await check_each_is_replayed_once(database)
    await check_each_is_replayed_once(DeadLetters(database, table="others"))


@pytest.mark.asyncio
async def test_letters_in_a_topic_are_replayed_once():
    with KafkaBroker({"letters": 1}) as broker:
        # This broker takes that long to notice that a member has left.
        options = {"session.timeout.ms": 6000}
        await check_each_is_replayed_once(DeadLetters(f"kafka://{broker.address}/letters", options=options))


@dataclass
class Reading:
    celsius: float


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "element", ["ä", b"\xff\x00", [1, {"a": None}], 2**80, 0.1, True, {"deep": [[["x"]]]}], ids=repr
)
async def test_elements_that_are_restored(tmp_path, element):
    source, failures = Stream(asynchronous=True), Stream(asynchronous=True)
    failures.to_dead_letters(tmp_path / "letters")
    source.map(lambda x: 1 / 0, on_error=failures).sink_to_list()
    await source.emit(element)
    await source.drain()
    [letter] = await replay(tmp_path / "letters")
    assert letter.element == element
    assert type(letter.element) is type(element)
    assert letter.shown is None


@pytest.mark.asyncio
@pytest.mark.parametrize("element", [Reading(1.5), (1, 2), float("nan"), {1: 2}, "x" * 2000 and {"x" * 2000}], ids=str)
async def test_elements_that_are_only_shown(tmp_path, element):
    source, failures = Stream(asynchronous=True), Stream(asynchronous=True)
    failures.to_dead_letters(tmp_path / "letters")
    source.map(lambda x: 1 / 0, on_error=failures).sink_to_list()
    await source.emit(element)
    await source.drain()
    [letter] = await replay(tmp_path / "letters")
    assert letter.element is None
    assert letter.shown == repr(element)[:1000]


def test_attempts_of_a_policy_are_counted():
    source, failures = Stream(), Stream()
    found = failures.sink_to_list()
    source.map(int, on_error=Retry(2, then=failures)).sink_to_list()
    source.emit("two")
    assert [failure.attempts for failure in found] == [3]


@pytest.mark.asyncio
async def test_a_non_failure_is_refused(tmp_path):
    source, problems = Stream(asynchronous=True), Stream(asynchronous=True)
    source.to_dead_letters(tmp_path / "letters", on_error=problems)
    found = problems.sink_to_list()
    await source.emit("two")
    await source.emit(Failure("parse", 1, "two", ValueError("no")))
    await source.drain()
    [problem] = found
    assert "an element is a Failure" in str(problem.exception)
    assert [letter.node for letter in await replay(tmp_path / "letters")] == ["parse"]


@pytest.mark.parametrize("place", ["", "ftp://localhost/x", "kafka://localhost:9092"])
def test_invalid_places_are_refused(place):
    with pytest.raises(ValueError, match="dead letters in"):
        DeadLetters(place)


def test_a_place_of_another_type_is_refused():
    with pytest.raises(TypeError, match="the name of a file, a URL or a Database, not 7"):
        DeadLetters(7)


PROGRAM = """
from thalweg import Stream

texts = Stream({arguments})
texts.map(lambda text: int(text, 16)).sink(print)
"""


@pytest.mark.parametrize("arguments", ["", "asynchronous=True"])
def test_replay_on_the_command_line(python, tmp_path, arguments):
    (tmp_path / "program.py").write_text(PROGRAM.format(arguments=arguments))
    source, failures = Stream(), Stream()
    failures.to_dead_letters(tmp_path / "letters")
    source.map(int, on_error=failures).sink_to_list()
    for text in ["ff", "7", "1a"]:
        source.emit(text)
    source.drain()
    command = ["-m", "thalweg", "replay", "letters", "program:texts"]
    first = python(*command)
    assert (first.stdout, first.returncode) == ("255\n26\n", 0), first.stderr
    assert first.stderr == "sent again: 2; cannot be sent: 0\n"
    second = python(*command)
    assert (second.stdout, second.returncode) == ("", 0), second.stderr


def test_replay_reports_unreplayable_letters_and_errors(python, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM.format(arguments=""))
    source, failures = Stream(), Stream()
    failures.to_dead_letters(tmp_path / "letters")
    source.map(int, on_error=failures).sink_to_list()
    source.emit(Reading(1.5))
    source.drain()

    def run(target):
        return python("-m", "thalweg", "replay", "letters", target)

    assert "a target is MODULE:STREAM" in run("program").stderr
    assert (run("program").returncode, run("program:nothing").returncode, run("nowhere:texts").returncode) == (2, 2, 2)
    ended = run("program:texts")
    assert ended.returncode == 1
    assert "cannot be sent: DeadLetter(map(int), Reading(celsius=1.5), " in ended.stderr


def test_the_exit_code_of_a_replay_tells_of_errors(python, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM.format(arguments=""))
    missing = python("-m", "thalweg", "replay", "nowhere", "program:texts")
    assert missing.returncode == 1 and "No such file" in missing.stderr
    source, failures = Stream(), Stream()
    failures.to_dead_letters(tmp_path / "letters")
    source.map(int, on_error=failures).sink_to_list()
    source.emit("no number")
    source.drain()
    failed = python("-m", "thalweg", "replay", "letters", "program:texts")
    assert failed.returncode == 1 and "invalid literal" in failed.stderr


SLOW = """
from thalweg import Stream

texts = Stream()
texts.rate_limit(0.005).sink(lambda text: print(text, flush=True))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_replay_that_is_interrupted_goes_on_with_the_next_letter(python, tmp_path, number):
    (tmp_path / "program.py").write_text(SLOW)
    source, failures = Stream(), Stream()
    failures.to_dead_letters(tmp_path / "letters")
    source.map(int, on_error=failures).sink_to_list()
    texts = [f"letter {x}" for x in range(200)]
    source.emit_many(texts)
    source.drain()
    command = ["-m", "thalweg", "replay", "letters", "program:texts"]
    with subprocess.Popen(
        [sys.executable, *command], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            os.kill(process.pid, number)
            output, errors = rest_of(process)
        finally:
            process.kill()
    sent = (first + output).splitlines()
    said = "interrupted\n" if number == signal.SIGINT else ""
    assert (errors, process.returncode) == (f"sent again: {len(sent)}; cannot be sent: 0\n{said}", 128 + number)
    assert sent + python(*command).stdout.splitlines() == texts
