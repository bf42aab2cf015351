//! One run of one operator: ten elements on a virtual clock, and all events.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};

use super::trouble::Trouble;
use super::{ELEMENTS, Report};
use crate::sync::lock;
use crate::{Ack, Element, Error, Failure, OnError, Outcome, Runtime, Sink, Stream, VirtualClock};

/// Time between two elements of a trial.
pub const PAUSE: Duration = Duration::from_millis(300);
/// Time that asynchronous functions of a trial take.
pub const WORK: Duration = Duration::from_millis(100);

/// The name of the operator's node.
pub(super) const UNDER_TEST: &str = "under test";
/// The name of the downstream node that may fail.
pub(super) const DOWNSTREAM: &str = "downstream";

/// The sink at the end of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrialSink {
    /// A plain function.
    Function,
    /// A function that returns a `Result`.
    TryFunction,
    /// An asynchronous function.
    Async,
    /// An asynchronous function that returns a `Result`.
    TryAsync,
    /// A list.
    List,
    /// A consumer that pulls.
    Pull,
    /// An asynchronous function behind a buffer.
    BehindBuffer,
}

impl TrialSink {
    pub(super) const ALL: [Self; 7] = [
        Self::Function,
        Self::TryFunction,
        Self::Async,
        Self::TryAsync,
        Self::List,
        Self::Pull,
        Self::BehindBuffer,
    ];
}

/// An event of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A sink is done with an output, given as the elements it was derived from.
    Sunk(Vec<i32>),
    Acked(i32, Outcome),
}

/// All events of a trial, in order, with their times.
#[derive(Clone, Debug)]
pub struct Log {
    events: Arc<Mutex<Vec<(Duration, Event)>>>,
    clock: VirtualClock,
}

impl Log {
    /// Records that a sink is done with an output, given as the elements it was derived from.
    pub fn sunk(&self, xs: Vec<i32>) {
        self.push(Event::Sunk(xs));
    }

    fn push(&self, event: Event) {
        lock(&self.events).push((self.clock.now(), event));
    }
}

/// The surroundings of an operator under test.
///
/// A [`Case`](super::Case) passes it to the function that builds the operator. That function attaches the operator to
/// the source, and ends with [`singles`](Self::singles), [`groups`](Self::groups), [`outputs`](Self::outputs) or, for a
/// sink, [`sink`](Self::sink).
#[derive(Clone, Debug)]
pub struct Trial {
    /// The clock that the pipeline runs on.
    pub clock: VirtualClock,
    /// Log for sinks under test.
    pub log: Log,
    /// Called by the operator's function with each element, to fail where it should.
    pub trouble: Trouble,
    pub(super) policy: OnError,
    /// The trouble of a function downstream of the operator, and its policy.
    pub(super) downstream: Option<(Trouble, OnError)>,
    pub(super) end: TrialSink,
    /// Whether the pipeline is drained at the end, or only dropped.
    pub(super) drains: bool,
}

impl Trial {
    pub(super) fn new() -> Self {
        let clock = VirtualClock::new();
        Self {
            log: Log {
                events: Arc::default(),
                clock: clock.clone(),
            },
            clock,
            trouble: Trouble::none(),
            policy: OnError::Raise,
            downstream: None,
            end: TrialSink::Function,
            drains: true,
        }
    }

    /// Ends with an operator whose outputs are derived from one element each.
    pub fn singles(&self, node: Stream<i32>) {
        self.outputs(node, |x| vec![x]);
    }

    /// Ends with an operator whose outputs are groups of elements.
    pub fn groups(&self, node: Stream<Vec<i32>>) {
        self.attach_end(&self.under_test(node));
    }

    /// Ends with an operator with other outputs; `elements` returns the elements an output was derived from. It may
    /// include other numbers than 1 to 10.
    ///
    /// ```
    /// use thalweg::testing::Case;
    ///
    /// Case::new("numbered", |source, trial| {
    ///     let numbered = source.scan((0, 0), |(count, _), x| (count + 1, *x));
    ///     trial.outputs(numbered, |(_, x)| vec![x]);
    /// })
    /// .check();
    /// ```
    pub fn outputs<T: Element>(
        &self,
        node: Stream<T>,
        elements: impl FnMut(T) -> Vec<i32> + Send + 'static,
    ) {
        self.attach_end(&self.under_test(node).map(elements));
    }

    /// Ends with a sink under test. It records in [`log`](Self::log) what it is done with.
    pub fn sink(&self, sink: Sink) {
        drop(self.under_test(sink.stream().clone()));
    }

    /// Gives the operator under test its name and its policy.
    fn under_test<T: Element>(&self, node: Stream<T>) -> Stream<T> {
        node.named(UNDER_TEST).on_error(self.policy.clone())
    }

