#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::emitter::yield_once;
use super::*;
use crate::Error;
use crate::VirtualClock;

#[test]
fn an_endless_source_does_not_starve_others() -> Result<(), Error> {
    let clock = VirtualClock::new();
    let numbers = Stream::from_source_on(Numbers(0), &clock);
    let list = numbers.sink_to_list();
    clock.block_on(async {
        numbers.start()?;
        // The source runs while this future waits, here for the next iteration of the loop.
        yield_once().await;
        numbers.drain("5s").await
    })?;
    assert!(!list.is_empty());
    Ok(())
}

#[test]
fn failures_to_create_an_element_follow_the_policy() -> Result<(), Error> {
    /// Emits every second number.
    struct Evens;
    impl Source for Evens {
        type Item = u32;
        const KIND: &'static str = "evens";

        async fn run(&mut self, out: &Emitter<u32>) -> Result<(), Stop> {
            for x in 0..5 {
                match x % 2 {
                    0 => out.emit(x).await?,
                    _ => out.report(format!("{x} is odd")),
                }
            }
            Err(Stop::Failed("out of numbers".into()))
        }
    }
    let texts = |failures: &[crate::Failure]| -> Vec<String> {
        failures.iter().map(ToString::to_string).collect()
    };

    let clock = VirtualClock::new();
    let raised = Stream::from_source_on(Evens, &clock).named("evens");
    let list = raised.sink_to_list();
    let error = clock.block_on(raised.run("5s")).unwrap_err();
    assert_eq!(list.to_vec(), [0, 2, 4]);
    assert_eq!(
        texts(error.failures()),
        [
            "`evens` failed: 1 is odd",
            "`evens` failed: 3 is odd",
            "`evens` failed: out of numbers"
        ]
    );
    assert_eq!(raised.counters().failed, 3);

    let routed = Stream::from_source_on(Evens, &clock).named("evens");
    let odd = routed.errors().sink_to_list();
    let error = clock.block_on(routed.run("5s")).unwrap_err();
    assert_eq!(texts(&odd.to_vec()).len(), 2);
    assert_eq!(texts(error.failures()), ["`evens` failed: out of numbers"]);
    Ok(())
}

#[test]
fn a_source_started_while_stopping_continues() -> Result<(), Error> {
    /// Counts its runs, and calls a function when stopped.
    struct Runs<F>(u32, F);
    impl<F: FnMut() + Send + 'static> Source for Runs<F> {
        type Item = u32;
        const KIND: &'static str = "runs";

        async fn run(&mut self, out: &Emitter<u32>) -> Result<(), Stop> {
            self.0 += 1;
            out.emit(self.0).await?;
            let stopped = out.sleep(Duration::from_secs(3600)).await;
            (self.1)();
            stopped
        }
    }

    let clock = VirtualClock::new();
    let (sender, receiver) = std::sync::mpsc::channel::<Stream<u32>>();
    let start_again = move || {
        if let Ok(stream) = receiver.try_recv() {
            stream.start().unwrap();
        }
    };
    let runs = Stream::from_source_on(Runs(0, start_again), &clock);
    let list = runs.sink_to_list();
    runs.start()?;
    clock.run_until_idle();
    sender.send(runs.clone()).unwrap();
    runs.stop();
    clock.run_until_idle();
    assert_eq!(list.to_vec(), [1, 2]);
    clock.block_on(runs.drain("1s"))
}

#[test]
fn a_batch_that_cannot_be_sent_is_left_untouched() -> Result<(), Error> {
    let clock = VirtualClock::new();
    let numbers = Stream::from_source_on(Numbers(0), &clock);
    let list = numbers.rate_limit("1s").sink_to_list();
    clock.block_on(async {
        numbers.start()?;
        clock.sleep(Duration::from_millis(2500)).await;
        numbers.drain("5s").await
    })?;
    // Every element produced by the source has arrived.
    assert_eq!(list.to_vec(), [0, 1, 2, 3]);
    assert_eq!(numbers.counters().sent, 4);
    Ok(())
}

