//! The worker processes of an engine.

use super::Portable;
use super::board::Board;
use super::child::GroupLeader;
use super::link::{Fill, Killed, Link, Sending};
use super::memory::watch_memory;
use super::parked::Parked;
use super::pulse::{self, Closing};
use super::socket::Socket;
use super::wire::{Inbox, ToParent, ToWorker, read};
use crate::engine::{Callbacks, Home, Outside, Ran};
use crate::scheduler::{Assignment, Product, TaskId, WorkerId};
use crate::sync::{Mutex, lock};
use crate::world::{Failure, World};
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What worker processes are to be like.
pub struct Setting {
    /// How many there are.
    pub workers: usize,
    /// How many tasks each runs at a time.
    pub threads: usize,
    /// How much memory each may use, in bytes.
    pub memory: Option<u64>,
    /// How long a worker may not answer before it is killed and replaced; for ever, if nothing is said.
    pub ttl: Option<Duration>,
    /// How much each has of what tasks may take.
    pub resources: Vec<(Box<str>, f64)>,
    /// Starts one. Its standard input will be the socket.
    pub command: Box<dyn Fn() -> Command + Send + Sync>,
}

/// What only the worker with that index has: a task that asks for none of it runs there.
pub fn worker_resource(index: usize) -> Box<str> {
    format!("worker {index}").into()
}

/// The worker processes of an engine. One that dies is replaced.
pub struct Pool<W: Portable> {
    setting: Setting,
    home: OnceLock<Weak<Home<W>>>,
    links: Vec<Mutex<Option<Arc<Link<W>>>>>,
    closed: AtomicBool,
    /// Tells those who watch the workers that it has been closed.
    closing: Arc<Closing>,
    /// The process that has the readers, and whose children the workers are.
    process: u32,
    /// How many have died in a row before they had said a word.
    stillborn: AtomicUsize,
    readers: Mutex<Vec<JoinHandle<()>>>,
    questions: OnceLock<(Arc<Questions>, Arc<Lost>)>,
    /// Questions are answered here: an answer may wait for what the readers have yet to read.
    answering: Arc<Callbacks>,
}

/// Answers what tasks ask: it is called with the number of their process, the question, and what takes the answer.
type Questions = dyn Fn(u64, Vec<u8>, Answer) + Send + Sync;

/// Is called with the number of a process that has died.
type Lost = dyn Fn(u64) + Send + Sync;

/// Takes the answer to a question, once.
pub type Answer = Box<dyn FnOnce(&[u8]) + Send>;

/// If so many end by themselves before they have started, no other will start.
const STILLBORN: usize = 3;

/// One that was killed by someone counts for less than one that gave up.
const GAVE_UP: usize = 8;

impl<W: Portable> Pool<W> {
    /// Starts the processes. They take tasks when they have started.
    ///
    /// # Errors
    /// When the system starts no more.
    pub fn start(setting: Setting) -> io::Result<(Arc<Home<W>>, Arc<Self>)> {
        let pool = Arc::new(Self {
            links: (0..setting.workers).map(|_| Mutex::new(None)).collect(),
            setting,
            home: OnceLock::new(),
            closed: AtomicBool::new(false),
            closing: Arc::default(),
            process: std::process::id(),
            stillborn: AtomicUsize::new(0),
            readers: Mutex::default(),
            questions: OnceLock::new(),
            answering: Arc::default(),
        });
        let home = Home::new(Box::new(Processes(pool.clone())));
        // It has just been made.
        let _ = pool.home.set(Arc::downgrade(&home));
        for index in 0..pool.setting.workers {
            let link = pool.spawn(&home, index)?;
            *lock(&pool.links[index]) = Some(link.clone());
            let pool = pool.clone();
            let reader = crate::stack::thread(format!("thalweg-process-{index}")).spawn({
                let pool = pool.clone();
                move || pool.serve(index, link)
            })?;
            lock(&pool.readers).push(reader);
        }
        if let Some(most) = pool.setting.memory {
            let (pool, closing) = (Arc::downgrade(&pool), pool.closing.clone());
            thread::Builder::new()
                .name("thalweg-memory".into())
                .spawn(move || watch_memory(&pool, &closing, most))?;
        }
        if let Some(ttl) = pool.setting.ttl {
            let (pool, closing) = (Arc::downgrade(&pool), pool.closing.clone());
            thread::Builder::new()
                .name("thalweg-pulse".into())
                .spawn(move || pulse::watch(&pool, &closing, ttl))?;
        }
        Ok((home, pool))
    }

