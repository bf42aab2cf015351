//! One run of one operator: ten elements on a virtual clock, and everything that happens to them.

use std::panic;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use thalweg::{Ack, Error, Failure, OnError, Outcome, Runtime, Stream, VirtualClock};

pub const TROUBLED: i32 = 3;
pub const ELEMENTS: std::ops::RangeInclusive<i32> = 1..=10;
/// From element to element.
pub const PAUSE: Duration = Duration::from_millis(300);
/// How long an asynchronous function takes.
pub const WORK: Duration = Duration::from_millis(100);

/// How a function fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Error,
    Panic,
}

/// What makes a function fail on element 3, the first few times.
#[derive(Clone)]
pub struct Trouble {
    manner: Manner,
    left: Arc<AtomicU32>,
}

impl Trouble {
    pub fn none() -> Self {
        Self::new(Manner::Error, 0)
    }

    pub fn new(manner: Manner, times: u32) -> Self {
        Self {
            manner,
            left: Arc::new(AtomicU32::new(times)),
        }
    }

    /// Fails or panics if `x` is the element in trouble.
    pub fn check(&self, x: i32) -> Result<i32, &'static str> {
        let takes_one = |left: u32| left.checked_sub(1);
        let order = Ordering::Relaxed;
        if x != TROUBLED || self.left.fetch_update(order, order, takes_one).is_err() {
            return Ok(x);
        }
        match self.manner {
            Manner::Error => Err("it is three"),
            Manner::Panic => panic::panic_any("it is three"),
        }
    }

    /// The same for functions that can only panic.
    pub fn pass(&self, x: i32) -> i32 {
        self.check(x).unwrap_or_else(|text| panic::panic_any(text))
    }
}

/// What is at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    Function,
    TryFunction,
    Async,
    TryAsync,
    List,
    Pull,
    BehindBuffer,
}

impl Sink {
    pub const ALL: [Self; 7] = [
        Self::Function,
        Self::TryFunction,
        Self::Async,
        Self::TryAsync,
        Self::List,
        Self::Pull,
        Self::BehindBuffer,
    ];
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An output, as the elements it was made of, has been dealt with.
    Sunk(Vec<i32>),
    Acked(i32, Outcome),
}

/// Everything that happens, in order, with its time.
#[derive(Clone)]
pub struct Log {
    events: Arc<Mutex<Vec<(Duration, Event)>>>,
    clock: VirtualClock,
}

impl Log {
    pub fn sunk(&self, xs: Vec<i32>) {
        self.push(Event::Sunk(xs));
    }

    fn push(&self, event: Event) {
        self.events.lock().unwrap().push((self.clock.now(), event));
    }
}

/// What one run is to be like.
#[derive(Clone)]
pub struct Trial {
    pub clock: VirtualClock,
    pub log: Log,
    /// Of the operator's own function, and its policy.
    pub trouble: Trouble,
    pub policy: OnError,
    /// Of a function behind the operator, if there is to be one.
    pub behind: Option<(Trouble, OnError)>,
    pub sink: Sink,
    /// Whether it ends with a drain, or is just dropped.
    pub drains: bool,
}

impl Trial {
    pub fn new() -> Self {
        let clock = VirtualClock::new();
        Self {
            log: Log {
                events: Arc::default(),
                clock: clock.clone(),
            },
            clock,
            trouble: Trouble::none(),
            policy: OnError::Raise,
            behind: None,
            sink: Sink::Function,
            drains: true,
        }
    }

    /// Gives the operator under test its name and its policy.
    pub fn test<T: thalweg::Element>(&self, node: Stream<T>) -> Stream<T> {
        node.named("under test").on_error(self.policy.clone())
    }

    /// Attaches what comes behind the operator.
    pub fn end(&self, outputs: &Stream<Vec<i32>>) {
        match self.behind.clone() {
            None => self.attach_sink(outputs),
            Some((trouble, policy)) => {
                let checked = outputs.try_map(move |xs: &Vec<i32>| {
                    xs.iter().try_for_each(|x| trouble.check(*x).map(drop))?;
                    Ok::<_, &str>(xs.clone())
                });
                self.attach_sink(&checked.named("behind").on_error(policy));
            }
        }
    }

    fn attach_sink(&self, outputs: &Stream<Vec<i32>>) {
        let log = self.log.clone();
        let clock = self.clock.clone();
        let work = move |xs| {
            let (log, sleep) = (log.clone(), clock.sleep(WORK));
            async move {
                sleep.await;
                log.sunk(xs);
            }
        };
        let log = self.log.clone();
        match self.sink {
            Sink::Function => drop(outputs.sink(move |xs| log.sunk(xs))),
            Sink::TryFunction => drop(outputs.try_sink(move |xs| {
                log.sunk(xs.clone());
                Ok::<_, &str>(())
            })),
            Sink::Async => drop(outputs.sink_async(work)),
            Sink::TryAsync => drop(outputs.try_sink_async(move |xs| {
                let work = work(xs);
                async move {
                    work.await;
                    Ok::<_, &str>(())
                }
            })),
            Sink::List => drop(
                outputs
                    .inspect(move |xs| log.sunk(xs.clone()))
                    .sink_to_list(),
            ),
            Sink::Pull => {
                let (mut pull, clock) = (outputs.pull(2), self.clock.clone());
                self.clock.spawn(Box::pin(async move {
                    while let Some(xs) = pull.next().await {
                        log.sunk(xs);
                        clock.sleep(WORK).await;
                    }
                }));
            }
            Sink::BehindBuffer => drop(outputs.buffer(2).sink_async(work)),
        }
    }

