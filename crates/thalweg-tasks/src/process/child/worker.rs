//! The main loop of a worker process.

mod threads;

use self::threads::Threads;
use crate::place::{self, wait_aside};
use crate::process::child::lazy::{self, Lazy, Received, forget, make, missing, receive};
use crate::process::protocol::outgoing::Outgoing;
use crate::process::protocol::payload::Payload;
use crate::process::protocol::scoreboard::Scoreboard;
use crate::process::protocol::wire::{Files, Inbox, Input, ToParent, ToWorker, read};
use crate::process::system::{Socket, end_process, take_standard_input};
use crate::sync::{Condvar, Mutex, lock};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The language of a worker process.
///
/// Errors are payloads in a form known to the parent.
pub trait Host: Send + Sync + 'static {
    /// A callable function.
    type Function: Clone + Send;
    /// A value, usable as an argument.
    type Value: Clone + Send;
    /// Whether functions can change values. Each task then gets its own copy.
    const CHANGES_VALUES: bool = false;

    /// Deserializes a function.
    ///
    /// # Errors
    /// The payload is not a function.
    fn load(&self, code: &Payload) -> Result<Self::Function, Payload>;

    /// Deserializes a value.
    ///
    /// # Errors
    /// The payload is not a value.
    fn unpack(&self, payload: &Payload) -> Result<Self::Value, Payload>;

    /// Serializes a value.
    ///
    /// # Errors
    /// The value cannot be serialized.
    fn pack(&self, value: &Self::Value) -> Result<Payload, Payload>;

    /// Serializes an error that says why something could not be received.
    fn not_received(&self, reason: &str) -> Payload;

    /// Calls a function.
    ///
    /// # Errors
    /// The function's error.
    fn call(
        &self,
        function: &Self::Function,
        args: &Payload,
        inputs: Vec<Self::Value>,
    ) -> Result<Made<Self::Value>, Payload>;

    /// Called around everything that a thread does.
    fn thread(&self, body: &mut dyn FnMut()) {
        body();
    }

    /// Called around blocking calls.
    fn blocking(&self, body: &mut dyn FnMut()) {
        body();
    }
}

/// Result of a function.
pub enum Made<V> {
    /// A small result, sent at once.
    Small(Payload),
    /// A result kept until it is requested.
    Large(V),
}

impl<V> fmt::Debug for Made<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Small(..) => "Small",
            Self::Large(..) => "Large",
        })
    }
}

/// Maximum time that results wait to be sent together.
const TOGETHER: Duration = Duration::from_millis(1);

/// Flush once this many bytes are buffered.
const ENOUGH: usize = 64 << 10;

/// How long an idle thread polls before it goes to sleep.
const LOOKS: u32 = 4_000;

struct Job {
    task: u64,
    function: u64,
    args: Received,
    inputs: Vec<Need>,
}

enum Need {
    Payload(Received),
    Value(u64),
    Result(u64),
}

struct Worker<H: Host> {
    host: H,
    outgoing: Arc<Outgoing>,
    scoreboard: Scoreboard,
    queue: Mutex<VecDeque<Job>>,
    work: Condvar,
    /// Number of queued jobs; checked before going to sleep.
    queued: AtomicUsize,
    functions: Mutex<HashMap<u64, Lazy<H::Function>>>,
    values: Mutex<HashMap<u64, Lazy<H::Value>>>,
    /// Values as computed, or serialized if tasks get copies.
    results: Mutex<HashMap<u64, Lazy<H::Value>>>,
    questions: Mutex<HashMap<u64, Sender<Vec<u8>>>>,
    next_question: AtomicU64,
    threads: AtomicU32,
    surplus: AtomicUsize,
}

/// Runs the tasks that arrive on standard input, which must be a socket: [`Pool`](crate::process::Pool) starts
/// processes with it. Ends the process when the parent is gone.
///
/// # Errors
/// Standard input is not such a socket.
pub fn serve<H: Host>(host: H) -> io::Result<()> {
    let socket = take_standard_input()?;
    let mut inbox = Inbox::default();
    let (threads, scoreboard) = greeting(&socket, &mut inbox)?;
    let worker = Arc::new(Worker {
        host,
        outgoing: Outgoing::new(socket),
        scoreboard,
        queue: Mutex::default(),
        work: Condvar::new(),
        queued: AtomicUsize::new(0),
        functions: Mutex::default(),
        values: Mutex::default(),
        results: Mutex::default(),
        questions: Mutex::default(),
        next_question: AtomicU64::new(0),
        threads: AtomicU32::new(threads),
        surplus: AtomicUsize::new(0),
    });
    // There is one worker in a process.
    let _ = SELF.set((std::process::id(), Arc::new(worker.clone())));
    worker.tell(&ToParent::Ready)?;
    worker.flush();
    let reader = worker.clone();
    crate::stack::thread("thalweg-reader").spawn(move || reader.listen(inbox))?;
    for number in 1..threads {
        worker.add_thread(number)?;
    }
    // Some libraries insist on the first thread of a process.
    worker.run(0);
    Ok(())
}

