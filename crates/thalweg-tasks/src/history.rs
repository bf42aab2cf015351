//! Recent task runs: recorded while somebody asks for them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::sync::{Mutex, lock};

/// How long runs are kept.
const KEPT: Duration = Duration::from_secs(60);

/// How long runs are recorded after a request.
const ASKED_FOR: Duration = Duration::from_secs(300);

/// Runs of one name that start within this time of each other are merged.
const TOGETHER: Duration = Duration::from_millis(50);

/// Number of runs of a thread or process that are considered for merging.
const LOOKED_AT: usize = 4;

/// Maximum number of runs kept for each thread or process.
const OF_EACH: usize = 2 * (KEPT.as_millis() / TOGETHER.as_millis()) as usize;

/// Maximum number of threads and processes with kept runs.
const LANES: usize = 256;

/// A task run, or several merged ones of one name in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskRun {
    /// Name of the function if known, otherwise of the task.
    pub name: String,
    /// Key of the task, if it has one and is running.
    pub key: Option<String>,
    /// 0-based index of the worker process or thread.
    pub place: usize,
    /// Time since it started.
    pub began: Duration,
    /// Time until its end, or until now. For merged ones, from the start of the first to the end of the last.
    pub took: Duration,
    /// Number of tasks.
    pub tasks: u64,
    /// What became of it.
    pub outcome: RunOutcome,
}

/// Result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunOutcome {
    /// It has not ended.
    Running,
    /// It returned.
    Done,
    /// It failed.
    Failed,
    /// Its worker died, or was killed to stop it.
    Killed,
}

impl RunOutcome {
    /// A word for it.
    ///
    /// ```
    /// assert_eq!(thalweg_tasks::RunOutcome::Killed.word(), "killed");
    /// ```
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Killed => "killed",
        }
    }
}

struct Run {
    name: Box<str>,
    began: Instant,
    ended: Instant,
    tasks: u64,
    outcome: RunOutcome,
}

#[derive(Default)]
struct Recorded {
    until: Option<Instant>,
    lanes: BTreeMap<usize, VecDeque<Run>>,
    /// What the threads of this process are running.
    current: HashMap<usize, Current>,
}

/// What a thread is running.
struct Current {
    name: Box<str>,
    key: Option<Box<str>>,
    began: Instant,
}

/// The runs of an engine's tasks.
#[derive(Default)]
pub(crate) struct TaskHistory {
    is_on: AtomicBool,
    recorded: Mutex<Recorded>,
}

impl TaskHistory {
    /// Whether runs are recorded. Costs a load if they are not.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// A thread starts a task.
    pub(crate) fn begin(&self, place: usize, name: Box<str>, key: Option<Box<str>>, now: Instant) {
        lock(&self.recorded).current.insert(
            place,
            Current {
                name,
                key,
                began: now,
            },
        );
    }

    /// A thread has finished a task, which may have started before recording.
    pub(crate) fn end(&self, place: usize, outcome: RunOutcome, now: Instant) {
        let mut recorded = lock(&self.recorded);
        if let Some(run) = recorded.current.remove(&place) {
            self.put(&mut recorded, place, run.name, (run.began, now), outcome);
        }
    }

    /// A process has run a task.
    pub(crate) fn add(
        &self,
        place: usize,
        name: Box<str>,
        time: (Instant, Instant),
        outcome: RunOutcome,
    ) {
        self.put(&mut lock(&self.recorded), place, name, time, outcome);
    }

    fn put(
        &self,
        recorded: &mut Recorded,
        place: usize,
        name: Box<str>,
        (began, ended): (Instant, Instant),
        outcome: RunOutcome,
    ) {
        if recorded.until.is_none_or(|until| ended > until) {
            self.is_on.store(false, Ordering::Relaxed);
            *recorded = Recorded::default();
            return;
        }
        if recorded.lanes.len() >= LANES && !recorded.lanes.contains_key(&place) {
            return;
        }
        let lane = recorded.lanes.entry(place).or_default();
        let mut last = lane.iter_mut().rev().take(LOOKED_AT);
        let like = last.find(|run| {
            let apart = began.max(run.began) - began.min(run.began);
            run.name == name && run.outcome == outcome && apart < TOGETHER
        });
        if let Some(run) = like {
            run.began = run.began.min(began);
            run.ended = run.ended.max(ended);
            run.tasks += 1;
            return;
        }
        while lane.len() >= OF_EACH || lane.front().is_some_and(|run| ended - run.ended > KEPT) {
            lane.pop_front();
        }
        lane.push_back(Run {
            name,
            began,
            ended,
            tasks: 1,
            outcome,
        });
    }

