//! The worker processes of an engine.

use crate::engine::{Callbacks, Ran, RemoteWorkers, TaskEngine};
use crate::history::TaskRun;
use crate::process::Portable;
use crate::process::parent::balance::balance;
use crate::process::parent::deaths::Deaths;
use crate::process::parent::link::{Fill, Killed, Link, Sending};
use crate::process::parent::parked::Parked;
use crate::process::parent::pulse::{self, Closing, START};
use crate::process::protocol::scoreboard::Scoreboard;
use crate::process::protocol::wire::ToWorker;
use crate::process::system::{GroupLeader, Socket, memory_of};
use crate::scheduler::{Lost, TaskId, WorkerId};
use crate::sync::{Mutex, lock};
use std::fmt;
use std::io;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Configuration of a pool of worker processes.
pub struct PoolConfig {
    /// Number of processes.
    pub workers: usize,
    /// Number of tasks that each runs at a time.
    pub threads: usize,
    /// Memory limit of each, in bytes.
    pub memory: Option<u64>,
    /// Time without an answer after which a worker is killed and replaced; no limit if `None`.
    pub ttl: Option<Duration>,
    /// Resources of each.
    pub resources: Vec<(Box<str>, f64)>,
    /// Starts one. Its standard input will be the socket.
    pub command: Box<dyn Fn() -> Command + Send + Sync>,
}

impl fmt::Debug for PoolConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolConfig")
            .field("workers", &self.workers)
            .field("threads", &self.threads)
            .field("memory", &self.memory)
            .field("ttl", &self.ttl)
            .field("resources", &self.resources)
            .finish_non_exhaustive()
    }
}

/// Resource of the worker with that index only: a task that requests it, in any amount, runs there.
pub fn worker_resource(index: usize) -> Box<str> {
    format!("worker {index}").into()
}

/// The worker processes of an engine. One that dies is replaced.
pub struct Pool<W: Portable> {
    config: PoolConfig,
    pub(in crate::process) engine: OnceLock<Weak<TaskEngine<W>>>,
    pub(in crate::process) links: Vec<Mutex<Option<Arc<Link<W>>>>>,
    pub(in crate::process) closed: AtomicBool,
    /// Tells the monitoring threads that it has been closed.
    pub(in crate::process) closing: Arc<Closing>,
    /// The process that has the readers, and whose children the workers are.
    process: u32,
    /// Consecutive workers that died before they had started.
    pub(in crate::process) failed_starts: AtomicUsize,
    /// Deaths at each index that the answering threads have yet to handle.
    unsettled: Vec<AtomicUsize>,
    /// Number of replacements at each index.
    pub(in crate::process) restarts: Vec<AtomicU64>,
    pub(in crate::process) deaths: Mutex<Deaths>,
    readers: Mutex<Vec<JoinHandle<()>>>,
    pub(in crate::process) questions: OnceLock<(Arc<Questions>, Arc<OnLost>)>,
    /// Requests are answered here, not by the readers: an answer may wait for a message that they have yet to read.
    pub(in crate::process) answering: Arc<Callbacks>,
}

impl<W: Portable> fmt::Debug for Pool<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("closed", &self.closed)
            .field("process", &self.process)
            .field("failed_starts", &self.failed_starts)
            .finish_non_exhaustive()
    }
}

/// Answers tasks' requests: called with the number of their process, the request, and a callback for the answer.
type Questions = dyn Fn(u64, Vec<u8>, Answer) + Send + Sync;

/// Called with the number of a dead process.
type OnLost = dyn Fn(u64) + Send + Sync;

/// Callback for the answer to a request; called once.
pub type Answer = Box<dyn FnOnce(&[u8]) + Send>;

/// Interval of checking the workers' memory.
const MEMORY_LOOK: Duration = Duration::from_millis(100);