/// Counts, in batches that end when the source is asked to stop.
struct Numbers(u64);

impl Source for Numbers {
    type Item = u64;
    const KIND: &'static str = "numbers";

    async fn run(&mut self, out: &Emitter<u64>) -> Result<(), Stop> {
        loop {
            let next = std::iter::from_fn(|| {
                self.0 += 1;
                Some(self.0 - 1)
            });
            out.emit_buffered(next.take(100)).await?;
        }
    }
}

#[test]
fn what_is_read_ahead_goes_in_batches_and_stays_with_the_source_when_it_stops() -> Result<(), Error>
{
    use std::collections::VecDeque;
    use std::sync::mpsc::channel;

    /// Has numbers; shows those that are left.
    struct Ahead(VecDeque<u32>, std::sync::mpsc::Sender<Vec<u32>>);
    impl Source for Ahead {
        type Item = u32;
        const KIND: &'static str = "ahead";

        async fn run(&mut self, out: &Emitter<u32>) -> Result<(), Stop> {
            let ahead = &mut self.0;
            let emitted = out
                .emit_buffered(std::iter::from_fn(|| ahead.pop_front()))
                .await;
            self.1.send(self.0.iter().copied().collect())?;
            emitted
        }
    }

    let clock = VirtualClock::new();
    let (show, left) = channel();
    let numbers = Stream::from_source_on(Ahead((0..100).collect(), show.clone()), &clock);
    let (log, calls) = channel();
    let of_sink = log.clone();
    let _sink = numbers
        .inspect(move |x| {
            let _ = log.send(("map", *x));
        })
        .sink(move |x| {
            let _ = of_sink.send(("sink", x));
        });
    numbers.start()?;
    clock.run_until_idle();
    let calls: Vec<_> = calls.try_iter().collect();
    let of = |name: &str| {
        calls
            .iter()
            .filter(|(by, _)| *by == name)
            .map(|(_, x)| *x)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (of("map"), of("sink")),
        ((0..100).collect(), (0..100).collect())
    );
    assert!(
        calls
            .windows(9)
            .any(|nine| nine.iter().all(|(by, _)| *by == "map")),
        "in batches"
    );
    assert_eq!(left.try_recv(), Ok(vec![]));

    let numbers = Stream::from_source_on(Ahead((0..5).collect(), show), &clock);
    let list = numbers.rate_limit("1s").sink_to_list();
    numbers.start()?;
    clock.advance(Duration::from_millis(1500));
    numbers.stop();
    clock.run_until_idle();
    clock.advance(Duration::from_secs(60));
    let left = left.try_recv().expect("it has stopped");
    assert_eq!([list.to_vec(), left].concat(), [0, 1, 2, 3, 4]);
    Ok(())
}