    /// The runs of the last minute, and the current ones on threads; from now on runs are recorded.
    pub(crate) fn runs(&self, now: Instant) -> Vec<TaskRun> {
        let mut recorded = lock(&self.recorded);
        recorded.until = Some(now + ASKED_FOR);
        self.is_on.store(true, Ordering::Relaxed);
        let ended = recorded.lanes.iter().flat_map(|(place, lane)| {
            let recent = lane
                .iter()
                .filter(|run| now.saturating_duration_since(run.ended) <= KEPT);
            recent.map(|run| TaskRun {
                name: run.name.to_string(),
                key: None,
                place: *place,
                began: now.saturating_duration_since(run.began),
                took: run.ended.saturating_duration_since(run.began),
                tasks: run.tasks,
                outcome: run.outcome,
            })
        });
        let mut runs: Vec<_> = ended.collect();
        let mut current: Vec<_> = recorded.current.iter().collect();
        current.sort_unstable_by_key(|(place, _)| **place);
        runs.extend(current.into_iter().map(|(place, run)| {
            let time = now.saturating_duration_since(run.began);
            let key = run.key.as_deref().map(str::to_string);
            TaskRun::running(run.name.to_string(), key, *place, time)
        }));
        runs
    }
}

impl TaskRun {
    /// A task that has been running for this time.
    pub(crate) fn running(name: String, key: Option<String>, place: usize, time: Duration) -> Self {
        Self {
            name,
            key,
            place,
            began: time,
            took: time,
            tasks: 1,
            outcome: RunOutcome::Running,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(begin: Instant, milliseconds: u64) -> Instant {
        begin + Duration::from_millis(milliseconds)
    }

    #[test]
    fn nothing_is_recorded_until_requested() {
        let (history, begin) = (TaskHistory::default(), Instant::now());
        assert!(!history.is_on());
        assert_eq!(history.runs(begin), []);
        assert!(history.is_on());
        history.begin(0, "f".into(), None, at(begin, 1));
        history.end(0, RunOutcome::Done, at(begin, 301_000));
        assert!(!history.is_on());
        assert_eq!(history.runs(at(begin, 302_000)), []);
    }

    #[test]
    fn adjacent_runs_are_merged() {
        let (history, begin) = (TaskHistory::default(), Instant::now());
        history.runs(begin);
        for milliseconds in 0..100 {
            let name = if milliseconds % 2 == 0 { "even" } else { "odd" };
            let time = (at(begin, milliseconds), at(begin, milliseconds + 1));
            history.add(3, name.into(), time, RunOutcome::Done);
        }
        history.add(
            3,
            "odd".into(),
            (at(begin, 99), at(begin, 100)),
            RunOutcome::Failed,
        );
        let runs = history.runs(at(begin, 200));
        let counts: Vec<_> = runs.iter().map(|run| (&*run.name, run.tasks)).collect();
        let expected = [
            ("even", 25),
            ("odd", 25),
            ("even", 25),
            ("odd", 25),
            ("odd", 1),
        ];
        assert_eq!(counts, expected);
        assert_eq!(runs[1].began, Duration::from_millis(199));
        assert_eq!(runs[1].took, Duration::from_millis(49));
        assert_eq!(runs[1].place, 3);
    }

    #[test]
    fn running_tasks_are_reported_and_old_runs_forgotten() {
        let (history, begin) = (TaskHistory::default(), Instant::now());
        history.runs(begin);
        history.begin(1, "slow".into(), Some("mine".into()), begin);
        let seen = history.runs(at(begin, 500));
        let half = Duration::from_millis(500);
        assert_eq!(
            seen,
            [TaskRun::running(
                "slow".into(),
                Some("mine".into()),
                1,
                half
            )]
        );
        history.end(1, RunOutcome::Failed, at(begin, 600));
        let outcome = |milliseconds| {
            history
                .runs(at(begin, milliseconds))
                .pop()
                .map(|run| run.outcome)
        };
        assert_eq!(outcome(700), Some(RunOutcome::Failed));
        assert_eq!(outcome(61_000), None);
    }

    #[test]
    fn the_history_has_a_bounded_size() {
        let (history, begin) = (TaskHistory::default(), Instant::now());
        history.runs(begin);
        for number in 0..20_000 {
            let (place, name) = (number as usize % 400, number.to_string());
            let time = (at(begin, number), at(begin, number + 1));
            history.add(place, name.into(), time, RunOutcome::Done);
            history.add(0, number.to_string().into(), time, RunOutcome::Done);
        }
        let recorded = lock(&history.recorded);
        assert_eq!(recorded.lanes.len(), LANES);
        assert!(recorded.lanes.values().all(|lane| lane.len() <= OF_EACH));
    }
}
