use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::{Alarm, Runtime, RuntimeHandle, Sleep, Task};
use crate::sync::lock;

/// A clock that is advanced by hand, and an event loop that runs on it: an hour of `rate_limit` in a millisecond, with
/// the same result every time.
///
/// Time stands still while there is anything to run. [`block_on`](Self::block_on) advances it to the next timer
/// whenever everything waits; [`advance`](Self::advance) advances it by a given time.
///
/// ```
/// use std::time::Duration;
/// use thalweg::{Stream, VirtualClock};
///
/// let clock = VirtualClock::new();
/// let source = Stream::on(&clock);
/// let list = source.rate_limit("1h").sink_to_list();
///
/// clock.block_on(async {
///     for x in 0..10 {
///         source.emit(x).await?;
///     }
///     Ok::<(), thalweg::Error>(())
/// })?;
/// assert_eq!(clock.now(), Duration::from_secs(9 * 3600));
/// assert_eq!(list.len(), 10);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct VirtualClock(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Notified when a thread may have something for [`VirtualClock::block_on`].
    changed: Condvar,
}

/// The end of time: pipelines count nanoseconds in 64 bits.
const LATEST: Duration = Duration::from_nanos(u64::MAX);

#[derive(Default)]
struct State {
    now: Duration,
    alarms: BinaryHeap<Reverse<(Duration, u64)>>,
    calls: HashMap<u64, Alarm>,
    ready: VecDeque<Arc<Job>>,
    counter: u64,
    /// Pieces of work under way on other threads.
    outside_work: usize,
}

/// A spawned future; its waker adds it to the ready ones.
struct Job {
    clock: Arc<Shared>,
    task: Mutex<Option<Task>>,
    queued: Mutex<bool>,
}

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        let mut queued = lock(&self.queued);
        if !*queued {
            *queued = true;
            lock(&self.clock.state).ready.push_back(self.clone());
            self.clock.changed.notify_all();
        }
    }
}

/// The waker of the future in `block_on`.
struct Main {
    clock: Arc<Shared>,
    woken: Mutex<bool>,
}

impl Wake for Main {
    fn wake(self: Arc<Self>) {
        *lock(&self.woken) = true;
        // Who has looked at the flag holds the state until it waits.
        drop(lock(&self.clock.state));
        self.clock.changed.notify_all();
    }
}

impl VirtualClock {
    /// Creates a clock at time zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// The time since this clock was created.
    pub fn now(&self) -> Duration {
        self.state().now
    }

