//! An operator on a virtual clock.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::sync::lock;
use crate::{Ack, Element, Emit, Outcome, Stream, VirtualClock};

/// An operator on a virtual clock, between a source and a sink.
///
/// ```
/// use std::time::Duration;
/// use thalweg::testing::Bench;
///
/// let bench = Bench::new(|source| source.shift("1s"));
/// drop(bench.emit('a'));
/// bench.advance_to(1500);
/// assert_eq!(bench.take(), [(1000, 'a')]);
/// assert_eq!(bench.acked(), ['a']);
/// ```
#[derive(Debug)]
pub struct Bench<T, U> {
    /// The clock that the operator runs on. It stands still until it is advanced.
    pub clock: VirtualClock,
    /// The operator's upstream.
    pub source: Stream<T>,
    out: Arc<Mutex<Vec<(u64, U)>>>,
    acked: Arc<Mutex<Vec<(T, Outcome)>>>,
}

impl<T: Element, U: Element> Bench<T, U> {
    /// Creates a bench whose sink accepts everything at once.
    pub fn new(build: impl FnOnce(&Stream<T>) -> Stream<U>) -> Self {
        let bench = Self::without_sink();
        let (out, clock) = (bench.out.clone(), bench.clock.clone());
        build(&bench.source).sink(move |y| lock(&out).push((millis(&clock), y)));
        bench
    }

    /// Creates a bench whose sink is asynchronous and takes `work` for each element.
    ///
    /// ```
    /// use std::time::Duration;
    /// use thalweg::testing::Bench;
    ///
    /// let bench = Bench::with_slow_sink(Duration::from_millis(100), |source| source.map(|x: u8| x + 1));
    /// bench.block_on(bench.emit(1))?;
    /// assert_eq!(bench.take(), [(100, 2)]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn with_slow_sink(work: Duration, build: impl FnOnce(&Stream<T>) -> Stream<U>) -> Self {
        let bench = Self::without_sink();
        let (out, clock) = (bench.out.clone(), bench.clock.clone());
        build(&bench.source).sink_async(move |y| {
            let (out, clock) = (out.clone(), clock.clone());
            async move {
                clock.sleep(work).await;
                lock(&out).push((millis(&clock), y));
            }
        });
        bench
    }

    fn without_sink() -> Self {
        let clock = VirtualClock::new();
        Self {
            source: Stream::on(&clock),
            clock,
            out: Arc::default(),
            acked: Arc::default(),
        }
    }

    /// Emits an element with a token; [`acked`](Self::acked) says when it has fired.
    pub fn emit(&self, x: T) -> Emit {
        let (acked, name) = (self.acked.clone(), x.clone());
        let ack = Ack::new(move |outcome| lock(&acked).push((name, outcome)));
        self.source.emit_with(x, ack)
    }

    /// The acknowledged elements, in order.
    ///
    /// # Panics
    /// One of them was not delivered.
    pub fn acked(&self) -> Vec<T> {
        let acked = lock(&self.acked);
        assert!(
            acked
                .iter()
                .all(|(_, outcome)| *outcome == Outcome::Delivered),
            "an element was not delivered"
        );
        acked.iter().map(|(x, _)| x.clone()).collect()
    }

    /// Advances the clock to a time, in milliseconds since the bench was made.
    pub fn advance_to(&self, at: u64) {
        let now = self.clock.now();
        self.clock
            .advance(Duration::from_millis(at).saturating_sub(now));
    }

    /// The outputs since the last call, each with its time in milliseconds.
    pub fn take(&self) -> Vec<(u64, U)> {
        std::mem::take(&mut lock(&self.out))
    }

    /// Awaits a future, advancing the clock as far as necessary.
    pub fn block_on<R>(&self, future: impl Future<Output = R>) -> R {
        self.clock.block_on(future)
    }

    /// Drains the pipeline, and returns the outputs meanwhile.
    ///
    /// ```
    /// use thalweg::testing::Bench;
    ///
    /// let bench = Bench::new(|source| source.partition(2));
    /// bench.emit(1).wait()?;
    /// assert_eq!(bench.drain(), [(0, vec![1])]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Panics
    /// Not everything can be delivered within an hour of the clock's time.
    pub fn drain(&self) -> Vec<(u64, U)> {
        let drained = self.block_on(self.source.drain("1h"));
        if let Err(error) = drained {
            panic!("not everything was delivered: {error}");
        }
        self.take()
    }
}

fn millis(clock: &VirtualClock) -> u64 {
    u64::try_from(clock.now().as_millis()).unwrap_or(u64::MAX)
}