impl<W: Portable> Pool<W> {
    /// Starts the processes. They take tasks once they have started.
    ///
    /// # Errors
    /// The system cannot start them.
    pub fn start(config: PoolConfig) -> io::Result<(Arc<TaskEngine<W>>, Arc<Self>)> {
        let pool = Arc::new(Self {
            links: (0..config.workers).map(|_| Mutex::new(None)).collect(),
            engine: OnceLock::new(),
            closed: AtomicBool::new(false),
            closing: Arc::default(),
            process: std::process::id(),
            failed_starts: AtomicUsize::new(0),
            unsettled: (0..config.workers).map(|_| AtomicUsize::new(0)).collect(),
            restarts: (0..config.workers).map(|_| AtomicU64::new(0)).collect(),
            deaths: Mutex::default(),
            readers: Mutex::default(),
            questions: OnceLock::new(),
            answering: Arc::default(),
            config,
        });
        let engine = TaskEngine::new(Box::new(Processes(pool.clone())));
        // It has just been created.
        let _ = pool.engine.set(Arc::downgrade(&engine));
        if let Err(error) = pool.start_all(&engine) {
            engine.close();
            pool.close();
            pool.join();
            return Err(error);
        }
        Ok((engine, pool))
    }

    fn start_all(self: &Arc<Self>, engine: &Arc<TaskEngine<W>>) -> io::Result<()> {
        let pool = self;
        for index in 0..pool.config.workers {
            let link = pool.spawn(engine, index)?;
            *lock(&pool.links[index]) = Some(link.clone());
            let child = link.clone();
            let reader = crate::stack::thread(format!("thalweg-process-{index}"))
                .spawn({
                    let pool = pool.clone();
                    move || pool.serve(index, link)
                })
                .inspect_err(|_| {
                    // Nobody else would.
                    let _ = lock(&child.child).reap();
                })?;
            lock(&pool.readers).push(reader);
        }
        if let Some(most) = pool.config.memory {
            let (pool, closing) = (Arc::downgrade(pool), pool.closing.clone());
            thread::Builder::new()
                .name("thalweg-memory".into())
                .spawn(move || watch_memory(&pool, &closing, most))?;
        }
        if let Some(ttl) = pool.config.ttl {
            let (pool, closing) = (Arc::downgrade(pool), pool.closing.clone());
            thread::Builder::new()
                .name("thalweg-pulse".into())
                .spawn(move || pulse::watch(&pool, &closing, ttl))?;
        }
        Ok(())
    }

    /// Sets `answer` for tasks' requests, and `lost` for dead processes, called on a thread that may block. Both get a
    /// number unique to each process. A request of a dead process may arrive after its death. Only the first call has
    /// an effect.
    pub fn on_question(
        &self,
        answer: impl Fn(u64, Vec<u8>, Answer) + Send + Sync + 'static,
        lost: impl Fn(u64) + Send + Sync + 'static,
    ) {
        let _ = self.questions.set((Arc::new(answer), Arc::new(lost)));
    }

    /// Queues a callback, for one of the answering threads, which may block.
    pub fn call_soon(&self, call: impl FnOnce() + Send + 'static) {
        self.answering.call(call);
    }

    pub(in crate::process) fn spawn(
        &self,
        engine: &Arc<TaskEngine<W>>,
        index: usize,
    ) -> io::Result<Arc<Link<W>>> {
        let (ours, theirs) = Socket::pair()?;
        let threads = u32::try_from(self.config.threads).map_err(io::Error::other)?;
        let scoreboard = Scoreboard::new(threads)?;
        let child = GroupLeader::spawn((self.config.command)(), theirs)?;
        let mut resources = self.config.resources.clone();
        resources.push((worker_resource(index), f64::INFINITY));
        let worker = engine.add_worker(resources);
        let link = Arc::new(Link::new(
            worker,
            index,
            self.config.threads,
            ours,
            scoreboard,
            child,
        ));
        let begun = lock(&link.child)
            .shut_down_at_its_end(&link.outgoing)
            .and_then(|()| link.greet());
        if let Err(error) = begun {
            let _ = lock(&link.child).reap();
            engine.with(|scheduler, deferred| {
                let reason = "it could not be started";
                scheduler.worker_lost(worker, Lost::default(), reason, deferred);
            });
            return Err(error);
        }
        Ok(link)
    }

