"""Kafka, against a stand-in for its brokers in this process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sqlite3
import types
import uuid
from pathlib import Path

import pytest

from servers import kafka
from support import PATIENCE, until
from thalweg import Database, RefCounter, Stream
from thalweg.errors import PipelineError
from thalweg.sinks import KafkaRecord, KafkaTransactions
from thalweg.sources import KafkaMessage
from thalweg.tasks import Client
from thalweg.testing import KafkaBroker

AVERAGES = Path(__file__).parents[1] / "examples" / "kafka_averages.py"


@pytest.fixture
def broker():
    with KafkaBroker({"numbers": 2, "one": 1}) as broker:
        yield broker


def params(broker, group="readers"):
    return {
        "bootstrap.servers": broker.address,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 100,
    }


def write(broker, topic, values):
    source = Stream()
    node = source.to_kafka(topic, {"bootstrap.servers": broker.address})
    source.emit_many(values)
    source.drain()
    return node


async def read(source, build=lambda stream: stream):
    """Run a source to its end; return its elements."""
    L = build(source).sink_to_list()
    source.start()
    await asyncio.wait_for(source.finished(), PATIENCE)
    await source.drain()
    return L


def read_all(broker, topic, build=lambda stream: stream, **kwargs):
    async def main():
        source = Stream.from_kafka(topic, params(broker), until_end=True, asynchronous=True, **kwargs)
        return await read(source, build)

    return asyncio.run(main())


def test_values_arrive_unchanged_and_a_group_resumes_at_its_offset(broker):
    write(broker, "one", ["a", b"b", bytearray(b"c")])
    assert read_all(broker, "one", lambda stream: stream.buffer(2)) == [b"a", b"b", b"c"]
    write(broker, "one", ["d"])
    assert read_all(broker, "one") == [b"d"]


def test_a_run_that_outlives_its_event_loop_ends_on_the_next(broker, caplog):
    write(broker, "one", [str(x) for x in range(300)])
    source = Stream.from_kafka("one", params(broker), asynchronous=True)
    begun = asyncio.Event()
    L = source.map(int).buffer(4).sink_to_list()
    source.sink(lambda x: begun.set())

    async def begin():
        source.start()
        await begun.wait()
        source.stop()

    async def go_on():
        source.start()
        await asyncio.to_thread(write, broker, "one", ["300"])
        while len(L) < 301:
            await asyncio.sleep(0.001)
        await source.drain()

    for main in (begin, go_on):
        asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert list(range(301)) == L
    assert "runs already" not in caplog.text


def test_messages_have_key_headers_and_position(broker):
    record = KafkaRecord("20.5", key="roof", headers={"unit": b"celsius"}, partition=1, timestamp=7)
    write(broker, "numbers", [record, KafkaRecord(None, key="gone", partition=1)])
    first, second = read_all(broker, "numbers", messages=True)
    assert first == KafkaMessage(b"20.5", b"roof", (("unit", b"celsius"),), "numbers", 1, 0, 7)
    assert (second.value, second.key, second.offset) == (None, b"gone", 1)


def test_a_message_can_be_written_to_another_topic(broker):
    write(broker, "numbers", [KafkaRecord("1", key="a", partition=1)])

    def copy(stream):
        return stream.to_kafka("one", {"bootstrap.servers": broker.address})

    assert read_all(broker, "numbers", copy, messages=True) == [b"1"]


def test_acknowledgement_waits_for_delivery(broker):
    source = Stream()
    L = source.to_kafka("one", {"bootstrap.servers": broker.address, "linger.ms": 50}).sink_to_list()
    log = []
    source.emit("a", metadata=[{"ref": RefCounter(cb=lambda: log.append(list(L)))}])
    assert L == [b"a"]
    source.drain()
    assert log == [[b"a"]]


def test_an_undeliverable_message_fails_its_element(broker):
    source = Stream()
    L = source.to_kafka("one", {"bootstrap.servers": broker.address, "message.max.bytes": 2000}).sink_to_list()
    with pytest.raises(PipelineError, match=r"a message of 3000 bytes was not written to topic `one`.*raise the"):
        source.emit(b"x" * 3000)
    with pytest.raises(TypeError, match="an element is bytes, text, a KafkaRecord or a KafkaMessage, not int"):
        source.emit(7)
    source.emit("a")
    source.drain()
    assert L == [b"a"]


def test_the_sink_needs_no_reference(broker):
    source = Stream()
    source.to_kafka("one", {"bootstrap.servers": broker.address})
    gc.collect()
    source.emit("a")
    source.drain()
    assert read_all(broker, "one") == [b"a"]


def test_the_example_prints_the_average(python):
    ended = python(AVERAGES)
    assert ended.stdout == "the average of 100 readings is 49.5\n", ended.stderr


def test_flush_returns_the_number_of_undelivered_messages(broker):
    source = Stream()
    node = source.to_kafka("one", {"bootstrap.servers": broker.address})
    assert node.flush() == 0
    source.emit("a")
    assert node.flush(5) == 0
    source.drain()


def test_failed_messages_are_read_again(broker):
    write(broker, "one", list("abcde"))

    def fails(stream):
        return stream.map(lambda x: x if x != b"c" else 1 / 0)

    async def main():
        source = Stream.from_kafka("one", params(broker), until_end=True, asynchronous=True)
        L = fails(source).sink_to_list()
        source.start()
        await asyncio.wait_for(source.finished(), PATIENCE)
        with contextlib.suppress(ZeroDivisionError, PipelineError):
            await source.drain()
        return L

    assert asyncio.run(main()) == [b"a", b"b", b"d", b"e"]
    assert read_all(broker, "one") == [b"c", b"d", b"e"]


def test_rows_and_positions_are_stored_together(broker, tmp_path):
    database = Database(f"sqlite:{tmp_path / 'out.db'}")

    async def main():
        source = Stream.from_kafka("numbers", params(broker), until_end=True, positions=database, asynchronous=True)
        source.map(lambda value: {"number": int(value)}).to_sql(database, "rows", create=True)
        source.start()
        await asyncio.wait_for(source.finished(), PATIENCE)
        await source.drain()

    for numbers in [range(10), range(10, 15)]:
        write(broker, "numbers", [str(x) for x in numbers])
        asyncio.run(main())
    with sqlite3.connect(tmp_path / "out.db") as connection:
        rows = connection.execute("SELECT number FROM rows ORDER BY number").fetchall()
        places = connection.execute("SELECT name FROM thalweg_positions ORDER BY name").fetchall()
    assert rows == [(x,) for x in range(15)]
    assert places == [("readers/numbers/0",), ("readers/numbers/1",)]


def test_batches_are_lists_of_one_partition(broker):
    write(broker, "numbers", [KafkaRecord(str(x), key=str(x)) for x in range(20)])

    async def main(**kwargs):
        source = Stream.from_kafka_batched(
            "numbers", params(broker, uuid.uuid4().hex), "1ms", until_end=True, asynchronous=True, **kwargs
        )
        return await read(source)

    batches = asyncio.run(main(max_batch_size=4))
    assert all(len(batch) <= 4 for batch in batches)
    assert sorted(int(x) for batch in batches for x in batch) == list(range(20))
    first = asyncio.run(main(keys=True))[0][0]
    assert first["key"] == first["value"]


def test_batches_can_be_processed_on_an_engine(broker):
    write(broker, "numbers", [str(x) for x in range(20)])
    with Client(processes=False, n_workers=2):
        source = Stream.from_kafka_batched("numbers", params(broker), "1ms", dask=True, start=True)
        L = source.map(lambda batch: sum(map(int, batch))).buffer(5).gather().sink_to_list()
        until(lambda: sum(L) == sum(range(20)))
        source.drain()


def test_a_source_that_is_destroyed_leaves_its_group(broker):
    write(broker, "one", ["a"])
    source = Stream.from_kafka("one", params(broker), start=True)
    L = source.sink_to_list()
    until(lambda: L)
    source.stop()
    source.destroy()
    assert read_all(broker, "one") == []


def test_without_a_loop_the_source_runs_on_a_thread(broker):
    write(broker, "one", list("abc"))
    source = Stream.from_kafka(["one"], params(broker), start=True)
    L = source.sink_to_list()
    until(lambda: len(L) == 3)
    source.drain()
    assert L == [b"a", b"b", b"c"]
    assert read_all(broker, "one") == []


def test_a_new_group_reads_messages_written_after_the_start(broker):
    write(broker, "one", ["early"])
    source = Stream.from_kafka("one", {**params(broker), "auto.offset.reset": "latest"}, start=True)
    L = source.sink_to_list()
    until(lambda: source.started)
    write(broker, "one", ["late"])
    until(lambda: L)
    source.drain()
    assert L == [b"late"]


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: Stream.from_kafka("a", {"group.id": "g"}), "`bootstrap.servers` is missing"),
        (lambda: Stream.from_kafka("a", {"bootstrap.servers": "localhost:1"}), "`group.id` is missing"),
        (lambda: Stream.from_kafka([], {"bootstrap.servers": "localhost:1", "group.id": "g"}), "a topic needs a name"),
        (
            lambda: Stream.from_kafka(
                "a", {"bootstrap.servers": "localhost:1", "group.id": "g", "enable.auto.commit": True}
            ),
            "`enable.auto.commit` can only be",
        ),
        (lambda: Stream.from_kafka_batched("a", {}, npartitions=0), "`npartitions` is at least one"),
        (lambda: Stream.from_kafka_batched("a", {}, engine="cudf"), "`engine` can only be None, not 'cudf'"),
        (lambda: Stream().to_kafka("a", {"bootstrap.servers": "localhost:1", "no.such": 1}), "no.such"),
        (lambda: Stream().to_kafka("", {"bootstrap.servers": "localhost:1"}), "a topic needs a name"),
    ],
)
def test_options_are_checked_at_once(call, problem):
    with pytest.raises(ValueError, match=problem):
        call()


def test_options_are_a_dict_whose_values_stay_hidden():
    with pytest.raises(TypeError, match="`consumer_params` is a dict of options, not str"):
        Stream.from_kafka("a", "localhost:1")
    with pytest.raises(ValueError) as error:
        Stream().to_kafka("a", {"bootstrap.servers": "localhost:1", "sasl.password": "hunter2", "linger.ms": "soon"})
    assert "hunter2" not in str(error.value)


def test_a_real_server_is_read_and_written():
    address = kafka()

    class Server:
        pass

    server = Server()
    server.address = address
    topic = f"thalweg-{uuid.uuid4().hex}"
    write(server, topic, [str(x) for x in range(1000)])
    assert [int(x) for x in read_all(server, topic)] == list(range(1000))


def copy_in_transactions(broker, topic, target):
    """Copy the remaining messages; return the number of elements read."""

    async def main():
        transactions = KafkaTransactions(target)
        params = {"bootstrap.servers": broker.address, "group.id": topic, "auto.offset.reset": "earliest"}
        source = Stream.from_kafka(topic, params, until_end=True, transactions=transactions, asynchronous=True)
        read = source.sink_to_list()
        pairs = source.map(lambda value: [value, int(value) + 1000]).flatten()
        pairs.map(lambda x: x if isinstance(x, bytes) else str(x)).to_kafka(
            target, {"bootstrap.servers": broker.address}, transactions=transactions
        )
        source.start()
        await source.finished()
        await source.drain()
        return len(read)

    return asyncio.run(main())


def test_transactions_on_a_real_server_write_exactly_once():
    address = kafka()
    server = types.SimpleNamespace(address=address)
    topic, target = f"thalweg-{uuid.uuid4().hex}", f"thalweg-{uuid.uuid4().hex}"
    write(server, topic, [str(x) for x in range(500)])
    assert copy_in_transactions(server, topic, target) == 500
    write(server, topic, [str(x) for x in range(500, 700)])
    # Messages of the last transaction are read again but not written again.
    assert 200 <= copy_in_transactions(server, topic, target) <= 700
    there = sorted(int(x) for x in read_all(server, target))
    assert there == sorted([*range(700), *range(1000, 1700)])


def test_invalid_transaction_options_are_refused(broker):
    with pytest.raises(ValueError, match="`id` is text that is not empty"):
        KafkaTransactions("")
    transactions, source = KafkaTransactions("id"), Stream()
    first = source.to_kafka("out", {"bootstrap.servers": "localhost:1"}, transactions=transactions)
    with pytest.raises(ValueError, match="have a sink already"):
        source.to_kafka("out", {"bootstrap.servers": "localhost:1"}, transactions=transactions)
    assert first.topic == "out"
