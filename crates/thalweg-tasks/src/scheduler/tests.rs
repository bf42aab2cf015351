//! The scheduler against a plain model: tasks that add numbers, and everything that can happen to them.

use super::{Assignment, Lost, Options, Product, Spec, WorkerId};
use crate::engine::Home;
use crate::slot::{Slot, Status};
use crate::world::{Failure, World};
use proptest::prelude::*;
use std::sync::Arc;

enum Sums {}

impl World for Sums {
    /// The number of the task, which is what it adds.
    type Program = usize;
    type Value = usize;
    type Error = usize;
}

/// What happens next. The numbers choose among what there is.
#[derive(Debug, Clone)]
enum Move {
    Submit {
        needs: Vec<usize>,
        retries: u32,
        tolerant: bool,
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
            .prop_map(|(needs, retries, tolerant)| Move::Submit { needs, retries, tolerant }),
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

/// What the model knows of a task.
struct Known {
    slot: Option<Arc<Slot<Sums>>>,
    needs: Vec<usize>,
    tolerant: bool,
    /// Something has happened to it after which it may fail.
    touched: bool,
}

struct Play {
    home: Arc<Home<Sums>>,
    workers: Vec<WorkerId>,
    with_workers: Vec<(WorkerId, Assignment<Sums>)>,
    tasks: Vec<Known>,
}

impl Play {
    fn new() -> Self {
        let home = Home::threads();
        let workers = (0..3).map(|_| home.add_worker(Vec::new())).collect();
        Self {
            home,
            workers,
            with_workers: Vec::new(),
            tasks: Vec::new(),
        }
    }

    fn make(&mut self, one: Move) {
        match one {
            Move::Submit {
                needs,
                retries,
                tolerant,
            } => self.submit(&needs, retries, tolerant),
            Move::Take { worker, steal } => {
                let worker = self.workers[worker % self.workers.len()];
                let next = self.home.with(|scheduler, _| scheduler.next(worker, steal));
                if let Some(assignment) = next {
                    // One that runs whatever comes may run while what it needs is tried again.
                    let tolerant = self.tasks[assignment.program].tolerant;
                    assert!(tolerant || assignment.needs.iter().all(|need| need.is_done()));
                    self.with_workers.push((worker, assignment));
                }
            }
            Move::Finish { which, kept } => self.finish(which, kept),
            Move::Fail { which } => {
                if let Some((_, assignment)) = self.pick(which) {
                    let number = assignment.program;
                    self.tasks[number].touched = true;
                    self.home.with(|scheduler, effects| {
                        scheduler.finish(assignment, Err(number), effects);
                    });
                }
            }
            Move::GiveBack { which } => {
                if let Some((_, assignment)) = self.pick(which) {
                    self.home
                        .with(|scheduler, effects| scheduler.give_back(assignment, effects));
                }
            }
            Move::Die { worker, all } => self.die(worker, all),
            Move::Ask { worker } => {
                let worker = self.workers[worker % self.workers.len()];
                self.home
                    .with(|scheduler, effects| scheduler.asks(worker, 1, effects));
            }
            Move::Cancel { which } => {
                if let Some((number, slot)) = self.known(which)
                    && self.home.cancel(&slot, false) == Ok(true)
                {
                    self.tasks[number].touched = true;
                }
            }
            Move::Retry { which } => {
                if let Some((_, slot)) = self.known(which) {
                    self.home.retry(&slot);
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

    fn submit(&mut self, needs: &[usize], retries: u32, tolerant: bool) {
        let number = self.tasks.len();
        let mut numbers: Vec<usize> = Vec::new();
        let mut slots = Vec::new();
        for need in needs {
            if let Some((number, slot)) = self.known(*need) {
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
        let spec = Spec {
            program: number,
            needs: slots,
            options,
            tolerant,
        };
        let slot = Some(self.home.submit(spec));
        self.tasks.push(Known {
            slot,
            needs: numbers,
            tolerant,
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

    /// Runs a task as a worker would: with the values of what it needs.
    fn finish(&mut self, which: usize, kept: bool) {
        let Some((_, assignment)) = self.pick(which) else {
            return;
        };
        let number = assignment.program;
        let tolerant = self.tasks[number].tolerant;
        let lost =
            |need: &Arc<Slot<Sums>>| !need.is_done() || (!tolerant && need.failure().is_some());
        if assignment.needs.iter().any(lost) {
            // It was lost after the task had been taken, and before it had been sent.
            return self
                .home
                .with(|scheduler, effects| scheduler.give_back(assignment, effects));
        }
        for (need, slot) in self.tasks[number].needs.iter().zip(&assignment.needs) {
            if let Some(Ok(value)) = slot.look(|outcome| outcome.copied().map_err(|_| ())) {
                assert_eq!(value, self.value(*need), "of {need}");
            } else if !self.tasks[number].tolerant {
                assert!(
                    slot.away().is_some(),
                    "{number} runs though {need} has failed"
                );
            }
        }
        // A tolerant task's value depends on what failed, so its worker's word is taken for it.
        let product = if kept {
            Product::Kept
        } else {
            Product::Here(self.value(number))
        };
        self.home
            .with(|scheduler, effects| scheduler.finish(assignment, Ok(product), effects));
    }

    fn value(&self, number: usize) -> usize {
        number
            + self.tasks[number]
                .needs
                .iter()
                .map(|need| self.value(*need))
                .sum::<usize>()
                % 1_000
    }

    /// A worker dies, of one task or with `all` it has.
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
        self.home.with(|scheduler, effects| {
            let lost = Lost {
                running,
                not_begun,
                ..Lost::default()
            };
            scheduler.worker_lost(dead, lost, "the test said so", effects);
        });
        self.workers[index] = self.home.add_worker(Vec::new());
    }

    fn bring(&self, number: usize, slot: &Arc<Slot<Sums>>) {
        if let Some(worker) = slot.away() {
            let value = self.value(number);
            self.home
                .with(|scheduler, effects| scheduler.has_come(worker, slot.id, value, effects));
        }
    }

    /// Has all that can run to its end, and says what came of each task that someone wants.
    fn end(&mut self) {
        loop {
            while !self.with_workers.is_empty() {
                self.finish(0, false);
            }
            let worker = self.workers[0];
            let next = self.home.with(|scheduler, _| scheduler.next(worker, true));
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
            self.home.counts(),
            (0, 0),
            "nothing is left of tasks that nobody wants"
        );
    }

    fn may_fail(&self, number: usize) -> bool {
        let known = &self.tasks[number];
        known.touched || (!known.tolerant && known.needs.iter().any(|need| self.may_fail(*need)))
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
}

#[test]
fn a_task_three_workers_died_of_is_given_up() {
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
fn of_several_that_ran_nobody_is_blamed_at_once() {
    let mut play = Play::new();
    play.submit(&[], 0, false);
    play.submit(&[], 0, false);
    let worker = play.workers[0];
    let take = |play: &Play| play.home.with(|scheduler, _| scheduler.next(worker, false));
    let running: Vec<_> = [take(&play), take(&play)].into_iter().flatten().collect();
    assert_eq!(running.len(), 2);
    play.home.with(|scheduler, effects| {
        let lost = Lost {
            running,
            ..Lost::default()
        };
        scheduler.worker_lost(worker, lost, "signal 9", effects);
    });
    play.workers[0] = play.home.add_worker(Vec::new());
    assert_eq!(play.home.counts(), (2, 0));
    play.end();
}

/// Tasks that have all they need, of which a worker died that ran them together.
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
fn suspects_are_tried_alone_and_the_innocent_go_on() {
    let mut play = suspects(2);
    play.submit(&[], 0, false);
    let take = |play: &Play, worker: usize| {
        let worker = play.workers[worker];
        let next = play.home.with(|scheduler, _| scheduler.next(worker, true));
        next.map(|assignment| (worker, assignment))
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
fn who_waits_for_an_answer_is_not_blamed() {
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
    play.home.with(|scheduler, effects| {
        scheduler.worker_lost(worker, lost, "signal 9", effects);
    });
    let status = |number| play.known(number).map(|(_, slot)| slot.status());
    assert_eq!(status(0), Some(Status::Error), "it was alone");
    assert_eq!(status(1), Some(Status::Pending));
}

#[test]
fn a_worker_is_emptied_for_a_suspect_unless_what_it_runs_may_wait_for_it() {
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
    let take = |play: &Play| {
        let next = play.home.with(|scheduler, _| scheduler.next(busy, true));
        next.map(|assignment| (busy, assignment))
    };
    assert!(take(&play).is_none(), "it has something else to do");
    play.home
        .with(|scheduler, effects| scheduler.asks(busy, 1, effects));
    let first = take(&play).expect("what it runs may wait for this one");
    play.with_workers.push(first);
    play.finish(1, false);
    play.finish(0, false);
    play.end();
}

#[test]
fn resources_limit_what_runs_at_a_time() {
    let home: Arc<Home<Sums>> = Home::threads();
    let worker = home.add_worker(vec![("card".into(), 2.0)]);
    let take = || home.with(|scheduler, _| scheduler.next(worker, true));
    let resources = vec![("card".into(), 1.0)];
    let options = Some(Arc::new(Options {
        resources,
        ..Options::default()
    }));
    let submit = |program| {
        let options = options.clone();
        home.submit(Spec {
            program,
            needs: Vec::new(),
            options,
            tolerant: false,
        })
    };
    let _slots: Vec<_> = (0..3).map(submit).collect();
    let first = take().expect("there are two cards");
    assert!(take().is_some());
    assert!(take().is_none(), "and not three");
    home.with(|scheduler, effects| scheduler.finish(first, Ok(Product::Here(0)), effects));
    assert_eq!(take().map(|assignment| assignment.program), Some(2));
}

#[test]
fn a_chain_of_any_length_is_dropped() {
    let mut play = Play::new();
    play.submit(&[], 0, false);
    for number in 0..200_000 {
        play.submit(&[number], 0, false);
        play.tasks[number].slot = None;
    }
    assert_eq!(play.home.counts(), (200_001, 0));
    play.tasks[200_000].slot = None;
    assert_eq!(play.home.counts(), (0, 0));
}