    /// Has `answer` called with what tasks ask, and `lost` when a process has died, on a thread that may block. Both
    /// get a number that each process has for itself. A question of a process that has died may come after its death.
    /// Only the first call has an effect.
    pub fn on_question(
        &self,
        answer: impl Fn(u64, Vec<u8>, Answer) + Send + Sync + 'static,
        lost: impl Fn(u64) + Send + Sync + 'static,
    ) {
        let _ = self.questions.set((Arc::new(answer), Arc::new(lost)));
    }

    /// Has something called soon, on a thread that may block: one of those that answer.
    pub fn call_soon(&self, call: impl FnOnce() + Send + 'static) {
        self.answering.call(call);
    }

    fn spawn(&self, home: &Arc<Home<W>>, index: usize) -> io::Result<Arc<Link<W>>> {
        let (ours, theirs): (Socket, OwnedFd) = Socket::pair()?;
        let threads = u32::try_from(self.setting.threads).map_err(io::Error::other)?;
        let board = Board::new(threads)?;
        let mut command = (self.setting.command)();
        command.stdin(Stdio::from(theirs));
        let child = GroupLeader::spawn(command)?;
        let mut resources = self.setting.resources.clone();
        resources.push((worker_resource(index), f64::INFINITY));
        let worker = home.add_worker(resources);
        let link = Arc::new(Link::new(worker, self.setting.threads, ours, board, child));
        lock(&link.child).shut_down_at_its_end(&link.outgoing)?;
        link.greet()?;
        Ok(link)
    }

    /// Reads what a worker tells, until the engine is closed: when it dies, from the next.
    fn serve(self: Arc<Self>, index: usize, mut link: Arc<Link<W>>) {
        loop {
            self.listen(&link);
            let Some(home) = self.home() else { return };
            self.bury(&home, index, &link);
            if self.closed.load(Ordering::Acquire) {
                return;
            }
            match self.spawn(&home, index) {
                Ok(new) => link = new,
                Err(error) => return self.give_up(&home, &format!("no worker starts: {error}")),
            }
            *lock(&self.links[index]) = Some(link.clone());
            if self.closed.load(Ordering::Acquire) {
                // It was closed in between, and does not know of this one.
                link.kill(Killed::Closed);
            }
            self.dispatch(&home);
        }
    }

    fn is_elsewhere(&self) -> bool {
        self.process != std::process::id()
    }

    fn home(&self) -> Option<Arc<Home<W>>> {
        self.home.get()?.upgrade()
    }

    fn listen(&self, link: &Arc<Link<W>>) {
        let mut inbox = Inbox::default();
        let mut news = News::default();
        // What cannot be received or understood comes from a worker that is of no use any more.
        while let Ok(true) = link.outgoing.socket.receive(&mut inbox) {
            link.pulse.heard();
            let read =
                inbox.each(|message, files| self.understand(link, message, files, &mut news));
            let Some(home) = self.home() else { return };
            self.apply(&home, link, &mut news);
            if read.is_err() {
                return link.kill(Killed::Unreadable);
            }
        }
    }

