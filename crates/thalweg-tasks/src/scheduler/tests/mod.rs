//! The scheduler against a plain model: tasks that add numbers, and everything that can happen to them.

mod threads;

use super::{Assignment, Deferred, Lost, Options, Output, TaskSpec, WorkerId};
use crate::engine::{NoRemoteWorkers, TaskEngine};
use crate::slot::{Slot, Status};
use crate::task_types::{Failure, TaskTypes};
use proptest::prelude::*;
use std::sync::Arc;

enum Sums {}

impl TaskTypes for Sums {
    /// The number of the task, which it adds.
    type Program = usize;
    type Value = usize;
    type Error = usize;
}

/// A move of a random run; its numbers select among existing objects.
#[derive(Debug, Clone)]
enum Move {
    Submit {
        dependencies: Vec<usize>,
        retries: u32,
        accepts_failed_deps: bool,
    },
    Take {
        worker: usize,
        steal: bool,
    },
    Finish {
        which: usize,
        kept: bool,
    },
    Fail {
        which: usize,
    },
    GiveBack {
        which: usize,
    },
    Die {
        worker: usize,
        all: bool,
    },
    Ask {
        worker: usize,
    },
    Cancel {
        which: usize,
    },
    Retry {
        which: usize,
    },
    Bring {
        which: usize,
    },
    Drop {
        which: usize,
    },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let number = 0..1_000_usize;
    let one = prop_oneof![
        5 => (prop::collection::vec(number.clone(), 0..3), 0..3_u32, prop::bool::weighted(0.1))
            .prop_map(|(dependencies, retries, accepts_failed_deps)| Move::Submit { dependencies, retries, accepts_failed_deps }),
        6 => (number.clone(), any::<bool>()).prop_map(|(worker, steal)| Move::Take { worker, steal }),
        5 => (number.clone(), any::<bool>()).prop_map(|(which, kept)| Move::Finish { which, kept }),
        1 => number.clone().prop_map(|which| Move::Fail { which }),
        1 => number.clone().prop_map(|which| Move::GiveBack { which }),
        1 => (number.clone(), any::<bool>()).prop_map(|(worker, all)| Move::Die { worker, all }),
        1 => number.clone().prop_map(|worker| Move::Ask { worker }),
        1 => number.clone().prop_map(|which| Move::Cancel { which }),
        1 => number.clone().prop_map(|which| Move::Retry { which }),
        1 => number.clone().prop_map(|which| Move::Bring { which }),
        1 => number.prop_map(|which| Move::Drop { which }),
    ];
    prop::collection::vec(one, 0..120)
}

/// The model's record of a task.
struct Known {
    slot: Option<Arc<Slot<Sums>>>,
    dependencies: Vec<usize>,
    accepts_failed_deps: bool,
    /// It may fail because of an earlier event.
    touched: bool,
}

struct Play {
    engine: Arc<TaskEngine<Sums>>,
    /// Whether the workers are threads, which do not die, store no values and return no tasks.
    has_threads: bool,
    workers: Vec<WorkerId>,
    with_workers: Vec<(WorkerId, Assignment<Sums>)>,
    tasks: Vec<Known>,
}

impl Play {
    fn new() -> Self {
        Self::on(TaskEngine::new(Box::new(NoRemoteWorkers)), false)
    }

    fn on(engine: Arc<TaskEngine<Sums>>, has_threads: bool) -> Self {
        let workers = (0..3).map(|_| engine.add_worker(Vec::new())).collect();
        Self {
            engine,
            has_threads,
            workers,
            with_workers: Vec::new(),
            tasks: Vec::new(),
        }
    }