#[test]
fn a_source_that_is_started_again_while_it_stops_emits_the_rest() -> Result<(), Error> {
    use std::sync::{Arc, OnceLock};

    type Handle = Arc<OnceLock<Stream<u32>>>;

    /// Counts to ten; stops itself as it makes the fourth number.
    struct Ten(std::ops::Range<u32>, Handle);
    impl Source for Ten {
        type Item = u32;
        const KIND: &'static str = "ten";

        async fn run(&mut self, out: &Emitter<u32>) -> Result<(), Stop> {
            let (range, handle) = (&mut self.0, &self.1);
            let next = std::iter::from_fn(|| {
                let x = range.next()?;
                if x == 3 {
                    handle.get().expect("it is set").stop();
                }
                Some(x)
            });
            out.emit_buffered(next).await
        }
    }

    let clock = VirtualClock::new();
    let handle = Handle::default();
    let numbers = Stream::from_source_on(Ten(0..10, handle.clone()), &clock);
    let starts = handle.clone();
    let list = numbers
        .inspect(move |x| {
            if *x == 3 {
                starts.get().expect("it is set").start().unwrap();
            }
        })
        .sink_to_list();
    assert!(handle.set(numbers.clone()).is_ok());
    numbers.start()?;
    clock.run_until_idle();
    assert_eq!(list.to_vec(), (0..10).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn a_source_is_closed_once_when_nothing_is_in_flight() -> Result<(), Error> {
    use std::sync::{Arc, Mutex};

    type Log = Arc<Mutex<Vec<&'static str>>>;

    struct Closing {
        log: Log,
        has_end: bool,
    }
    impl Source for Closing {
        type Item = u32;
        const KIND: &'static str = "closing";
        const CLOSES: bool = true;

        async fn run(&mut self, out: &Emitter<u32>) -> Result<(), Stop> {
            let log = self.log.clone();
            let ack = crate::Ack::new(move |_| log.lock().unwrap().push("done"));
            out.emit_with(1, ack).await?;
            if self.has_end {
                return Ok(());
            }
            out.sleep(Duration::from_secs(3600)).await
        }

        async fn close(&mut self) -> Result<(), crate::BoxError> {
            self.log.lock().unwrap().push("closed");
            Err("the last offsets are lost".into())
        }
    }

    for has_end in [true, false] {
        let clock = VirtualClock::new();
        let log = Log::default();
        let closing = Closing {
            log: log.clone(),
            has_end,
        };
        let source = Stream::from_source_on(closing, &clock);
        // The element is in the window until the drain.
        source.partition(2).sink(drop);
        source.start()?;
        clock.advance(Duration::from_secs(10));
        let error = clock.block_on(source.drain("1min")).unwrap_err();
        assert!(error.to_string().contains("the last offsets are lost"));
        assert_eq!(*log.lock().unwrap(), ["done", "closed"]);
        let _ = clock.block_on(source.drain("1min"));
        assert_eq!(log.lock().unwrap().len(), 2);
    }

    let clock = VirtualClock::new();
    let log = Log::default();
    let never_run = Closing {
        log: log.clone(),
        has_end: true,
    };
    let source = Stream::from_source_on(never_run, &clock);
    clock.block_on(source.drain("1min"))?;
    assert!(log.lock().unwrap().is_empty());
    Ok(())
}

#[test]
fn a_channel_of_any_bound_can_be_made() -> Result<(), Error> {
    let (sender, numbers) = Stream::channel(usize::MAX);
    let list = numbers.sink_to_list();
    sender.try_send(1_u32).expect("there is room");
    drop(sender);
    numbers.run("1min").wait()?;
    assert_eq!(list.to_vec(), [1]);
    Ok(())
}

#[test]
fn a_source_that_is_not_closed_in_time_is_reported_and_holds_up_no_other() -> Result<(), Error> {
    struct Closing(Option<std::sync::mpsc::Sender<()>>);

    impl Source for Closing {
        type Item = u32;
        const KIND: &'static str = "closing";
        const CLOSES: bool = true;

        async fn run(&mut self, out: &Emitter<u32>) -> Result<(), Stop> {
            out.emit(1).await
        }

        async fn close(&mut self) -> Result<(), crate::BoxError> {
            match &self.0 {
                Some(closed) => Ok(closed.send(())?),
                None => std::future::pending().await,
            }
        }
    }

    let clock = VirtualClock::new();
    let (closed, is_closed) = std::sync::mpsc::channel();
    let stuck = Stream::from_source_on(Closing(None), &clock);
    let quick = Stream::from_source_on(Closing(Some(closed)), &clock);
    crate::ops::union([&stuck, &quick]).sink(drop);
    let error = clock.block_on(stuck.run("1min")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "not everything was delivered: `closing#1` failed: it was not closed in time"
    );
    assert_eq!(is_closed.try_iter().count(), 1);
    Ok(())
}