    fn understand(
        &self,
        link: &Arc<Link<W>>,
        message: &[u8],
        files: &mut super::wire::Files,
        news: &mut News<W>,
    ) -> io::Result<()> {
        let mut state = lock(&link.state);
        match read::<ToParent<'_>>(message)? {
            ToParent::Ready => {
                state.is_ready = true;
                self.stillborn.store(0, Ordering::Relaxed);
            }
            ToParent::Done { task, value, nanos } => {
                let value = W::received(Arc::new(value.unpack(files)?));
                state.took(nanos);
                let assignment = state.tasks.remove(&task);
                news.done
                    .extend(assignment.map(|task| (task, Ok(Product::Here(value)))));
            }
            ToParent::Kept { task, nanos } => {
                state.took(nanos);
                let assignment = state.tasks.remove(&task);
                news.done
                    .extend(assignment.map(|task| (task, Ok(Product::Kept))));
            }
            ToParent::Failed { task, error, nanos } => {
                let error = W::raised(error.unpack(files)?);
                state.took(nanos);
                let assignment = state.tasks.remove(&task);
                news.done.extend(assignment.map(|task| (task, Err(error))));
            }
            ToParent::Fetched { task, value } => {
                let value = W::received(Arc::new(value.unpack(files)?));
                news.come.push((TaskId::from_number(task), Ok(value)));
            }
            ToParent::NotFetched { task, error } => {
                let error = W::raised(error.unpack(files)?);
                news.come.push((TaskId::from_number(task), Err(error)));
            }
            // It has been heard.
            ToParent::Pong => {}
            ToParent::Threads { more } => link.add_threads(more),
            ToParent::Returned { tasks, recalled } => {
                state.recalling &= !recalled;
                news.returned
                    .extend(tasks.iter().filter_map(|task| state.tasks.remove(task)));
            }
            ToParent::Question { question, text } => {
                news.questions.push((question, text.to_vec()));
            }
        }
        Ok(())
    }

    /// Does what has to be done about what a worker has told, and gives it more to do.
    fn apply(&self, home: &Arc<Home<W>>, link: &Arc<Link<W>>, news: &mut News<W>) {
        home.with(|scheduler, effects| {
            for (assignment, result) in news.done.drain(..) {
                scheduler.finish(assignment, result, effects);
            }
            for assignment in news.returned.drain(..) {
                scheduler.give_back(assignment, effects);
            }
            for (id, value) in news.come.drain(..) {
                match value {
                    Ok(value) => scheduler.has_come(link.worker, id, value, effects),
                    Err(error) => scheduler.cannot_come(id, error, effects),
                }
            }
        });
        let mut state = lock(&link.state);
        if state.has_forgotten() {
            // One that has died has forgotten everything.
            let _ = state.forget(Vec::new());
        }
        drop(state);
        for (question, text) in news.questions.drain(..) {
            let (link, number) = (link.clone(), link.number);
            let answer: Answer = Box::new(move |answer| {
                // If the worker has gone meanwhile, nobody waits for the answer.
                let _ = link.tell(&ToWorker::Answer { question, answer });
                link.flush();
            });
            match self.questions.get().cloned() {
                Some((ask, _)) => self.answering.call(move || ask(number, text, answer)),
                None => answer(&[]),
            }
        }
        self.dispatch(home);
    }

    /// Gives the workers what there is to do.
    fn dispatch(&self, home: &Arc<Home<W>>) {
        let links = self.live_links();
        for fill in [Fill::Threads, Fill::Ahead, Fill::Steal] {
            for link in &links {
                for other in link.fill(home, fill) {
                    self.not_sent(home, other);
                }
            }
        }
        for link in &links {
            link.flush();
        }
        self.balance(&links);
    }

    pub(super) fn live_links(&self) -> Vec<Arc<Link<W>>> {
        self.links
            .iter()
            .filter_map(|link| lock(link).clone())
            .collect()
    }

    /// Asks for tasks back that wait at one worker while another has nothing to do.
    fn balance(&self, links: &[Arc<Link<W>>]) {
        let idle = |link: &Arc<Link<W>>| {
            let state = lock(&link.state);
            !state.is_gone && state.tasks.len() < link.threads()
        };
        if !links.iter().any(idle) {
            return;
        }
        for link in links {
            let mut state = lock(&link.state);
            let surplus = state.tasks.len().saturating_sub(link.threads());
            // It is not worth it for what will be done before it is here.
            let time = state
                .average
                .map_or(f64::MAX, |average| average * surplus as f64);
            if surplus == 0 || state.recalling || time < 1e6 {
                continue;
            }
            state.recalling = true;
            drop(state);
            let most = u32::try_from(surplus.div_ceil(2)).unwrap_or(u32::MAX);
            // A worker that has died gives everything back.
            let _ = link.tell(&ToWorker::Recall { most });
            link.flush();
        }
    }

    fn not_sent(&self, home: &Arc<Home<W>>, sending: Sending<W>) {
        match sending {
            Sending::Sent => {}
            Sending::Back(assignment) => {
                home.with(|scheduler, effects| scheduler.give_back(assignment, effects));
            }
            Sending::Failed(assignment, error) => home.with(|scheduler, effects| {
                scheduler.finish(assignment, Err(W::unsent(error)), effects);
            }),
            Sending::Needs(assignment, needs) => Parked::until_here(home, assignment, &needs),
        }
    }

    /// A worker has died: its tasks are given to others, but for those it died of.
    fn bury(&self, home: &Arc<Home<W>>, index: usize, link: &Arc<Link<W>>) {
        *lock(&self.links[index]) = None;
        // It may only have closed its end.
        let status = lock(&link.child).reap();
        let gave_up = matches!(&status, Ok(status) if status.code().is_some());
        let mut state = lock(&link.state);
        state.is_gone = true;
        let tasks = std::mem::take(&mut state.tasks);
        let (killed, was_ready) = (state.killed.take(), state.is_ready);
        drop(state);
        let on_board: Vec<_> = link.running().into_iter().map(|(task, _)| task).collect();
        let (mut running, mut not_begun): (Vec<_>, Vec<_>) = tasks
            .into_iter()
            .partition(|(number, _)| on_board.contains(number));
        let reason = match (&killed, status) {
            (Some(reason), _) => reason.to_string(),
            (None, Ok(status)) => status.to_string(),
            (None, Err(error)) => error.to_string(),
        };
        if killed == Some(Killed::TaskStopped) {
            // The one it was killed for has failed already. The others are not to blame.
            not_begun.append(&mut running);
        }
        // In the order in which they were submitted, as far as numbers tell.
        not_begun.sort_by_key(|(number, _)| *number);
        let drop_number =
            |tasks: Vec<(u64, Assignment<W>)>| tasks.into_iter().map(|(_, task)| task).collect();
        let (running, not_begun) = (drop_number(running), drop_number(not_begun));
        home.with(|scheduler, effects| {
            scheduler.worker_lost(link.worker, running, not_begun, &reason, effects);
        });
        if let Some((_, lost)) = self.questions.get().cloned() {
            let number = link.number;
            self.answering.call(move || lost(number));
        }
        let is_silent = matches!(killed, Some(Killed::Silent(_)));
        let by_itself = killed.is_none() || is_silent;
        if !was_ready && by_itself && !self.closed.load(Ordering::Acquire) {
            let weight = if gave_up || is_silent { GAVE_UP } else { 1 };
            let before = self.stillborn.fetch_add(weight, Ordering::Relaxed);
            if before + weight >= STILLBORN * GAVE_UP {
                self.give_up(
                    home,
                    &format!("worker processes end before they have started: {reason}"),
                );
            }
        }
    }

    /// No worker can be had: all that waits fails.
    fn give_up(&self, home: &Arc<Home<W>>, reason: &str) {
        let deaths = u32::try_from(STILLBORN).unwrap_or(u32::MAX);
        let failure = Arc::new(Failure::KilledWorker {
            reason: reason.to_owned(),
            deaths,
        });
        home.with(|scheduler, effects| scheduler.fail_all(&failure, effects));
        home.close();
        self.close();
    }

    fn link_of(&self, worker: WorkerId) -> Option<Arc<Link<W>>> {
        self.live_links()
            .into_iter()
            .find(|link| link.worker == worker)
    }

    /// Ends the processes. The engine is to be closed before.
    ///
    /// Does nothing in a process that was forked off theirs.
    pub fn close(&self) {
        if self.is_elsewhere() {
            return;
        }
        self.closed.store(true, Ordering::Release);
        self.closing.close();
        self.answering.close();
        for link in self.live_links() {
            link.kill(Killed::Closed);
        }
    }

    /// Waits until the processes have ended and been taken note of.
    pub fn join(&self) {
        if self.is_elsewhere() {
            return;
        }
        let readers = std::mem::take(&mut *lock(&self.readers));
        for reader in readers {
            if reader.thread().id() != thread::current().id() {
                // A reader that panicked has ended as well.
                let _ = reader.join();
            }
        }
    }

    /// How many processes there are.
    pub fn size(&self) -> usize {
        self.links.len()
    }

    /// The processes: number, how many tasks each has, and which run.
    pub fn processes(&self) -> Vec<Process> {
        let links = self.live_links();
        let process = |link: Arc<Link<W>>| {
            let tasks = lock(&link.state).tasks.len();
            let running = link.running().into_iter().map(|(task, _)| task).collect();
            Process {
                pid: link.pid,
                threads: link.threads(),
                tasks,
                running,
            }
        };
        links.into_iter().map(process).collect()
    }
}

