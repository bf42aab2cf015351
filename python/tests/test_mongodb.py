"""MongoDB collections, with a real server of its protocol if there is one."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import importlib.util
import sqlite3
from pathlib import Path

import pytest

from servers import BUILT, free_port, server
from support import PATIENCE
from thalweg import Database, Stream
from thalweg.sources import MongoDbChange, ObjectId

EXAMPLE = Path(__file__).parents[1] / "examples" / "feed_to_mongodb.py"


@pytest.fixture
def uri(tmp_path):
    """URI of a server started for the test."""
    with server("ferretdb-sqlite", BUILT, lambda port: [f"127.0.0.1:{port}", str(tmp_path)]) as port:
        yield f"mongodb://127.0.0.1:{port}/"


async def write(uri, elements, **kwargs):
    """Write elements; return the errors of failed ones."""
    source, failures = Stream(asynchronous=True), Stream(asynchronous=True)
    source.to_mongodb(uri, "tests", "edits", on_error=failures, **kwargs)
    said = failures.map(lambda failure: str(failure.exception)).sink_to_list()
    await source.emit_many(elements)
    await source.drain()
    return said


async def read(uri, **kwargs):
    """Return all documents."""
    source = Stream.from_mongodb(uri, "tests", "edits", cursor="_id", asynchronous=True, **kwargs)
    L = source.sink_to_list()
    source.start()
    await asyncio.wait_for(source.finished(), PATIENCE)
    await source.drain()
    return L


def test_values_are_read_back_unchanged(uri):
    at = datetime.datetime(2026, 3, 27, 8, 30, 0, 123000, tzinfo=datetime.timezone.utc)
    document = {
        "_id": 1,
        "values": [None, True, 7, 2**40, 20.5, "Straße", b"\x00\xff", {"deep": [1]}],
        "at": at,
        "link": ObjectId("65f1c0ffee65f1c0ffee65f1"),
    }

    async def main():
        failed = await write(uri, [document])
        return failed, await read(uri)

    failed, found = asyncio.run(main())
    assert failed == []
    assert found == [document]
    assert type(found[0]["link"]) is ObjectId and found[0]["at"].tzinfo is not None


def test_times_and_missing_values_of_numpy_and_pandas_are_stored_as_those_of_python(uri):
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    at = np.datetime64("2026-03-27T08:30:00.123", "ns")

    async def main():
        failed = await write(
            uri, [{"_id": 1, "missing": [pd.NaT, pd.NA, np.datetime64("NaT")], "at": [at, pd.Timestamp(at)]}]
        )
        return failed, await read(uri)

    failed, found = asyncio.run(main())
    time = datetime.datetime(2026, 3, 27, 8, 30, 0, 123000, tzinfo=datetime.timezone.utc)
    assert failed == []
    assert found == [{"_id": 1, "missing": [None, None, None], "at": [time, time]}]


def test_dataclasses_get_ids_and_a_non_document_fails_alone(uri):
    @dataclasses.dataclass
    class Edit:
        title: str
        at: datetime.datetime

    at = datetime.datetime(2026, 3, 27)
    nested = {}
    nested["self"] = nested

    async def main():
        wrong = [7, {1: 2}, {"n": 2**64}, {"x": object()}, nested]
        failed = await write(uri, [Edit("a", at), *wrong, Edit("b", at)])
        return failed, await read(uri)

    failed, found = asyncio.run(main())
    assert [document["title"] for document in found] == ["a", "b"]
    assert all(type(document["_id"]) is ObjectId for document in found)
    assert found[0]["at"] == at.replace(tzinfo=datetime.timezone.utc)
    problems = [
        "no document can be made of a int",
        "is text, not 1",
        "more than 64 bits",
        "a object cannot",
        "100 deep",
    ]
    for said, what in zip(failed, problems, strict=True):
        assert what in said and "collection `tests.edits`" in said


@pytest.mark.parametrize("ordered", [True, False])
def test_a_rejected_document_fails_alone(uri, ordered):
    async def main():
        failed = await write(uri, [{"_id": number} for number in [1, 2, 2, 3]], ordered=ordered)
        return failed, await read(uri)

    failed, found = asyncio.run(main())
    assert found == [{"_id": 1}, {"_id": 2}, {"_id": 3}]
    assert len(failed) == 1 and "code 11000" in failed[0]


def test_a_key_replaces_documents_and_changes_name_their_operation(uri):
    async def main():
        edits = [{"title": "Elbe", "size": 1}, {"title": "Rhein", "size": 2}, {"title": "Elbe", "size": 3}]
        assert await write(uri, edits, key="title") == []
        return await read(uri, changes=True)

    found = asyncio.run(main())
    assert sorted((change.document["title"], change.document["size"]) for change in found) == [
        ("Elbe", 3),
        ("Rhein", 2),
    ]
    assert {change.operation for change in found} == {"read"}
    assert all(isinstance(change, MongoDbChange) and change.id == change.document["_id"] for change in found)


def test_a_position_resumes_where_the_last_run_ended(uri, tmp_path):
    path = tmp_path / "edits.db"

    async def main():
        for numbers in [range(5), range(5, 8)]:
            assert await write(uri, [{"_id": number} for number in numbers]) == []
            database = Database(f"sqlite:{path}")
            position = database.position("edits")
            source = Stream.from_mongodb(uri, "tests", "edits", cursor="_id", position=position, asynchronous=True)
            source.map(lambda edit: {"id": edit["_id"]}).to_sql(database, "edits", create=True)
            source.start()
            await asyncio.wait_for(source.finished(), PATIENCE)
            await source.drain()

    asyncio.run(main())
    rows = sqlite3.connect(path).execute("SELECT id FROM edits").fetchall()
    assert sorted(rows) == [(number,) for number in range(8)]


def test_a_server_without_change_streams_is_an_error_with_a_remedy(uri, caplog):
    async def main():
        source = Stream.from_mongodb(uri, "tests", "edits", asynchronous=True)
        source.sink_to_list()
        source.start()
        await asyncio.wait_for(source.finished(), PATIENCE)

    asyncio.run(main())
    assert "this server has no change streams" in caplog.text and "`cursor` and `poll`" in caplog.text


def test_an_unreachable_server_is_named_without_its_password():
    port = free_port()
    uri = f"mongodb://me:secret@127.0.0.1:{port}/?serverSelectionTimeoutMS=10"
    (said,) = asyncio.run(write(uri, [{"_id": 1}], retries=1, wait="1ms"))
    assert f"MongoDB at 127.0.0.1:{port}: not written to collection `tests.edits`" in said
    assert "tried 2 times" in said and "secret" not in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("http://me:secret@localhost", "a", "b"), "to_mongodb: MongoDB at localhost: the URI is not a MongoDB URI"),
        (("mongodb://localhost", "", "b"), "to_mongodb: `database` is text"),
        (("mongodb://localhost", "a", 7), "to_mongodb: `collection` is text"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message) as raised:
        Stream().to_mongodb(*arguments)
    assert "secret" not in str(raised.value)


def test_poll_and_after_need_a_cursor():
    for wrong in [{"poll": "1s"}, {"after": 7}]:
        with pytest.raises(ValueError, match=r"from_mongodb: .*say which field"):
            Stream.from_mongodb("mongodb://localhost", "a", "b", **wrong)


def test_the_feed_of_edits_is_saved(uri):
    spec = importlib.util.spec_from_file_location("feed_to_mongodb", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    assert asyncio.run(asyncio.wait_for(example.main(uri), PATIENCE)) == (300, 100)


def test_ids_of_other_packages_are_accepted(uri):
    class ForeignId:
        def __str__(self):
            return "65f1c0ffee65f1c0ffee65f2"

    ForeignId.__name__ = "ObjectId"

    async def main():
        failed = await write(uri, [{"_id": ForeignId()}])
        return failed, await read(uri)

    failed, found = asyncio.run(main())
    assert failed == [] and found == [{"_id": ObjectId("65f1c0ffee65f1c0ffee65f2")}]