    fn is_elsewhere(&self) -> bool {
        self.process != std::process::id()
    }

    pub(in crate::process) fn engine(&self) -> Option<Arc<TaskEngine<W>>> {
        self.engine.get()?.upgrade()
    }

    /// Has the answering threads release what a dead worker held. Its replacement gets no task before: it could be one
    /// that only the dead worker wanted.
    pub(in crate::process) fn settle(self: &Arc<Self>, index: usize, number: u64) {
        let Some((_, lost)) = self.questions.get().cloned() else {
            return;
        };
        self.unsettled[index].fetch_add(1, Ordering::AcqRel);
        let unsettled = Unsettled {
            pool: Arc::downgrade(self),
            index,
        };
        self.answering.call(move || {
            let _until_it_returns = unsettled;
            lost(number);
        });
    }

    /// Sends tasks to the workers.
    pub(in crate::process) fn dispatch(&self, engine: &Arc<TaskEngine<W>>) {
        let is_settled = |deaths: &AtomicUsize| deaths.load(Ordering::Acquire) == 0;
        let places = self.links.iter().zip(&self.unsettled);
        let links: Vec<_> = places
            .filter(|(_, unsettled)| is_settled(unsettled))
            .filter_map(|(link, _)| lock(link).clone())
            .collect();
        for fill in [Fill::Threads, Fill::Ahead, Fill::Steal] {
            for link in &links {
                for other in link.fill(engine, fill) {
                    self.not_sent(engine, other);
                }
            }
        }
        for link in &links {
            link.flush();
        }
        balance(engine, &links);
    }

    pub(in crate::process) fn live_links(&self) -> Vec<Arc<Link<W>>> {
        self.links
            .iter()
            .filter_map(|link| lock(link).clone())
            .collect()
    }

    fn not_sent(&self, engine: &Arc<TaskEngine<W>>, sending: Sending<W>) {
        match sending {
            Sending::Sent => {}
            Sending::Back(assignment) => {
                engine.with(|scheduler, deferred| scheduler.give_back(assignment, deferred));
            }
            Sending::Failed(assignment, error) => engine.with(|scheduler, deferred| {
                scheduler.finish(assignment, Err(W::unsent(error)), deferred);
            }),
            Sending::Dependencies(assignment, dependencies) => {
                Parked::until_here(engine, assignment, &dependencies)
            }
        }
    }

    fn link_of(&self, worker: WorkerId) -> Option<Arc<Link<W>>> {
        self.live_links()
            .into_iter()
            .find(|link| link.worker == worker)
    }

    /// Ends the processes. The engine must have been closed.
    ///
    /// Does nothing in a fork of their parent.
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

    /// Waits until the processes have ended and their ends have been handled.
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

    /// Number of processes.
    pub fn size(&self) -> usize {
        self.links.len()
    }

    /// Numbers of dead ones by cause.
    pub fn deaths(&self) -> Deaths {
        *lock(&self.deaths)
    }

    /// The processes: ids, numbers of tasks, and running tasks.
    pub fn processes(&self) -> Vec<Process> {
        let process = |(place, link): (usize, Arc<Link<W>>)| {
            let state = lock(&link.state);
            let running = link.running().into_iter().map(|entry| {
                let task = state.tasks.get(&entry.task);
                RunningTask {
                    task: entry.task,
                    name: task.map(|task| task.label().into()),
                    key: task.and_then(|task| Some(task.key()?.into())),
                    time: entry.time,
                }
            });
            let (tasks, running) = (state.tasks.len(), running.collect());
            drop(state);
            Process {
                place,
                pid: link.pid,
                threads: link.threads(),
                tasks,
                running,
                restarts: self.restarts[place].load(Ordering::Relaxed),
            }
        };
        let places = self.links.iter().enumerate();
        let links = places.filter_map(|(place, link)| Some((place, lock(link).clone()?)));
        links.map(process).collect()
    }
}

