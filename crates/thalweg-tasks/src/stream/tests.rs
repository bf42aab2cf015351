use super::*;
use crate::sync::lock;
use proptest::prelude::*;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;
use thalweg::OnError::Skip;
use thalweg::{EventLoop, Failure, VirtualClock};

/// An operation on a stream of numbers, here or on a client.
#[derive(Debug, Clone)]
enum Piece {
    Add(u64),
    FailOn(u64),
    Keep(u64),
    Unique(u64),
    Sums,
    Partition(usize),
    Window(usize),
    Buffer(usize),
    Every(usize),
    ZipSelf(u64),
    Latest(u64),
    Union(u64),
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = prop_oneof![
        (0..9_u64).prop_map(Piece::Add),
        (2..5_u64).prop_map(Piece::FailOn),
        (2..5_u64).prop_map(Piece::Keep),
        (2..9_u64).prop_map(Piece::Unique),
        Just(Piece::Sums),
        (1..4_usize).prop_map(Piece::Partition),
        (1..4_usize).prop_map(Piece::Window),
        (1..20_usize).prop_map(Piece::Buffer),
        (1..4_usize).prop_map(Piece::Every),
        (0..9_u64).prop_map(Piece::ZipSelf),
        (2..5_u64).prop_map(Piece::Latest),
        (2..5_u64).prop_map(Piece::Union),
    ];
    proptest::collection::vec(piece, 0..5)
}

fn unless(divisor: u64, x: u64) -> Result<u64, String> {
    if x.is_multiple_of(divisor) {
        return Err(format!("{x} is divided by {divisor}"));
    }
    Ok(x)
}

fn sum(xs: Vec<u64>) -> u64 {
    xs.into_iter().sum()
}

fn plain(stream: &Stream<u64>, piece: &Piece) -> Stream<u64> {
    match *piece {
        Piece::Add(n) => stream.map(move |x| x + n),
        Piece::FailOn(n) => stream.filter_map(move |x| unless(n, x).ok()),
        Piece::Keep(n) => stream.filter(move |x| x % n == 0),
        Piece::Unique(n) => stream.unique_by(move |x| x % n),
        Piece::Sums => stream.scan(0, |sum, x| sum + x),
        Piece::Partition(n) => stream.partition(n).map(sum),
        Piece::Window(n) => stream.sliding_window(n).map(sum),
        Piece::Buffer(n) => stream.buffer(n),
        Piece::Every(n) => stream.slice(.., n),
        Piece::ZipSelf(n) => stream.zip(&stream.map(move |x| x + n)).map(|(a, b)| a + b),
        Piece::Latest(n) => {
            let some = stream.filter(move |x| x % n == 0);
            stream.combine_latest(&some).map(|(a, b)| a + b)
        }
        Piece::Union(n) => stream.union(&stream.filter(move |x| x % n == 0)),
    }
}

