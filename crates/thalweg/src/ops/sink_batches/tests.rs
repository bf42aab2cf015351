use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::super::test_inputs::ms;
use super::*;
use crate::{Ack, OnError, Outcome, Retry, VirtualClock};

/// Slightly more than a multiple of the interval between elements, so that none arrives just as a write ends.
const WORK: Duration = Duration::from_micros(100_001);

/// A batch, and the time of its write.
type Tried = (Duration, Vec<u32>);

/// Batches received by a trial's sink, with their times.
#[derive(Clone, Default)]
struct Seen {
    tried: Arc<Mutex<Vec<Tried>>>,
    acked: Arc<Mutex<Vec<(u32, Outcome)>>>,
}

/// Takes 100 ms for a batch, and rejects it if it contains a rejected element.
struct Slow {
    clock: VirtualClock,
    seen: Seen,
    refuses: Vec<u32>,
    blames: bool,
}

impl BatchSink<u32> for Slow {
    type Error = &'static str;

    async fn write(&mut self, batch: Batch<u32>) -> Result<(), Self::Error> {
        lock(&self.seen.tried).push((self.clock.now(), batch.to_vec()));
        self.clock.sleep(WORK).await;
        match batch.iter().any(|x| self.refuses.contains(x)) {
            true => Err("refused"),
            false => Ok(()),
        }
    }

    fn blames_element(&self, _: &Self::Error) -> bool {
        self.blames
    }

    fn size_of(x: &u32) -> usize {
        *x as usize
    }
}

struct Trial {
    clock: VirtualClock,
    source: Stream<u32>,
    sink: Sink,
    seen: Seen,
}

impl Trial {
    fn new(refuses: &[u32], blames: bool, max_len: usize, max_bytes: usize) -> Self {
        let (clock, seen) = (VirtualClock::new(), Seen::default());
        let source = Stream::on(&clock);
        let sink = SinkBatches::new(Slow {
            clock: clock.clone(),
            seen: seen.clone(),
            refuses: refuses.to_vec(),
            blames,
        });
        let sink = sink.max_len(max_len).expect("not zero");
        let sink = Sink::from(source.apply(sink.max_bytes(max_bytes)));
        Self {
            clock,
            source,
            sink,
            seen,
        }
    }

    fn emit(&self, x: u32) -> crate::Emit {
        let acked = self.seen.acked.clone();
        let ack = Ack::new(move |outcome| lock(&acked).push((x, outcome)));
        self.source.emit_with(x, ack)
    }

    fn tried(&self) -> Vec<(Duration, Vec<u32>)> {
        lock(&self.seen.tried).clone()
    }

    fn acked(&self) -> Vec<(u32, Outcome)> {
        lock(&self.seen.acked).clone()
    }
}

fn delivered(xs: impl IntoIterator<Item = u32>) -> Vec<(u32, Outcome)> {
    xs.into_iter().map(|x| (x, Outcome::Delivered)).collect()
}

#[test]
fn elements_arriving_during_a_write_form_the_next_batch_and_a_full_batch_blocks() {
    let trial = Trial::new(&[], true, 3, usize::MAX);
    assert!(trial.emit(0).is_ready());
    trial.clock.run_until_idle();
    let emitted: Vec<_> = (1..=5).map(|x| trial.emit(x)).collect();
    let ready = || emitted.iter().filter(|emitted| emitted.is_ready()).count();
    assert_eq!(ready(), 3);
    assert!(trial.acked().is_empty());
    trial.clock.advance(WORK);
    assert_eq!((ready(), trial.acked()), (5, delivered([0])));
    trial.clock.advance(3 * WORK);
    let expected = [
        (Duration::ZERO, vec![0]),
        (WORK, vec![1, 2, 3]),
        (2 * WORK, vec![4, 5]),
    ];
    assert_eq!(trial.tried(), expected);
    assert_eq!(trial.acked(), delivered(0..=5));
}

#[test]
fn a_batch_is_limited_by_bytes_but_holds_at_least_one_element() {
    let trial = Trial::new(&[], true, 100, 10);
    drop(trial.emit(1));
    trial.clock.run_until_idle();
    for x in [4, 6, 1, 50, 2] {
        trial.emit(x).detach();
    }
    trial.clock.advance(Duration::from_secs(10));
    let tried: Vec<_> = trial.tried().into_iter().map(|(_, batch)| batch).collect();
    assert_eq!(tried, [vec![1], vec![4, 6], vec![1], vec![50], vec![2]]);
}

#[test]
fn one_bad_element_fails_alone() {
    let trial = Trial::new(&[3], true, 100, usize::MAX);
    let errors = trial.sink.stream().errors();
    let failed = errors.map(|failure| (failure.element::<u32>(), failure.ordinal()));
    let failed = failed.sink_to_list();
    (0..=7).for_each(|x| drop(trial.emit(x)));
    trial
        .clock
        .block_on(trial.source.drain("1h"))
        .expect("its failures go elsewhere");
    assert_eq!(failed.to_vec(), [(Some(3), 4)]);
    let last = trial.tried().last().expect("a batch").1.clone();
    assert_eq!(last, [4, 5, 6, 7]);
    assert_eq!(trial.acked(), delivered(0..=7));
}

#[test]
fn an_error_of_the_whole_batch_is_retried_and_then_fails_each_element() {
    let trial = Trial::new(&[1], false, 100, usize::MAX);
    trial
        .sink
        .stream()
        .clone()
        .on_error(Retry::times(2).backoff("1s"));
    drop(trial.source.emit_many([0, 1, 2]));
    let error = trial
        .clock
        .block_on(trial.source.drain("1h"))
        .expect_err("refused");
    assert_eq!(error.failures().len(), 2);
    assert_eq!(error.failures()[1].cause().to_string(), "refused");
    let second = Duration::from_secs(1);
    let times = [WORK, 2 * WORK + second, 3 * WORK + 3 * second];
    assert_eq!(trial.tried()[0], (Duration::ZERO, vec![0]));
    assert_eq!(trial.tried()[1..], times.map(|at| (at, vec![1, 2])));
}