/// What there is to know of a worker process.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its number in the system.
    pub pid: u32,
    /// How many tasks it runs at a time.
    pub threads: usize,
    /// How many tasks it has.
    pub tasks: usize,
    /// The numbers of those that run.
    pub running: Vec<u64>,
}

type Ended<W> = (Assignment<W>, Outcome<Product<<W as World>::Value>, W>);
type Outcome<T, W> = Result<T, <W as World>::Error>;

/// What a worker has told.
struct News<W: Portable> {
    done: Vec<Ended<W>>,
    come: Vec<(TaskId, Outcome<W::Value, W>)>,
    returned: Vec<Assignment<W>>,
    questions: Vec<(u64, Vec<u8>)>,
}

impl<W: Portable> Default for News<W> {
    fn default() -> Self {
        Self {
            done: Vec::new(),
            come: Vec::new(),
            returned: Vec::new(),
            questions: Vec::new(),
        }
    }
}

struct Processes<W: Portable>(Arc<Pool<W>>);

impl<W: Portable> Outside<W> for Processes<W> {
    fn look(&self, home: &Arc<Home<W>>) {
        self.0.dispatch(home);
    }

    fn forget(&self, forgotten: Vec<(WorkerId, TaskId)>) {
        for link in self.0.live_links() {
            let tasks: Vec<_> = forgotten
                .iter()
                .filter(|(worker, _)| *worker == link.worker)
                .map(|(_, task)| *task)
                .collect();
            if !tasks.is_empty() {
                // One that has died has forgotten everything.
                let _ = lock(&link.state).forget(tasks);
                link.flush();
            }
        }
    }