fn greeting(socket: &Socket, inbox: &mut Inbox) -> io::Result<(u32, Scoreboard)> {
    let mut greeting = None;
    while greeting.is_none() && socket.receive(inbox)? {
        inbox.first(|message, files| {
            if let ToWorker::Hello { threads } = read(message)? {
                greeting = files
                    .pop_front()
                    .flatten()
                    .map(|file| (threads, Scoreboard::received(file)));
            }
            Ok(())
        })?;
    }
    greeting.ok_or_else(|| io::Error::other("standard input is not the socket of a client"))
}

/// Interface of a worker for its tasks.
trait Ask: Send + Sync {
    fn ask(&self, question: &[u8], waits: bool) -> Option<Vec<u8>>;
}

static SELF: OnceLock<(u32, Arc<dyn Ask>)> = OnceLock::new();

/// The worker of this process. A fork of it shares its connection, and must not use it.
fn this() -> Option<&'static Arc<dyn Ask>> {
    SELF.get()
        .filter(|(process, _)| *process == std::process::id())
        .map(|(_, worker)| worker)
}

thread_local! {
    /// This thread's number among those that run tasks.
    static THREAD: std::cell::Cell<Option<u32>> = const { std::cell::Cell::new(None) };
    /// The number of the task that runs on this thread.
    static TASK: std::cell::Cell<Option<u64>> = const { std::cell::Cell::new(None) };
}

/// Whether this is a worker process.
pub fn is_worker() -> bool {
    this().is_some()
}

/// Sends a request to the parent, and waits for the answer. There is none if this is not a worker process. With
/// `waits`, the answer may need this thread: another task gets its place if that takes longer than a moment.
pub fn ask(question: &[u8], waits: bool) -> Option<Vec<u8>> {
    this()?.ask(question, waits)
}

impl<H: Host> Ask for Arc<Worker<H>> {
    fn ask(&self, question: &[u8], waits: bool) -> Option<Vec<u8>> {
        let (sender, answer) = mpsc::channel();
        let number = self.next_question.fetch_add(1, Ordering::Relaxed);
        lock(&self.questions).insert(number, sender);
        self.tell(&ToParent::Question {
            question: number,
            task: TASK.get(),
            text: question,
        })
        .ok()?;
        self.flush();
        if !waits {
            return answer.recv().ok();
        }
        let mut given = None;
        // Until there is an answer, or nobody left to give one.
        wait_aside(None, |deadline| {
            given = match deadline {
                None => Some(answer.recv().ok()),
                Some(at) => match answer.recv_timeout(at.saturating_duration_since(Instant::now()))
                {
                    Err(RecvTimeoutError::Timeout) => None,
                    other => Some(other.ok()),
                },
            };
            given.is_some()
        });
        given.flatten()
    }
}

impl<H: Host> Worker<H> {
    fn add_thread(self: &Arc<Self>, number: u32) -> io::Result<()> {
        let worker = self.clone();
        let name = format!("thalweg-worker-{number}");
        crate::stack::thread(name).spawn(move || worker.run(number))?;
        Ok(())
    }

    fn tell(&self, message: &ToParent<'_>) -> io::Result<()> {
        self.outgoing.outbox().put(message)
    }

    /// Sends the outbox, or has it sent.
    fn flush(&self) {
        self.outgoing.flush();
        if self.outgoing.is_broken() {
            // The parent has gone, or a task has closed the socket: nobody wants what runs here. It may be inside a
            // call that does not return, so it is not asked to stop.
            end_process();
        }
    }

    /// The same, waiting while too much is queued.
    fn flush_and_wait(&self) {
        self.flush();
        self.outgoing.wait_for_room();
    }

    /// Receives messages as long as there is a parent.
    fn listen(self: Arc<Self>, mut inbox: Inbox) {
        let mut fetches = None;
        loop {
            let understood =
                inbox.each(|message, files| self.understand(message, files, &mut fetches));
            if understood.is_err() || !self.outgoing.socket.receive(&mut inbox).unwrap_or(false) {
                break;
            }
        }
        end_process();
    }