    fn make(&mut self, one: Move) {
        match one {
            Move::Submit {
                dependencies,
                retries,
                accepts_failed_deps,
            } => self.submit(&dependencies, retries, accepts_failed_deps),
            Move::Take { worker, steal } => {
                let worker = self.workers[worker % self.workers.len()];
                if let Some(assignment) = self.take(worker, steal) {
                    // A task that accepts failed dependencies may run while a dependency is retried.
                    let accepts_failed_deps = self.tasks[assignment.program].accepts_failed_deps;
                    assert!(
                        accepts_failed_deps
                            || assignment
                                .dependencies
                                .iter()
                                .all(|dependency| dependency.is_done())
                    );
                    self.with_workers.push((worker, assignment));
                }
            }
            Move::Finish { which, kept } => self.finish(which, kept),
            Move::Fail { which } => {
                if let Some((_, assignment)) = self.pick(which) {
                    let number = assignment.program;
                    self.tasks[number].touched = true;
                    self.give(assignment, Err(number));
                }
            }
            Move::GiveBack { .. } | Move::Die { .. } | Move::Bring { .. } | Move::Ask { .. }
                if self.has_threads => {}
            Move::GiveBack { which } => {
                if let Some((_, assignment)) = self.pick(which) {
                    self.engine
                        .with(|scheduler, deferred| scheduler.give_back(assignment, deferred));
                }
            }
            Move::Die { worker, all } => self.die(worker, all),
            Move::Ask { worker } => {
                let worker = self.workers[worker % self.workers.len()];
                self.engine
                    .with(|scheduler, deferred| scheduler.asks(worker, 1, deferred));
            }
            Move::Cancel { which } => {
                if let Some((number, slot)) = self.known(which)
                    && self.engine.cancel(&slot, false) == Ok(true)
                {
                    self.tasks[number].touched = true;
                }
            }
            Move::Retry { which } => {
                if let Some((_, slot)) = self.known(which) {
                    self.engine.retry(&slot);
                }
            }
            Move::Bring { which } => {
                if let Some((number, slot)) = self.known(which) {
                    self.bring(number, &slot);
                }
            }
            Move::Drop { which } => {
                if !self.tasks.is_empty() {
                    let number = which % self.tasks.len();
                    self.tasks[number].slot = None;
                }
            }
        }
    }

    fn submit(&mut self, dependencies: &[usize], retries: u32, accepts_failed_deps: bool) {
        let number = self.tasks.len();
        let mut numbers: Vec<usize> = Vec::new();
        let mut slots = Vec::new();
        for dependency in dependencies {
            if let Some((number, slot)) = self.known(*dependency) {
                numbers.push(number);
                slots.push(slot);
            }
        }
        let options = (retries > 0).then(|| {
            Arc::new(Options {
                retries,
                ..Options::default()
            })
        });
        let spec = TaskSpec {
            program: number,
            dependencies: slots,
            options,
            accepts_failed_deps,
        };
        let slot = Some(self.engine.submit(spec));
        self.tasks.push(Known {
            slot,
            dependencies: numbers,
            accepts_failed_deps,
            touched: false,
        });
    }

    fn pick(&mut self, which: usize) -> Option<(WorkerId, Assignment<Sums>)> {
        let count = self.with_workers.len();
        (count > 0).then(|| self.with_workers.swap_remove(which % count))
    }

    fn known(&self, which: usize) -> Option<(usize, Arc<Slot<Sums>>)> {
        let number = which.checked_rem(self.tasks.len())?;
        Some((number, self.tasks[number].slot.clone()?))
    }

    /// Runs a task as a worker would, with the values of its dependencies.
    fn finish(&mut self, which: usize, kept: bool) {
        let Some((_, assignment)) = self.pick(which) else {
            return;
        };
        let number = assignment.program;
        let accepts_failed_deps = self.tasks[number].accepts_failed_deps;
        let lost = |dependency: &Arc<Slot<Sums>>| {
            !dependency.is_done() || (!accepts_failed_deps && dependency.failure().is_some())
        };
        if assignment.dependencies.iter().any(lost) {
            // It was lost after the task had been taken, and before it had been sent.
            return self
                .engine
                .with(|scheduler, deferred| scheduler.give_back(assignment, deferred));
        }
        for (dependency, slot) in self.tasks[number]
            .dependencies
            .iter()
            .zip(&assignment.dependencies)
        {
            if let Some(Ok(value)) = slot.look(|outcome| outcome.copied().map_err(|_| ())) {
                assert_eq!(value, self.value(*dependency), "of {dependency}");
            } else if !self.tasks[number].accepts_failed_deps {
                assert!(
                    slot.away().is_some(),
                    "{number} runs though {dependency} has failed"
                );
            }
        }
        // If failed dependencies are accepted, the value depends on the failures: the worker's result is trusted.
        let output = if kept && !self.has_threads {
            Output::Stored
        } else {
            Output::Inline(self.value(number))
        };
        self.give(assignment, Ok(output));
    }

    fn take(&self, worker: WorkerId, steal: bool) -> Option<Assignment<Sums>> {
        match self.has_threads {
            true => self.engine.next(worker),
            false => self.engine.next_outside(worker, steal),
        }
    }

    fn give(&self, assignment: Assignment<Sums>, result: Result<Output<usize>, usize>) {
        let deferred = &mut Deferred::default();
        let next = self.engine.finish(assignment, result, None, deferred);
        assert!(next.is_none(), "it was not asked for");
    }

    fn value(&self, number: usize) -> usize {
        number
            + self.tasks[number]
                .dependencies
                .iter()
                .map(|dependency| self.value(*dependency))
                .sum::<usize>()
                % 1_000
    }