    fn fetch(&self, worker: WorkerId, id: TaskId) {
        if let Some(link) = self.0.link_of(worker) {
            // If it dies before it has answered, the task is run again.
            let _ = link.tell(&ToWorker::Fetch { task: id.number() });
            link.flush();
        }
    }

    fn ran_for(&self, worker: WorkerId, id: TaskId) -> Ran {
        let Some(link) = self.0.link_of(worker) else {
            return Ran::NotYet;
        };
        let mut running = link.running().into_iter();
        if let Some((_, time)) = running.find(|(task, _)| *task == id.number()) {
            return Ran::For(time);
        }
        // A worker that does not answer may never begin it.
        link.silence().map_or_else(
            || {
                link.probe();
                Ran::NotYet
            },
            Ran::For,
        )
    }

    fn has_begun(&self, worker: WorkerId, id: TaskId) -> bool {
        self.0.link_of(worker).is_some_and(|link| {
            let mut running = link.running().into_iter();
            running.any(|(task, _)| task == id.number())
        })
    }

    fn skip(&self, worker: WorkerId, id: TaskId) {
        if let Some(link) = self.0.link_of(worker) {
            // One that has died does not run it either.
            let _ = link.tell(&ToWorker::Skip { task: id.number() });
            link.flush();
        }
    }

    fn kill(&self, worker: WorkerId, id: TaskId) -> bool {
        if let Some(link) = self.0.link_of(worker) {
            if link.running().iter().any(|(task, _)| *task == id.number()) {
                link.kill(Killed::TaskStopped);
            } else {
                self.skip(worker, id);
            }
        }
        true
    }
}
