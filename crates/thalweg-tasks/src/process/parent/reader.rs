//! Handling of workers' messages: one thread per worker reads, and starts the replacement of a dead one.

use crate::engine::TaskEngine;
use crate::history::RunOutcome;
use crate::process::Portable;
use crate::process::parent::link::{Killed, Link};
use crate::process::parent::pool::{Answer, Pool};
use crate::process::protocol::wire::{Files, Inbox, Sent, ToParent, ToWorker, read};
use crate::process::system::is_shortage;
use crate::scheduler::{Assignment, Lost, Output, TaskId};
use crate::sync::lock;
use crate::task_types::{Failure, TaskTypes};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// After this many consecutive workers that ended by themselves before they started, no more are started.
const STILLBORN: usize = 3;

/// A killed one counts less than one that gave up.
const GAVE_UP: usize = 8;

/// Pause before resources that the system lacked are requested again.
const SPAWN_AGAIN: Duration = Duration::from_millis(200);

impl<W: Portable> Pool<W> {
    /// Reads a worker's messages, until the engine is closed: when it dies, those of its replacement.
    pub(in crate::process) fn serve(self: Arc<Self>, index: usize, mut link: Arc<Link<W>>) {
        loop {
            self.listen(&link);
            let Some(engine) = self.engine() else {
                // How it ended does not matter any more.
                let _ = lock(&link.child).reap();
                return;
            };
            self.reap(&engine, index, &link);
            drop(engine);
            match self.spawn_again(index) {
                Some(new) => {
                    self.restarts[index].fetch_add(1, Ordering::Relaxed);
                    link = new;
                }
                None => return,
            }
            let Some(engine) = self.engine() else {
                let _ = lock(&link.child).reap();
                return;
            };
            *lock(&self.links[index]) = Some(link.clone());
            if self.closed.load(Ordering::Acquire) {
                // It was closed in between, and does not know of this one.
                link.kill(Killed::Closed);
            }
            self.dispatch(&engine);
        }
    }

    /// Starts the replacement of a dead worker. If the system has no files or processes left, it may have some later;
    /// meanwhile all waiting tasks fail. There is none when the engine has been closed.
    fn spawn_again(&self, index: usize) -> Option<Arc<Link<W>>> {
        loop {
            if self.closed.load(Ordering::Acquire) {
                return None;
            }
            let engine = self.engine()?;
            let error = match self.spawn(&engine, index) {
                Ok(link) => return Some(link),
                Err(error) => error,
            };
            let reason = format!("no worker starts: {error}");
            if !is_shortage(&error) {
                self.give_up(&engine, &reason);
                return None;
            }
            if self.live_links().is_empty() {
                let failure = Failure::KilledWorker { reason, deaths: 1 };
                let failure = Arc::new(failure);
                engine.with(|scheduler, deferred| scheduler.fail_all(&failure, deferred));
            }
            drop(engine);
            self.closing.wait(SPAWN_AGAIN);
        }
    }

    fn listen(&self, link: &Arc<Link<W>>) {
        let mut inbox = Inbox::default();
        let mut incoming = Incoming::default();
        // A message that cannot be received or parsed means a broken worker.
        while let Ok(true) = link.outgoing.socket.receive(&mut inbox) {
            link.pulse.heard();
            let read =
                inbox.each(|message, files| self.understand(link, message, files, &mut incoming));
            let Some(engine) = self.engine() else { return };
            self.apply(&engine, link, &mut incoming);
            if read.is_err() {
                return link.kill(Killed::Unreadable);
            }
        }
    }