    /// A worker dies because of one task, or with `all` its tasks.
    fn die(&mut self, worker: usize, all: bool) {
        let index = worker % self.workers.len();
        let dead = self.workers[index];
        let (lost, left) = std::mem::take(&mut self.with_workers)
            .into_iter()
            .partition(|(worker, _)| *worker == dead);
        self.with_workers = left;
        let mut running: Vec<_> = lost.into_iter().map(|(_, assignment)| assignment).collect();
        let not_begun = if running.len() > 1 && !all {
            running.split_off(1)
        } else {
            Vec::new()
        };
        for assignment in &running {
            self.tasks[assignment.program].touched = true;
        }
        self.engine.with(|scheduler, deferred| {
            let lost = Lost {
                running,
                not_begun,
                ..Lost::default()
            };
            scheduler.worker_lost(dead, lost, "the test said so", deferred);
        });
        self.workers[index] = self.engine.add_worker(Vec::new());
    }

    fn bring(&self, number: usize, slot: &Arc<Slot<Sums>>) {
        if let Some(worker) = slot.away() {
            let value = self.value(number);
            self.engine
                .with(|scheduler, deferred| scheduler.has_come(worker, slot.id, value, deferred));
        }
    }

    /// Runs everything to its end, and returns the outcome of each wanted task.
    fn end(&mut self) {
        loop {
            while !self.with_workers.is_empty() {
                self.finish(0, false);
            }
            let worker = self.workers[0];
            let next = self.take(worker, true);
            let Some(assignment) = next else { break };
            self.with_workers.push((worker, assignment));
        }
        for (number, known) in self.tasks.iter().enumerate() {
            let Some(slot) = &known.slot else { continue };
            self.bring(number, slot);
            match slot.status() {
                Status::Pending => panic!("{number} waits for ever"),
                Status::Finished => {
                    let value = slot.look(|outcome| outcome.ok().copied()).flatten();
                    assert_eq!(value, Some(self.value(number)));
                }
                Status::Error | Status::Cancelled => {
                    assert!(self.may_fail(number), "{number}: {:?}", slot.failure());
                }
            }
        }
        for known in &mut self.tasks {
            known.slot = None;
        }
        assert_eq!(
            self.engine.counts(),
            (0, 0),
            "nothing is left of tasks that nobody wants"
        );
    }