    fn failed(&self, source: &Stream<i32>) -> u64 {
        let nodes = source.graph_view().nodes;
        let under_test = nodes.iter().find(|node| node.name == "under test");
        under_test.expect("the case names it").counters.failed
    }

    async fn drive(
        &self,
        source: &Stream<i32>,
        without: Option<i32>,
    ) -> (Vec<Failure>, usize, u64, Result<(), Error>) {
        let mut raised = Vec::new();
        for x in ELEMENTS {
            // At fixed times, so that an element that takes long does not put off the others.
            let pause = (PAUSE * x.unsigned_abs()).saturating_sub(self.clock.now());
            self.clock.sleep(pause).await;
            if Some(x) == without {
                continue;
            }
            let log = self.log.clone();
            let ack = Ack::new(move |outcome| log.push(Event::Acked(x, outcome)));
            if let Err(error) = source.emit_with(x, ack).await {
                assert!(!error.is_behind(), "the handler hears of these");
                raised.extend(error.failures().iter().cloned());
            }
        }
        self.clock.sleep(Duration::from_secs(60)).await;
        let settled = self.log.events.lock().unwrap().len();
        let failed = self.failed(source);
        let drained = match self.drains {
            true => source.drain("1min").await,
            false => Ok(()),
        };
        (raised, settled, failed, drained)
    }

    /// Sends the elements, all but those `without`, waits until nothing moves any more, and ends.
    pub fn run(&self, without: Option<i32>, build: impl FnOnce(&Stream<i32>, &Self)) -> Report {
        silence_expected_panics();
        let source = Stream::on(&self.clock);
        let unhandled = Arc::new(Mutex::new(Vec::new()));
        let heard = unhandled.clone();
        source.on_unhandled(move |failure| heard.lock().unwrap().push(failure));
        build(&source, self);
        source.check().unwrap();

        let (raised, settled, failed, drained) = {
            let run = self.drive(&source, without);
            let mut run = std::pin::pin!(run);
            let patience = self.clock.sleep(Duration::from_secs(3600));
            let ended = self.clock.block_on(select(&mut run, patience));
            match ended {
                Either::Left((ended, _)) => ended,
                Either::Right(_) => panic!("it stalls"),
            }
        };
        drop(source);
        // What came late, if anything does.
        self.clock.advance(Duration::from_secs(3600));

        let unhandled = unhandled.lock().unwrap().clone();
        let events = self.log.events.lock().unwrap().clone();
        Report {
            events,
            settled,
            raised,
            unhandled,
            drained,
            failed,
        }
    }
}

/// What has happened in a run.
#[derive(Debug)]
pub struct Report {
    pub events: Vec<(Duration, Event)>,
    /// How many of the events came before the drain.
    pub settled: usize,
    /// Failures that the emitters got.
    pub raised: Vec<Failure>,
    /// Failures that nobody waited for.
    pub unhandled: Vec<Failure>,
    pub drained: Result<(), Error>,
    /// What the counter of the operator says.
    pub failed: u64,
}

impl Report {
    pub fn outputs(&self) -> Vec<Vec<i32>> {
        let outputs = self.events.iter().filter_map(|(_, event)| match event {
            Event::Sunk(xs) => Some(xs.clone()),
            Event::Acked(..) => None,
        });
        outputs.collect()
    }

    /// The one failure that was reported, to whomever.
    pub fn failure(&self) -> &Failure {
        match (self.raised.as_slice(), self.unhandled.as_slice()) {
            ([failure], []) | ([], [failure]) => failure,
            (raised, unhandled) => panic!("not one failure: {raised:?} and {unhandled:?}"),
        }
    }

    /// The elements not acknowledged before the drain.
    pub fn unacked_before_drain(&self) -> Vec<i32> {
        let before = &self.events[..self.settled];
        let is_acked = |x: &i32| {
            before
                .iter()
                .any(|(_, event)| matches!(event, Event::Acked(y, _) if x == y))
        };
        ELEMENTS.filter(|x| !is_acked(x)).collect()
    }

    /// Every token has fired once: not before everything made of its element was sunk, and with
    /// the outcome to be expected of the elements that `failed`.
    pub fn check_acks(&self, sent: impl Iterator<Item = i32>, failed: &[i32], sink: Sink) {
        for x in sent {
            let acked: Vec<_> = self
                .events
                .iter()
                .enumerate()
                .filter_map(|(place, (at, event))| match event {
                    Event::Acked(y, outcome) if *y == x => Some((place, *at, *outcome)),
                    _ => None,
                })
                .collect();
            let [(place, at, outcome)] = acked[..] else {
                panic!("the token of {x} fires {} times", acked.len());
            };
            let expected = if failed.contains(&x) {
                Outcome::Failed
            } else {
                Outcome::Delivered
            };
            assert_eq!(outcome, expected, "of {x}");
            for (later, (sunk_at, event)) in self.events.iter().enumerate().skip(place) {
                let is_late = matches!(event, Event::Sunk(xs) if xs.contains(&x));
                // An element is acknowledged when it is pulled, just before it can be dealt with.
                let is_pulled = sink == Sink::Pull && *sunk_at == at;
                assert!(
                    !is_late || is_pulled,
                    "the token of {x} fires before event {later}: {:?}",
                    self.events
                );
            }
        }
    }
}

/// The panics that tests cause on purpose need not be printed.
fn silence_expected_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref() != Some(&"it is three") {
                default(info);
            }
        }));
    });
}