fn parallel(stream: &ParallelStream<u64>, piece: &Piece) -> ParallelStream<u64> {
    match *piece {
        Piece::Add(n) => stream.map(move |x| x + n),
        Piece::FailOn(n) => {
            let tried = stream.try_map(move |x| unless(n, x));
            ParallelStream::of_values(
                &tried.gather().on_error(Skip),
                &stream.queue,
                Waits::default(),
            )
        }
        Piece::Keep(n) => stream.filter(move |x| x % n == 0),
        Piece::Unique(n) => stream.unique_by(move |x| x % n),
        Piece::Sums => stream.scan(0, |sum, x| sum + x),
        Piece::Partition(n) => stream.partition(n).map(sum),
        Piece::Window(n) => stream.sliding_window(n).map(sum),
        Piece::Buffer(n) => stream.buffer(n),
        Piece::Every(n) => stream.here(|values| values.slice(.., n)),
        Piece::ZipSelf(n) => stream.zip(&stream.map(move |x| x + n)).map(|(a, b)| a + b),
        Piece::Latest(n) => {
            let some = stream.filter(move |x| x % n == 0);
            stream.combine_latest(&some).map(|(a, b)| a + b)
        }
        Piece::Union(n) => stream.union(&stream.filter(move |x| x % n == 0)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn results_match_a_plain_stream(
        pieces in pieces(),
        xs in proptest::collection::vec(0..40_u64, 0..30),
        many in any::<bool>(),
    ) {
        let source = Stream::new();
        let here = pieces.iter().fold(source.clone(), |stream, piece| plain(&stream, piece));
        let expected = here.sink_to_list();
        source.emit_many(xs.clone()).wait().expect("nothing fails");
        source.drain("1min").wait().expect("nothing fails");

        let client = Client::threads(2).expect("there are threads");
        let source = Stream::new();
        let on = source.scatter(&client);
        let there = pieces.iter().fold(on, |stream, piece| parallel(&stream, piece));
        let list = there.gather().sink_to_list();
        if many {
            source.emit_many(xs).wait().expect("nothing fails");
        } else {
            xs.into_iter().for_each(|x| source.emit(x).wait().expect("nothing fails"));
        }
        source.drain("1min").wait().expect("nothing fails");
        prop_assert_eq!(list.to_vec(), expected.to_vec());
    }
}

/// Result of a task that uses a stream on its own engine.
fn within_a_task(client: &Client, x: u32) -> Vec<u32> {
    let source = Stream::new();
    let list = source
        .scatter(client)
        .map(|x: u32| x + 1)
        .gather()
        .sink_to_list();
    for x in x..x + 3 {
        source.emit(x).wait().expect("nothing fails");
    }
    source.drain("1min").wait().expect("nothing fails");
    list.to_vec()
}

#[test]
fn tasks_and_steps_may_wait_for_streams_on_their_own_threads() {
    let client = Client::threads(1).expect("there is a thread");
    let here = client.clone();
    let task = client.submit(move || within_a_task(&here, 1));
    let limit = Duration::from_secs(60);
    assert_eq!(task.result_within(limit).expect("done"), [2, 3, 4]);

    let (source, here) = (Stream::new(), client.clone());
    let list = source
        .scatter(&client)
        .map(move |x: u32| within_a_task(&here, x))
        .buffer(4)
        .gather()
        .sink_to_list();
    source.emit_many(0..4).wait().expect("nothing fails");
    source.drain("1min").wait().expect("nothing fails");
    let expected: Vec<_> = (0..4).map(|x| vec![x + 1, x + 2, x + 3]).collect();
    assert_eq!(list.to_vec(), expected);
}

#[test]
fn a_returned_emit_has_been_delivered() {
    let client = Client::threads(2).expect("there are threads");
    let source = Stream::new();
    let list = source
        .scatter(&client)
        .map(|x: u32| x + 1)
        .gather()
        .sink_to_list();
    for x in 0..10 {
        source.emit(x).wait().expect("nothing fails");
        assert_eq!(list.len(), x as usize + 1);
    }
}

#[test]
fn many_elements_run_concurrently_on_the_client() {
    let client = Client::threads(3).expect("there are threads");
    let together = Arc::new(std::sync::Barrier::new(3));
    let source = Stream::new();
    let met = source.scatter(&client).map(move |x: u32| {
        together.wait();
        x
    });
    let list = met.gather().sink_to_list();
    source.emit_many(0..6).wait().expect("nothing fails");
    assert_eq!(list.to_vec(), [0, 1, 2, 3, 4, 5]);
}

/// A stream of elements whose steps wait for each other, with a node behind them that waits for values; and that node's
/// stream.
fn meeting(number: usize) -> (Client, Stream<u32>, ParallelStream<Vec<u32>>) {
    let client = Client::threads(number).expect("there are threads");
    let together = Arc::new(std::sync::Barrier::new(number));
    let source = Stream::new();
    let met = source.scatter(&client).map(move |x: u32| {
        together.wait();
        x
    });
    let single = met.partition(1);
    (client, source, single)
}

#[test]
fn emitters_wait_only_for_the_buffer_behind_nodes_that_wait_for_values() {
    let (_client, source, single) = meeting(3);
    let list = single.map(|x| x[0]).buffer(3).gather().sink_to_list();
    for x in 0..3 {
        assert!(source.emit(x).is_ready(), "there is room");
    }
    source.drain("1min").wait().expect("nothing fails");
    assert_eq!(list.to_vec(), [0, 1, 2]);
}

#[test]
fn emitters_wait_for_a_way_without_a_buffer() {
    for is_buffer_first in [false, true] {
        let (_client, source, single) = meeting(2);
        let mut lists = Vec::new();
        for is_buffered in [is_buffer_first, !is_buffer_first] {
            let stream = match is_buffered {
                true => single.buffer(3),
                false => single.clone(),
            };
            lists.push((is_buffered, stream.gather().sink_to_list()));
        }
        let first = source.emit(1);
        assert!(!first.is_ready(), "its step waits for another");
        source.emit(2).wait().expect("nothing fails");
        for (is_buffered, list) in lists {
            assert!(is_buffered || list.to_vec() == [vec![1], vec![2]]);
        }
        source.drain("1min").wait().expect("nothing fails");
    }
}

#[test]
fn unordered_emits_results_as_they_finish() {
    let client = Client::threads(2).expect("there are threads");
    let (open, gate) = mpsc::channel();
    let gate = Mutex::new(gate);
    let source = Stream::new();
    let waited = source.scatter(&client).map(move |x: u32| {
        if x == 0 {
            lock(&gate).recv().expect("it is opened");
        }
        x
    });
    let gathered = waited.gather_unordered();
    gathered.sink(move |x: u32| {
        if x == 1 {
            open.send(()).expect("somebody waits");
        }
    });
    let list = gathered.sink_to_list();
    source.emit_many([0, 1]).wait().expect("nothing fails");
    assert_eq!(list.to_vec(), [1, 0]);
}

#[test]
fn panics_and_a_closed_client_are_reported_to_the_emitter() {
    let client = Client::threads(1).expect("there are threads");
    let source = Stream::new();
    let list = source
        .scatter(&client)
        .map(|x: u32| 10_u32.checked_div(x).expect("it is not zero"))
        .gather()
        .sink_to_list();
    let failures = |error: &thalweg::Error| -> Vec<String> {
        error.failures().iter().map(Failure::to_string).collect()
    };
    let panicked = source.emit(0).wait().expect_err("it fails");
    assert!(
        failures(&panicked)[0].contains("it is not zero"),
        "{panicked}"
    );
    source.emit(5).wait().expect("nothing fails");
    client.close();
    let closed = source.emit(1).wait().expect_err("it fails");
    assert!(failures(&closed)[0].contains("closed"), "{closed}");
    assert_eq!(list.to_vec(), [2]);
}

#[test]
fn functions_without_gather_are_called() {
    let client = Client::threads(1).expect("there are threads");
    let (called, calls) = mpsc::channel();
    let source = Stream::on(EventLoop::shared());
    let mapped = source
        .scatter(&client)
        .map(move |x: u32| called.send(x).expect("the test waits"));
    source.emit(1).wait().expect("nothing fails");
    assert_eq!(calls.recv(), Ok(1));
    drop(mapped);
}

#[test]
fn a_function_may_emit_into_its_own_pipeline() {
    let client = Client::threads(2).expect("there are threads");
    for is_state in [false, true] {
        let source = Stream::new();
        let again = source.clone();
        let emit_next = move |x: u32| {
            if x < 5 {
                again.emit(x + 1).wait().expect("it is queued");
            }
            x
        };
        let on = source.scatter(&client);
        let called = match is_state {
            true => on.scan(0, move |_, x| emit_next(x)),
            false => on.map(emit_next),
        };
        let (send, came) = mpsc::channel();
        called.buffer(2).gather().sink(move |x: u32| {
            send.send(x).expect("the test waits");
        });
        source.emit(0).wait().expect("nothing fails");
        for x in 0..=5 {
            let next = came.recv_timeout(std::time::Duration::from_secs(60));
            assert_eq!(next, Ok(x), "it waits for itself");
        }
    }
}

#[test]
fn results_arrive_after_the_end_of_the_event_loop() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("there are descriptors");
    let client = Client::threads(1).expect("threads start");
    let source = Stream::on(EventLoop::from_handle(runtime.handle().clone()));
    let (keep, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let wait = move |x: i32| {
        // Until the other end is dropped.
        let _ = lock(&gate).recv();
        x
    };
    let gathered = source.scatter(&client).map(wait).buffer(4).gather();
    let list = gathered.sink_to_list();
    for x in 0..3 {
        drop(source.emit(x));
    }
    drop(runtime);
    drop(keep);
    source.drain("1min").wait().expect("all arrive");
    assert_eq!(list.to_vec(), [0, 1, 2]);
}

#[test]
fn a_virtual_clock_waits_for_the_client() {
    let client = Client::threads(1).expect("threads start");
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let (keep, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let wait = move |x: i32| {
        // Until the other end is dropped.
        let _ = lock(&gate).recv();
        x
    };
    let gathered = source.scatter(&client).map(wait).gather();
    let list = gathered.timed_window("1h").sink_to_list();
    clock.block_on(async {
        let emit = source.emit(1);
        drop(keep);
        emit.await.expect("it is computed");
        source.drain("1min").await.expect("it is delivered");
    });
    assert_eq!(list.to_vec(), [[1]]);
    assert_eq!(clock.now(), Duration::ZERO);
}