    fn may_fail(&self, number: usize) -> bool {
        let known = &self.tasks[number];
        known.touched
            || (!known.accepts_failed_deps
                && known
                    .dependencies
                    .iter()
                    .any(|dependency| self.may_fail(*dependency)))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_task_has_the_right_outcome_whatever_happens(moves in moves()) {
        let mut play = Play::new();
        for one in moves {
            play.make(one);
        }
        play.end();
    }

    #[test]
    fn thread_engines_handle_plain_and_dependent_tasks_alike(moves in moves()) {
        let mut play = Play::on(TaskEngine::threads(), true);
        for one in moves {
            play.make(one);
        }
        play.end();
    }
}

#[test]
fn a_task_that_killed_three_workers_is_given_up() {
    let mut play = Play::new();
    play.submit(&[], 10, false);
    for death in 1..=3 {
        play.make(Move::Take {
            worker: 0,
            steal: false,
        });
        play.die(0, false);
        let (_, slot) = play.known(0).expect("it is wanted");
        assert_eq!(slot.is_done(), death == 3);
    }
    let (_, slot) = play.known(0).expect("it is wanted");
    let failure = slot.failure().expect("it failed");
    assert!(
        matches!(&*failure, Failure::KilledWorker { deaths: 3, .. }),
        "{failure:?}"
    );
}

#[test]
fn several_running_tasks_are_suspects_at_first() {
    let mut play = Play::new();
    play.submit(&[], 0, false);
    play.submit(&[], 0, false);
    let worker = play.workers[0];
    let take = |play: &Play| play.take(worker, false);
    let running: Vec<_> = [take(&play), take(&play)].into_iter().flatten().collect();
    assert_eq!(running.len(), 2);
    play.engine.with(|scheduler, deferred| {
        let lost = Lost {
            running,
            ..Lost::default()
        };
        scheduler.worker_lost(worker, lost, "signal 9", deferred);
    });
    play.workers[0] = play.engine.add_worker(Vec::new());
    assert_eq!(play.engine.counts(), (2, 0));
    play.end();
}

/// Ready tasks that ran together on a worker that died.
fn suspects(count: usize) -> Play {
    let mut play = Play::new();
    for _ in 0..count {
        play.submit(&[], 0, false);
        play.make(Move::Take {
            worker: 0,
            steal: false,
        });
    }
    play.die(0, true);
    play
}

#[test]
fn suspects_run_alone_and_innocent_tasks_continue() {
    let mut play = suspects(2);
    play.submit(&[], 0, false);
    let take = |play: &Play, worker: usize| {
        let worker = play.workers[worker];
        play.take(worker, true)
            .map(|assignment| (worker, assignment))
    };
    let first = take(&play, 0).expect("a suspect");
    assert_eq!(first.1.program, 0);
    assert!(take(&play, 0).is_none(), "it runs alone");
    let second = take(&play, 1).expect("the other suspect");
    assert_eq!(second.1.program, 1);
    play.with_workers.push(first);
    play.with_workers.push(second);
    play.die(1, true);
    let (_, guilty) = play.known(1).expect("it is wanted");
    assert_eq!(guilty.status(), Status::Error);
    play.finish(0, false);
    let (_, innocent) = play.known(0).expect("it is wanted");
    assert_eq!(innocent.status(), Status::Finished);
    assert_eq!(take(&play, 0).map(|(_, task)| task.program), Some(2));
}

#[test]
fn a_task_waiting_for_an_answer_is_not_blamed() {
    let mut play = Play::new();
    for number in 0..2 {
        play.submit(&[], 0, false);
        play.make(Move::Take {
            worker: 0,
            steal: false,
        });
        assert_eq!(play.with_workers.len(), number + 1);
    }
    let mut tasks: Vec<_> = play.with_workers.drain(..).map(|(_, task)| task).collect();
    let lost = Lost {
        waiting: tasks.split_off(1),
        running: tasks,
        ..Lost::default()
    };
    let worker = play.workers[0];
    play.engine.with(|scheduler, deferred| {
        scheduler.worker_lost(worker, lost, "signal 9", deferred);
    });
    let status = |number| play.known(number).map(|(_, slot)| slot.status());
    assert_eq!(status(0), Some(Status::Error), "it was alone");
    assert_eq!(status(1), Some(Status::Pending));
}

#[test]
fn a_suspect_gets_an_empty_worker_unless_its_tasks_may_wait_for_it() {
    let mut play = Play::new();
    for worker in [0, 0, 1] {
        play.submit(&[], 0, false);
        play.make(Move::Take {
            worker,
            steal: false,
        });
    }
    play.die(0, true);
    let busy = play.workers[1];
    let take = |play: &Play| play.take(busy, true).map(|assignment| (busy, assignment));
    assert!(take(&play).is_none(), "it has something else to do");
    play.engine
        .with(|scheduler, deferred| scheduler.asks(busy, 1, deferred));
    let first = take(&play).expect("what it runs may wait for this one");
    play.with_workers.push(first);
    play.finish(1, false);
    play.finish(0, false);
    play.end();
}

#[test]
fn resources_limit_concurrent_tasks() {
    let engine: Arc<TaskEngine<Sums>> = TaskEngine::threads();
    let worker = engine.add_worker(vec![("card".into(), 2.0)]);
    let take = || engine.next(worker);
    let submit = |program, name: &str, cards| {
        let options = Options {
            resources: vec![(name.into(), cards)],
            ..Options::default()
        };
        engine.submit(TaskSpec {
            program,
            dependencies: Vec::new(),
            options: Some(Arc::new(options)),
            accepts_failed_deps: false,
        })
    };
    for (name, cards) in [("card", 2.5), ("card", f64::NAN), ("disk", 1.0)] {
        let failure = submit(7, name, cards).failure();
        let wanted = format!("{cards} of `{name}`");
        assert_eq!(failure.as_deref(), Some(&Failure::NoResources { wanted }));
    }
    let _slots: Vec<_> = (0..3).map(|at| submit(at, "card", 1.0)).collect();
    let first = take().expect("there are two cards");
    assert!(take().is_some());
    assert!(take().is_none(), "and not three");
    engine.with(|scheduler, deferred| scheduler.finish(first, Ok(Output::Inline(0)), deferred));
    assert_eq!(take().map(|assignment| assignment.program), Some(2));
    engine.with(|scheduler, deferred| {
        scheduler.worker_lost(worker, Lost::default(), "signal 9", deferred);
    });
    let waits = submit(4, "card", 2.0);
    assert!(waits.failure().is_none(), "the worker is replaced");
}

#[test]
fn a_chain_of_any_length_is_dropped() {
    let mut play = Play::new();
    play.submit(&[], 0, false);
    for number in 0..200_000 {
        play.submit(&[number], 0, false);
        play.tasks[number].slot = None;
    }
    assert_eq!(play.engine.counts(), (200_001, 0));
    play.tasks[200_000].slot = None;
    assert_eq!(play.engine.counts(), (0, 0));
}