/// An index whose replacement gets no tasks as long as this exists.
struct Unsettled<W: Portable> {
    pool: Weak<Pool<W>>,
    index: usize,
}

impl<W: Portable> Drop for Unsettled<W> {
    fn drop(&mut self) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        pool.unsettled[self.index].fetch_sub(1, Ordering::AcqRel);
        if let Some(engine) = pool.engine() {
            pool.dispatch(&engine);
        }
    }
}

/// Description of a worker process.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its index among the workers, from 0. Its replacement inherits it.
    pub place: usize,
    /// Its process id.
    pub pid: u32,
    /// Number of tasks that it runs at a time.
    pub threads: usize,
    /// Number of its tasks.
    pub tasks: usize,
    /// The running ones.
    pub running: Vec<RunningTask>,
    /// Number of earlier processes with its index.
    pub restarts: u64,
}

/// A running task of a worker process.
#[derive(Debug, Clone)]
pub struct RunningTask {
    /// Its number.
    pub task: u64,
    /// Display name: that of its function, or else its own; `None` if it is not wanted any more.
    pub name: Option<String>,
    /// Its key, if it has one.
    pub key: Option<String>,
    /// How long it has been running.
    pub time: Duration,
}

impl Process {
    /// Its running tasks, for an engine's history.
    pub fn runs(&self) -> impl Iterator<Item = TaskRun> {
        self.running.iter().map(|running| {
            let name = running.name.clone().unwrap_or_else(|| "task".to_string());
            TaskRun::running(name, running.key.clone(), self.place, running.time)
        })
    }
}

struct Processes<W: Portable>(Arc<Pool<W>>);

impl<W: Portable> RemoteWorkers<W> for Processes<W> {
    fn look(&self, engine: &Arc<TaskEngine<W>>) {
        self.0.dispatch(engine);
    }

    fn forget(&self, forgotten: Vec<(WorkerId, TaskId)>) {
        for link in self.0.live_links() {
            let tasks: Vec<_> = forgotten
                .iter()
                .filter(|(worker, _)| *worker == link.worker)
                .map(|(_, task)| *task)
                .collect();
            if !tasks.is_empty() {
                // A dead one has forgotten everything.
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
        if let Some(entry) = running.find(|entry| entry.task == id.number()) {
            // Imports for its function may take as long as the worker's start.
            return match entry.is_loading && entry.time < START {
                true => Ran::NotYet,
                false => Ran::For(entry.time),
            };
        }
        if !link.is_ready() {
            // The start has another limit, checked by its pulse.
            return Ran::NotYet;
        }
        // A worker that does not answer may never start it.
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
            running.any(|entry| entry.task == id.number())
        })
    }

    fn skip(&self, worker: WorkerId, id: TaskId) {
        if let Some(link) = self.0.link_of(worker) {
            // A dead one does not run it either.
            let _ = link.tell(&ToWorker::Skip { task: id.number() });
            link.flush();
        }
    }

    fn kill(&self, worker: WorkerId, id: TaskId) -> bool {
        if let Some(link) = self.0.link_of(worker) {
            link.stop(id);
        }
        true
    }
}

/// Kills workers that exceed their memory limit.
fn watch_memory<W: Portable>(pool: &Weak<Pool<W>>, closing: &Arc<Closing>, allowed: u64) {
    while !closing.wait(MEMORY_LOOK) {
        let Some(pool) = pool.upgrade() else { return };
        for link in pool.live_links() {
            if let Some(used) = memory_of(link.pid).filter(|used| *used > allowed) {
                link.kill(Killed::Memory { used, allowed });
            }
        }
    }
}