    fn attach_end(&self, outputs: &Stream<Vec<i32>>) {
        match self.downstream.clone() {
            None => self.attach_sink(outputs),
            Some((trouble, policy)) => {
                let checked = outputs.try_map(move |xs: &Vec<i32>| {
                    xs.iter().try_for_each(|x| trouble.check(*x).map(drop))?;
                    Ok::<_, &str>(xs.clone())
                });
                self.attach_sink(&checked.named(DOWNSTREAM).on_error(policy));
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
        match self.end {
            TrialSink::Function => drop(outputs.sink(move |xs| log.sunk(xs))),
            TrialSink::TryFunction => drop(outputs.try_sink(move |xs| {
                log.sunk(xs.clone());
                Ok::<_, &str>(())
            })),
            TrialSink::Async => drop(outputs.sink_async(work)),
            TrialSink::TryAsync => drop(outputs.try_sink_async(move |xs| {
                let work = work(xs);
                async move {
                    work.await;
                    Ok::<_, &str>(())
                }
            })),
            TrialSink::List => drop(
                outputs
                    .inspect(move |xs| log.sunk(xs.clone()))
                    .sink_to_list(),
            ),
            TrialSink::Pull => {
                let (mut pull, clock) = (outputs.pull(2), self.clock.clone());
                self.clock.spawn(Box::pin(async move {
                    while let Some(xs) = pull.next().await {
                        log.sunk(xs);
                        clock.sleep(WORK).await;
                    }
                }));
            }
            TrialSink::BehindBuffer => drop(outputs.buffer(2).sink_async(work)),
        }
    }

    fn failed(&self, source: &Stream<i32>) -> u64 {
        let nodes = source.graph_view().nodes;
        let under_test = nodes.iter().find(|node| node.name == UNDER_TEST);
        under_test.map_or(0, |node| node.counters.failed)
    }

    async fn drive(
        &self,
        source: &Stream<i32>,
        without: Option<i32>,
    ) -> (Vec<Failure>, usize, u64, Result<(), Error>) {
        let mut raised = Vec::new();
        for x in ELEMENTS {
            // At fixed times, so that a slow element does not delay the others.
            let pause = (PAUSE * x.unsigned_abs()).saturating_sub(self.clock.now());
            self.clock.sleep(pause).await;
            if Some(x) == without {
                continue;
            }
            let log = self.log.clone();
            let ack = Ack::new(move |outcome| log.push(Event::Acked(x, outcome)));
            if let Err(error) = source.emit_with(x, ack).await {
                assert!(!error.is_behind(), "the handler gets these");
                raised.extend(error.failures().iter().cloned());
            }
        }
        self.clock.sleep(Duration::from_secs(60)).await;
        let settled = lock(&self.log.events).len();
        let failed = self.failed(source);
        let drained = match self.drains {
            true => source.drain("1min").await,
            false => Ok(()),
        };
        (raised, settled, failed, drained)
    }

    /// Emits the elements, except `without`, waits until the pipeline is idle, and drains or drops it.
    pub(super) fn run(&self, without: Option<i32>, build: &dyn Fn(&Stream<i32>, &Self)) -> Report {
        let source = Stream::on(&self.clock);
        let unhandled = Arc::new(Mutex::new(Vec::new()));
        let heard = unhandled.clone();
        source.on_unhandled(move |failure| lock(&heard).push(failure));
        build(&source, self);
        if let Err(error) = source.check() {
            panic!("{error}");
        }

        let (raised, settled, failed, drained) = {
            let run = self.drive(&source, without);
            let mut run = std::pin::pin!(run);
            let patience = self.clock.sleep(Duration::from_secs(3600));
            let ended = self.clock.block_on(select(&mut run, patience));
            match ended {
                Either::Left((ended, _)) => ended,
                Either::Right(_) => panic!("it stalls: the drain has not ended after an hour"),
            }
        };
        drop(source);
        // Late events, if there are any.
        self.clock.advance(Duration::from_secs(3600));

        let unhandled = lock(&unhandled).clone();
        let events = lock(&self.log.events).clone();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_waits_for_every_branch() {
        let slow = TrialSink::BehindBuffer;
        let report = Trial::new().run(None, &|source, trial| {
            trial.singles(source.map(|x| x));
            let late = Trial {
                end: slow,
                ..trial.clone()
            };
            late.attach_end(&source.shift("2s").map(|x| vec![x]));
        });
        assert_eq!(report.outputs().len(), 20);
        report.check_acks(&[], TrialSink::Function);
    }

    #[test]
    #[should_panic(expected = "keeps until the drain")]
    fn an_operator_that_holds_more_than_declared_does_not_pass() {
        super::super::Case::new("partition", |s, t| t.groups(s.partition(4))).check();
    }

    #[test]
    #[should_panic(expected = "the token of 1 fires")]
    fn an_operator_that_acknowledges_too_early_does_not_pass() {
        super::super::Case::new("detached", |source, trial| {
            let later = Stream::on(&trial.clock);
            let entry = later.clone();
            source.sink(move |x: i32| drop(entry.emit(x)));
            trial.singles(later.shift("1s"));
        })
        .check();
    }
}