    fn understand(
        self: &Arc<Self>,
        message: &[u8],
        files: &mut Files,
        fetches: &mut Option<Sender<u64>>,
    ) -> io::Result<()> {
        match read::<ToWorker<'_>>(message)? {
            ToWorker::Hello { .. } => {}
            ToWorker::Function { id, code } => {
                let lazy = Lazy::Sent(receive(&code, files));
                lock(&self.functions).insert(id, lazy);
            }
            ToWorker::Value { id, value } => {
                let lazy = Lazy::Sent(receive(&value, files));
                lock(&self.values).insert(id, lazy);
            }
            ToWorker::Run {
                task,
                function,
                args,
                inputs,
            } => {
                let args = receive(&args, files);
                let inputs = inputs.into_iter().map(|input| match input {
                    Input::Here(payload) => Need::Payload(receive(&payload, files)),
                    Input::Value(id) => Need::Value(id),
                    Input::Result(task) => Need::Result(task),
                });
                self.enqueue(Job {
                    task,
                    function,
                    args,
                    inputs: inputs.collect(),
                });
            }
            ToWorker::Forget { id } => {
                forget(&self.values, &[id]);
                forget(&self.functions, &[id]);
            }
            ToWorker::ForgetResults { tasks } => forget(&self.results, &tasks),
            ToWorker::Fetch { task } => {
                // Not on this thread: serializing a value may take as long as a task that holds a lock.
                let fetches = fetches.get_or_insert_with(|| self.fetcher());
                let _ = fetches.send(task);
            }
            ToWorker::Recall { most } => self.give_back(most as usize)?,
            ToWorker::Skip { task } => self.skip(task)?,
            ToWorker::Ping => {
                // The reader answers, without any user's lock.
                self.tell(&ToParent::Pong)?;
                self.flush();
            }
            ToWorker::Answer { question, answer } => {
                if let Some(asked) = lock(&self.questions).remove(&question) {
                    // The requesting task may have been interrupted.
                    let _ = asked.send(answer.to_vec());
                }
            }
        }
        Ok(())
    }

    fn enqueue(&self, job: Job) {
        lock(&self.queue).push_back(job);
        self.queued.fetch_add(1, Ordering::Release);
        self.work.notify_one();
    }

    /// Returns the last waiting tasks, at most this many.
    fn give_back(&self, most: usize) -> io::Result<()> {
        let mut queue = lock(&self.queue);
        let keep = queue.len().saturating_sub(most);
        let tasks = queue.split_off(keep).into_iter().map(|job| job.task);
        let tasks = tasks.collect();
        self.queued.store(queue.len(), Ordering::Release);
        drop(queue);
        self.tell(&ToParent::Returned {
            tasks,
            recalled: true,
        })?;
        self.flush();
        Ok(())
    }

    /// Returns a task that is not wanted any more, if it has not started.
    fn skip(&self, task: u64) -> io::Result<()> {
        let mut queue = lock(&self.queue);
        let before = queue.len();
        queue.retain(|job| job.task != task);
        let skipped = queue.len() < before;
        self.queued.store(queue.len(), Ordering::Release);
        drop(queue);
        self.tell(&match skipped {
            true => ToParent::Returned {
                tasks: vec![task],
                recalled: false,
            },
            false => ToParent::NotSkipped { task },
        })?;
        self.flush();
        Ok(())
    }

    /// A thread that sends requested values.
    fn fetcher(self: &Arc<Self>) -> Sender<u64> {
        let (sender, fetches) = mpsc::channel();
        let worker = self.clone();
        let send = move || {
            while let Ok(task) = fetches.recv() {
                worker.host.thread(&mut || worker.send_result(task));
            }
        };
        // Without a thread nobody gets the value; but then nothing else works either.
        let _ = crate::stack::thread("thalweg-fetcher").spawn(send);
        sender
    }

    fn send_result(&self, task: u64) {
        // A value that is gone is no longer wanted.
        let Some(packed) = self.pack_result(task) else {
            return;
        };
        let mut outbox = self.outgoing.outbox();
        let _ = match &packed {
            Ok(payload) => {
                let value = outbox.pack(payload);
                outbox.put(&ToParent::Fetched { task, value })
            }
            Err(error) => {
                let error = outbox.pack(error);
                outbox.put(&ToParent::NotFetched { task, error })
            }
        };
        drop(outbox);
        self.host.blocking(&mut || self.flush_and_wait());
    }

    /// Runs tasks.
    fn run(self: Arc<Self>, thread: u32) {
        THREAD.set(Some(thread));
        let _occupied = place::occupy(Threads(std::process::id(), self.clone()));
        let mut flushed = Instant::now();
        self.host.thread(&mut || {
            loop {
                let mut job = lock(&self.queue).pop_front();
                if job.is_none() {
                    self.host.blocking(&mut || {
                        self.flush();
                        job = self.wait(thread);
                    });
                    flushed = Instant::now();
                }
                let Some(job) = job else { return };
                self.queued.fetch_sub(1, Ordering::Relaxed);
                if lazy::is_read(&self.functions, job.function) {
                    self.scoreboard.begin(thread, job.task);
                } else {
                    self.scoreboard.load(thread, job.task);
                }
                TASK.set(Some(job.task));
                self.run_job(job);
                place::note_end();
                let enough = self.outgoing.outbox().bytes.len() > ENOUGH;
                if enough || flushed.elapsed() > TOGETHER {
                    self.host.blocking(&mut || self.flush_and_wait());
                    flushed = Instant::now();
                }
            }
        });
    }

    /// Waits for a job. There is none when this thread is to end.
    fn wait(&self, thread: u32) -> Option<Job> {
        self.scoreboard.rest(thread);
        for _ in 0..LOOKS {
            if self.queued.load(Ordering::Acquire) > 0 {
                break;
            }
            std::hint::spin_loop();
        }
        let mut queue = lock(&self.queue);
        loop {
            if let Some(job) = queue.pop_front() {
                return Some(job);
            }
            // The process ends with its first thread.
            let one_less = |surplus: usize| surplus.checked_sub(1).filter(|_| thread != 0);
            let leaves = self
                .surplus
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
            if leaves.is_ok() {
                return None;
            }
            queue = self
                .work
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run_job(&self, job: Job) {
        let task = job.task;
        let began = Instant::now();
        let result = self.call(&job);
        drop(job);
        let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if let Ok(Made::Large(value)) = &result {
            lock(&self.results).insert(task, Lazy::Read(value.clone()));
        }
        let mut outbox = self.outgoing.outbox();
        // It cannot be encoded: too long for a message, which payloads never are.
        let _ = match &result {
            Ok(Made::Large(_)) => outbox.put(&ToParent::Stored { task, nanos }),
            Ok(Made::Small(payload)) => {
                let value = outbox.pack(payload);
                outbox.put(&ToParent::Done { task, value, nanos })
            }
            Err(error) => {
                let error = outbox.pack(error);
                outbox.put(&ToParent::Failed { task, error, nanos })
            }
        };
    }

    fn call(&self, job: &Job) -> Result<Made<H::Value>, Payload> {
        let was_loaded = lazy::is_read(&self.functions, job.function);
        let function = self.function(job.function)?;
        if !was_loaded && let Some(thread) = THREAD.get() {
            self.scoreboard.begin(thread, job.task);
        }
        let mut inputs = Vec::with_capacity(job.inputs.len());
        for dependency in &job.inputs {
            inputs.push(match dependency {
                Need::Payload(payload) => self.host.unpack(self.open(payload)?)?,
                Need::Value(id) => self.value(*id)?,
                Need::Result(task) => self.result(*task)?,
            });
        }
        self.host.call(&function, self.open(&job.args)?, inputs)
    }

    fn open<'a>(&self, received: &'a Received) -> Result<&'a Payload, Payload> {
        received
            .as_deref()
            .map_err(|reason| self.host.not_received(reason))
    }

    /// The result of a task that ran here, for another one.
    fn result(&self, task: u64) -> Result<H::Value, Payload> {
        if H::CHANGES_VALUES {
            let payload = self.pack_result(task).ok_or_else(missing)??;
            return self.host.unpack(&payload);
        }
        lazy::read(&self.results, task).ok_or_else(missing)
    }

    /// The same as a payload, which replaces it if tasks get copies. None if it is gone.
    fn pack_result(&self, task: u64) -> Option<Result<Arc<Payload>, Payload>> {
        let pack = |value: &H::Value| self.host.pack(value);
        lazy::packed(&self.results, task, H::CHANGES_VALUES, pack)
    }

    fn function(&self, id: u64) -> Result<H::Function, Payload> {
        let load = |received: &Received| self.host.load(self.open(received)?);
        make(&self.functions, id, load)
    }

    fn value(&self, id: u64) -> Result<H::Value, Payload> {
        let unpack = |received: &Received| self.host.unpack(self.open(received)?);
        if H::CHANGES_VALUES {
            return unpack(&lazy::sent(&self.values, id)?);
        }
        make(&self.values, id, unpack)
    }
}