    /// Completes after `duration` on this clock: for asynchronous functions under test.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        RuntimeHandle::from(self).sleep(duration)
    }

    /// Runs everything that can run without advancing time.
    pub fn run_until_idle(&self) {
        while self.step() || self.jump(Some(self.now())) {}
    }

    /// Advances time by `duration`, from timer to timer, running everything that becomes due; at most to 584 years.
    pub fn advance(&self, duration: Duration) {
        let end = self.now().saturating_add(duration).min(LATEST);
        self.run_until_idle();
        while self.jump(Some(end)) {
            self.run_until_idle();
        }
        {
            let mut state = self.state();
            // A function that ran meanwhile, or another thread, may have advanced it further.
            state.now = state.now.max(end);
        }
        self.run_until_idle();
    }

    /// Runs `future` to its end. Whenever everything waits for time, time advances to the next timer. Functions on the
    /// threads of an engine take real time: while a stream waits for them, so does this, at most as long as to the next
    /// timer.
    ///
    /// # Panics
    /// Everything waits, and nothing for time or an engine: the future would never complete.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let main = Arc::new(Main {
            clock: self.0.clone(),
            woken: Mutex::new(true),
        });
        let waker = Waker::from(main.clone());
        let mut cx = Context::from_waker(&waker);
        loop {
            if std::mem::take(&mut *lock(&main.woken))
                && let Poll::Ready(output) = future.as_mut().poll(&mut cx)
            {
                return output;
            }
            let goes_on = self.step() || *lock(&main.woken) || self.wait_for_outside_work(&main);
            if !goes_on && !self.jump(None) {
                panic!("deadlock on the virtual clock: everything waits, and no timer is set");
            }
        }
    }

    /// Waits for other threads if there is work outside, until the next timer is due. Returns whether there may be
    /// something to do.
    fn wait_for_outside_work(&self, main: &Main) -> bool {
        let state = self.state();
        if state.outside_work == 0 {
            return false;
        }
        if !state.ready.is_empty() || *lock(&main.woken) {
            return true;
        }
        let next = state.alarms.peek().map(|Reverse((at, _))| *at);
        let limit = next.map_or(Duration::MAX, |at| at.saturating_sub(state.now));
        let waited = self.0.changed.wait_timeout(state, limit);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        drop(state);
        !timeout.timed_out()
    }

    /// Polls one ready future; returns whether there was one.
    fn step(&self) -> bool {
        let Some(job) = self.state().ready.pop_front() else {
            return false;
        };
        *lock(&job.queued) = false;
        let mut task = lock(&job.task);
        if let Some(future) = task.as_mut() {
            let waker = Waker::from(job.clone());
            if future
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
            {
                *task = None;
            }
        }
        true
    }

    /// Advances to the next timer, at most to `end`, and triggers all that are due then.
    fn jump(&self, end: Option<Duration>) -> bool {
        let mut state = self.state();
        let Some(&Reverse((at, _))) = state.alarms.peek() else {
            return false;
        };
        if end.is_some_and(|end| at > end) {
            return false;
        }
        state.now = state.now.max(at);
        let mut due = Vec::new();
        while let Some(&Reverse((at, id))) = state.alarms.peek()
            && at <= state.now
        {
            state.alarms.pop();
            due.extend(state.calls.remove(&id));
        }
        drop(state);
        for alarm in due {
            alarm();
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

impl Runtime for VirtualClock {
    fn now(&self) -> Duration {
        self.state().now
    }

    fn wake_at(&self, at: Duration, alarm: Alarm) {
        let mut state = self.state();
        let id = state.counter;
        state.counter += 1;
        state.alarms.push(Reverse((at, id)));
        state.calls.insert(id, alarm);
    }

    fn spawn(&self, task: Task) {
        let job = Arc::new(Job {
            clock: self.0.clone(),
            task: Mutex::new(Some(task)),
            queued: Mutex::new(true),
        });
        self.state().ready.push_back(job);
        self.0.changed.notify_all();
    }

    fn begin_outside_work(&self) {
        self.state().outside_work += 1;
    }

    fn end_outside_work(&self) {
        self.state().outside_work -= 1;
        self.0.changed.notify_all();
    }

    fn is_real_time(&self) -> bool {
        false
    }

    fn identity(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

impl From<&VirtualClock> for RuntimeHandle {
    fn from(clock: &VirtualClock) -> Self {
        Self::new(clock.clone())
    }
}

impl From<VirtualClock> for RuntimeHandle {
    fn from(clock: VirtualClock) -> Self {
        Self::new(clock)
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualClock")
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stream;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_function_that_advances_the_clock_further_does_not_set_it_back() -> Result<(), crate::Error>
    {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let inner = clock.clone();
        source
            .shift("1s")
            .sink(move |_| inner.advance(seconds(100)));
        source.emit(1).wait()?;
        clock.advance(seconds(10));
        assert_eq!(clock.now(), seconds(101));
        Ok(())
    }

    #[test]
    fn time_never_goes_back_when_several_threads_advance_it() {
        let clock = VirtualClock::new();
        let goes_on = |step: u64| {
            let before = clock.now();
            clock.advance(Duration::from_millis(step));
            clock.now() > before
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (1..=4_u64)
                .map(|step| scope.spawn(move || (0..2000).all(|_| goes_on(step))))
                .collect();
            for thread in threads {
                assert!(thread.join().is_ok_and(|goes_on| goes_on));
            }
        });
    }

    #[test]
    fn windows_end_with_time_itself() -> Result<(), crate::Error> {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let list = source.timed_window("100000d").sink_to_list();
        source.emit(1).wait()?;
        clock.advance(Duration::MAX);
        assert_eq!((clock.now(), list.len()), (LATEST, 2));
        Ok(())
    }
}