    fn understand(
        &self,
        link: &Arc<Link<W>>,
        message: &[u8],
        files: &mut Files,
        incoming: &mut Incoming<W>,
    ) -> io::Result<()> {
        let mut state = lock(&link.state);
        match read::<ToParent<'_>>(message)? {
            ToParent::Ready => {
                state.is_ready = true;
                self.failed_starts.store(0, Ordering::Relaxed);
            }
            ToParent::Done { task, value, nanos } => {
                let value = received::<W>(&value, files).map(Output::Inline);
                state.took(nanos);
                let assignment = state.take(task);
                self.note_run(link, assignment.as_ref(), nanos, RunOutcome::Done);
                incoming.done.extend(assignment.map(|task| (task, value)));
            }
            ToParent::Stored { task, nanos } => {
                state.took(nanos);
                let assignment = state.take(task);
                self.note_run(link, assignment.as_ref(), nanos, RunOutcome::Done);
                incoming
                    .done
                    .extend(assignment.map(|task| (task, Ok(Output::Stored))));
            }
            ToParent::Failed { task, error, nanos } => {
                let error = raised::<W>(&error, files);
                state.took(nanos);
                let assignment = state.take(task);
                self.note_run(link, assignment.as_ref(), nanos, RunOutcome::Failed);
                incoming
                    .done
                    .extend(assignment.map(|task| (task, Err(error))));
            }
            ToParent::Fetched { task, value } => {
                let value = received::<W>(&value, files);
                incoming.come.push((TaskId::from_number(task), value));
            }
            ToParent::NotFetched { task, error } => {
                let error = raised::<W>(&error, files);
                incoming.come.push((TaskId::from_number(task), Err(error)));
            }
            // The worker has answered.
            ToParent::Pong => {}
            ToParent::Threads { more } => link.add_threads(more),
            ToParent::Returned { tasks, recalled } => {
                state.recalling &= !recalled;
                state.has_none_to_return |= recalled && tasks.is_empty();
                incoming
                    .returned
                    .extend(tasks.into_iter().filter_map(|task| state.take(task)));
            }
            // It started just before it was to be skipped.
            ToParent::NotSkipped { task } => incoming.runs_on |= state.stopping.remove(&task),
            ToParent::Question {
                question,
                task,
                text,
            } => {
                state.asking.insert(question, task);
                incoming.questions.push((question, text.to_vec()));
            }
        }
        Ok(())
    }

    /// Records a finished task, if runs are recorded.
    fn note_run(
        &self,
        link: &Link<W>,
        assignment: Option<&Assignment<W>>,
        nanos: u64,
        outcome: RunOutcome,
    ) {
        let engine = self.engine().filter(|engine| engine.history.is_on());
        if let (Some(engine), Some(assignment)) = (engine, assignment) {
            let ended = Instant::now();
            let began = ended.checked_sub(Duration::from_nanos(nanos));
            let time = (began.unwrap_or(ended), ended);
            engine
                .history
                .add(link.place, assignment.label(), time, outcome);
        }
    }

    /// Applies a worker's messages, and sends it more tasks.
    fn apply(&self, engine: &Arc<TaskEngine<W>>, link: &Arc<Link<W>>, incoming: &mut Incoming<W>) {
        engine.with(|scheduler, deferred| {
            for (assignment, result) in incoming.done.drain(..) {
                scheduler.finish(assignment, result, deferred);
            }
            for assignment in incoming.returned.drain(..) {
                scheduler.give_back(assignment, deferred);
            }
            for (id, value) in incoming.come.drain(..) {
                match value {
                    Ok(value) => scheduler.has_come(link.worker, id, value, deferred),
                    Err(error) => scheduler.cannot_come(id, error, deferred),
                }
            }
            if !incoming.questions.is_empty() {
                scheduler.asks(link.worker, incoming.questions.len(), deferred);
            }
        });
        if std::mem::take(&mut incoming.runs_on) {
            link.kill(Killed::TaskStopped);
        }
        let mut state = lock(&link.state);
        if state.has_forgotten() {
            // A dead one has forgotten everything.
            let _ = state.forget(Vec::new());
        }
        drop(state);
        for (question, text) in incoming.questions.drain(..) {
            let (link, number, engine) = (link.clone(), link.number, Arc::downgrade(engine));
            let answer: Answer = Box::new(move |answer| {
                let is_new = lock(&link.state).asking.remove(&question).is_some();
                if let Some(engine) = engine.upgrade().filter(|_| is_new) {
                    engine.with(|scheduler, _| scheduler.is_answered(link.worker));
                }
                // If the worker has gone meanwhile, nobody waits for the answer.
                let _ = link.tell(&ToWorker::Answer { question, answer });
                link.flush();
            });
            match self.questions.get().cloned() {
                Some((ask, _)) => self.answering.call(move || ask(number, text, answer)),
                None => answer(&[]),
            }
        }
        self.dispatch(engine);
    }

    /// A worker has died: its tasks are given to others, except those that caused it.
    fn reap(self: &Arc<Self>, engine: &Arc<TaskEngine<W>>, index: usize, link: &Arc<Link<W>>) {
        *lock(&self.links[index]) = None;
        // It may only have closed its end.
        let status = lock(&link.child).reap();
        let gave_up = matches!(&status, Ok(status) if status.code().is_some());
        let mut state = lock(&link.state);
        state.is_gone = true;
        let tasks = std::mem::take(&mut state.tasks);
        let asking = std::mem::take(&mut state.asking);
        let (killed, was_ready) = (state.killed.take(), state.is_ready);
        drop(state);
        lock(&self.deaths).count(killed, self.closed.load(Ordering::Acquire));
        let on_board: Vec<_> = link.running();
        for entry in &on_board {
            let time = u64::try_from(entry.time.as_nanos()).unwrap_or(u64::MAX);
            self.note_run(link, tasks.get(&entry.task), time, RunOutcome::Killed);
        }
        let on_board: Vec<_> = on_board.into_iter().map(|entry| entry.task).collect();
        let waits = |task: &u64| asking.values().flatten().any(|asking| asking == task);
        let (begun, mut not_begun): (Vec<_>, Vec<_>) = tasks
            .into_iter()
            .partition(|(number, _)| on_board.contains(number));
        let (mut waiting, mut running): (Vec<_>, Vec<_>) =
            begun.into_iter().partition(|(number, _)| waits(number));
        let reason = match (&killed, status) {
            (Some(reason), _) => reason.to_string(),
            (None, Ok(status)) => status.to_string(),
            (None, Err(error)) => error.to_string(),
        };
        if killed == Some(Killed::TaskStopped) {
            // The one it was killed for has failed already. The others are not the cause.
            not_begun.append(&mut running);
            not_begun.append(&mut waiting);
        }
        // In the order of submission, as far as the numbers tell.
        not_begun.sort_by_key(|(number, _)| *number);
        let drop_number =
            |tasks: Vec<(u64, Assignment<W>)>| tasks.into_iter().map(|(_, task)| task).collect();
        let lost = Lost {
            running: drop_number(running),
            waiting: drop_number(waiting),
            not_begun: drop_number(not_begun),
        };
        engine.with(|scheduler, deferred| {
            scheduler.worker_lost(link.worker, lost, &reason, deferred);
        });
        self.settle(index, link.number);
        let is_silent = matches!(killed, Some(Killed::Silent(_)));
        let by_itself = killed.is_none() || is_silent;
        if !was_ready && by_itself && !self.closed.load(Ordering::Acquire) {
            let weight = if gave_up || is_silent { GAVE_UP } else { 1 };
            let before = self.failed_starts.fetch_add(weight, Ordering::Relaxed);
            if before + weight >= STILLBORN * GAVE_UP {
                self.give_up(
                    engine,
                    &format!("worker processes end before they have started: {reason}"),
                );
            }
        }
    }

    /// No worker can be started: all waiting tasks fail.
    fn give_up(&self, engine: &Arc<TaskEngine<W>>, reason: &str) {
        let deaths = u32::try_from(STILLBORN).unwrap_or(u32::MAX);
        let failure = Arc::new(Failure::KilledWorker {
            reason: reason.to_owned(),
            deaths,
        });
        engine.with(|scheduler, deferred| scheduler.fail_all(&failure, deferred));
        engine.close();
        self.close();
    }
}

type Ended<W> = (Assignment<W>, Outcome<Output<<W as TaskTypes>::Value>, W>);
type Outcome<T, W> = Result<T, <W as TaskTypes>::Error>;

fn received<W: Portable>(sent: &Sent<'_>, files: &mut Files) -> Outcome<W::Value, W> {
    let payload = sent.unpack(files).map_err(W::unsent)?;
    Ok(W::received(Arc::new(payload)))
}

fn raised<W: Portable>(sent: &Sent<'_>, files: &mut Files) -> W::Error {
    sent.unpack(files).map_or_else(W::unsent, W::raised)
}

/// Messages of a worker, read and not yet applied.
struct Incoming<W: Portable> {
    done: Vec<Ended<W>>,
    come: Vec<(TaskId, Outcome<W::Value, W>)>,
    returned: Vec<Assignment<W>>,
    questions: Vec<(u64, Vec<u8>)>,
    /// A task to be stopped has started.
    runs_on: bool,
}

impl<W: Portable> Default for Incoming<W> {
    fn default() -> Self {
        Self {
            done: Vec::new(),
            come: Vec::new(),
            returned: Vec::new(),
            questions: Vec::new(),
            runs_on: false,
        }
    }
}