#[test]
fn synchronous_writes_need_no_runtime_and_a_panic_loses_nothing_else() {
    struct Plain(Arc<Mutex<Vec<Vec<u32>>>>);
    impl BatchSink<u32> for Plain {
        type Error = BoxError;

        async fn write(&mut self, batch: Batch<u32>) -> Result<(), BoxError> {
            assert!(!batch.contains(&2), "two");
            lock(&self.0).push(batch.into_vec());
            Ok(())
        }

        fn waits(&self) -> bool {
            false
        }
    }
    let written = Arc::new(Mutex::new(Vec::new()));
    let source = Stream::new();
    source.sink_to(Plain(written.clone()));
    let error = source.emit_many([0, 1, 2, 3]).wait().expect_err("two");
    assert!(error.failures().len() == 1 && error.failures()[0].is_panic());
    assert_eq!(*lock(&written), [[0], [1], [3]]);
    source.emit(4).wait().expect("the sink is in its place");
    assert_eq!(*lock(&written), [[0], [1], [3], [4]]);
}

#[test]
fn elements_are_prepared_while_others_are_written_and_failures_reach_their_emitters() {
    struct Doubles(Slow);
    impl BatchSink<u32, u32> for Doubles {
        type Error = &'static str;

        async fn write(&mut self, batch: Batch<u32, u32>) -> Result<(), Self::Error> {
            assert!(
                batch
                    .iter()
                    .zip(&**batch.prepared())
                    .all(|(x, twice)| 2 * x == *twice)
            );
            self.0.write(Batch::from(batch.prepared().to_vec())).await
        }
    }
    let (clock, seen) = (VirtualClock::new(), Seen::default());
    let source = Stream::on(&clock);
    let slow = Slow {
        clock: clock.clone(),
        seen: seen.clone(),
        refuses: vec![10],
        blames: true,
    };
    let prepared = Arc::new(Mutex::new(Vec::new()));
    let (remembers, mut attempts) = (prepared.clone(), 0);
    let prepare = move |x: &u32| {
        lock(&remembers).push(*x);
        attempts += 1;
        match *x {
            2 => Err("two"),
            3 if attempts < 5 => Err("not yet"),
            _ => Ok(2 * x),
        }
    };
    let sink = source.apply(SinkBatches::preparing(Doubles(slow), prepare));
    sink.on_error(Retry::times(1));
    source.emit(1).wait().expect("it is prepared");
    clock.run_until_idle();
    let emitted: Vec<_> = [2, 3, 4, 5].map(|x| source.emit(x)).into();
    assert_eq!(*lock(&prepared), [1, 2, 2, 3, 3, 4, 5], "during the write");
    let came = emitted.into_iter().map(|emitted| emitted.wait().is_ok());
    assert!(came.eq([false, true, true, true]));
    let error = clock
        .block_on(source.drain("1h"))
        .expect_err("ten is refused");
    assert!(error.to_string().contains("element 5"), "{error}");
    let tried: Vec<_> = lock(&seen.tried)
        .iter()
        .map(|(_, batch)| batch.clone())
        .collect();
    assert_eq!(
        tried,
        [
            vec![2],
            vec![6, 8, 10],
            vec![6],
            vec![8, 10],
            vec![8],
            vec![10],
            vec![10]
        ]
    );
}

/// Batches in the order of writes, with their times.
fn model(
    schedule: &[(Duration, u32)],
    refuses: &[u32],
    max_len: usize,
) -> Vec<(Duration, Vec<u32>)> {
    let mut coming = VecDeque::from(schedule.to_vec());
    let (mut tried, mut now) = (Vec::new(), Duration::ZERO);
    while let Some((first, _)) = coming.front() {
        now = now.max(*first);
        let (here, later): (Vec<_>, Vec<_>) = coming.iter().partition(|(at, _)| *at <= now);
        let batch: Vec<_> = here.iter().take(max_len).map(|(_, x)| *x).collect();
        coming = here.into_iter().skip(max_len).chain(later).collect();
        let mut halves = vec![batch];
        while let Some(mut batch) = halves.pop() {
            let fails = batch.iter().any(|x| refuses.contains(x));
            tried.push((now, batch.clone()));
            now += WORK;
            if fails && batch.len() > 1 {
                let second = batch.split_off(batch.len() / 2);
                halves.extend([second, batch]);
            }
        }
    }
    tried
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn batches_match_a_plain_model(
        gaps in prop::collection::vec(prop_oneof![Just(1), 1..120_u64], 1..40),
        refuses in prop::collection::vec(0..40_u32, 0..4),
        max_len in 1..9_usize,
    ) {
        let times = gaps.iter().scan(0, |at, gap| { *at += gap; Some(ms(*at)) });
        let schedule: Vec<_> = times.zip(0..).collect();
        let trial = Trial::new(&refuses, true, max_len, usize::MAX);
        trial.sink.stream().clone().on_error(OnError::Skip);
        for (at, x) in &schedule {
            trial.clock.advance(at.saturating_sub(trial.clock.now()));
            trial.emit(*x).detach();
        }
        trial.clock.block_on(trial.source.drain("1h")).expect("failures are skipped");
        prop_assert_eq!(trial.tried(), model(&schedule, &refuses, max_len));
        let all = schedule.iter().map(|(_, x)| *x);
        prop_assert_eq!(trial.acked(), delivered(all));
    }
}
