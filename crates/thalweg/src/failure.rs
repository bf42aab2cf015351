//! Failures and errors: values that say which node, which element, and what to do.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::sync::lock;

/// Any error a user function may return.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// One element that a function failed on: the node, the element, and the cause.
///
/// Under the policy [`Raise`](crate::OnError::Raise) it is the emitter's error, under [`Route`](crate::OnError::Route)
/// an element of the error stream; handlers of unhandled failures receive it as well. Cloning is cheap.
///
/// ```
/// use thalweg::Stream;
///
/// let source = Stream::new();
/// source.try_map(|text: &String| text.parse::<f64>()).named("parse").sink(drop);
///
/// let error = source.emit("12,5".to_string()).wait().unwrap_err();
/// let failure = error.failures()[0].clone();
/// assert_eq!(failure.node(), "parse");
/// assert_eq!(failure.element::<String>().as_deref(), Some("12,5"));
/// assert_eq!(failure.to_string(), "`parse` failed on element 1: invalid float literal");
/// ```
#[derive(Clone)]
pub struct Failure(Arc<Inner>);

struct Inner {
    node: String,
    node_id: u64,
    ordinal: u64,
    attempts: u32,
    cause: BoxError,
    thrown: Option<Thrown>,
    element: Mutex<Option<Box<dyn Any + Send>>>,
}

/// A panic caught on its way out of a user function.
#[derive(Debug)]
struct Panicked(String);

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the function panicked: {}", self.0)
    }
}

impl StdError for Panicked {}

/// A failure that is dropped with its element, whatever the node's policy.
#[derive(Debug)]
pub(crate) struct Skipped(pub(crate) BoxError);

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Skipped {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// Common cause of the failures of several elements: a batch that could not be written. It displays like the cause,
/// which is its [source](StdError::source).
#[derive(Clone, Debug)]
pub(crate) struct SharedError(Arc<dyn StdError + Send + Sync>);

impl SharedError {
    pub(crate) fn new(cause: BoxError) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for SharedError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

/// Payload of an unwinding error, from a function that cannot return one.
#[derive(Clone)]
pub(crate) struct Thrown(Arc<dyn Fn() -> BoxError + Send + Sync>);

/// Ends the running function with an error where it has no other way to return one: in the `==` or `hash` of a key, for
/// example. It unwinds like a panic, but silently, and is a failure of the node like any other error of its function.
/// `cause` creates the error, once for each recipient.
///
/// ```
/// use std::hash::{Hash, Hasher};
/// use thalweg::{OnError, Stream};
///
/// #[derive(Clone)]
/// struct Key(f64);
///
/// impl PartialEq for Key {
///     fn eq(&self, other: &Self) -> bool {
///         if self.0.is_nan() || other.0.is_nan() {
///             thalweg::throw(|| "not a number has no equal".into());
///         }
///         self.0 == other.0
///     }
/// }
///
/// impl Eq for Key {}
///
/// impl Hash for Key {
///     fn hash<H: Hasher>(&self, state: &mut H) {
///         0.hash(state);
///     }
/// }
///
/// let source = Stream::new();
/// let unique = source.unique().on_error(OnError::Raise);
/// let list = unique.map(|key: Key| key.0).sink_to_list();
/// source.emit(Key(1.0)).wait()?;
/// let error = source.emit(Key(f64::NAN)).wait().unwrap_err();
/// assert_eq!(error.failures()[0].cause().to_string(), "not a number has no equal");
/// source.emit(Key(1.0)).wait()?;
/// assert_eq!(list.to_vec(), [1.0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// # Panics
/// Always: outside of a node's function it ends the thread.
pub fn throw(cause: impl Fn() -> BoxError + Send + Sync + 'static) -> ! {
    std::panic::resume_unwind(Box::new(Thrown(Arc::new(cause))))
}

/// The error for a caught panic, or the thrown error.
pub(crate) fn panic_error(payload: &(dyn Any + Send)) -> BoxError {
    if let Some(Thrown(cause)) = payload.downcast_ref() {
        return cause();
    }
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_string())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(the panic carried no text)".to_string());
    Box::new(Panicked(text))
}

/// Watchers of failures.
pub type FailureWatcher = fn(&Failure);

static WATCHERS: RwLock<Vec<FailureWatcher>> = RwLock::new(Vec::new());

/// Whether there are any: otherwise failures need not be described.
static IS_WATCHED: AtomicBool = AtomicBool::new(false);

/// Calls `watcher` with every future failure of every node in this process, whatever the node's policy: for a dashboard
/// or a log. It is called where the function failed, and must not touch any pipeline. An element that is retried has
/// not failed yet. Each call adds a watcher, called after earlier ones.
///
/// ```
/// use std::sync::Mutex;
/// use thalweg::{OnError, Stream};
///
/// static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// thalweg::watch_failures(|failure| {
///     SEEN.lock().expect("nobody panics").push(failure.to_string());
/// });
/// let source = Stream::new();
/// source.try_map(|x: &String| x.parse::<i32>()).named("parse").on_error(OnError::Skip).sink(drop);
/// source.emit("one".to_string()).wait()?;
/// assert_eq!(*SEEN.lock()?, ["`parse` failed on element 1: invalid digit found in string"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn watch_failures(watcher: FailureWatcher) {
    let mut watchers = WATCHERS.write().unwrap_or_else(PoisonError::into_inner);
    watchers.push(watcher);
    IS_WATCHED.store(true, Ordering::Release);
}

/// Whether there is a watcher, for failures without another recipient.
pub(crate) fn is_watched() -> bool {
    IS_WATCHED.load(Ordering::Acquire)
}

impl Failure {
    /// Calls the watchers.
    pub(crate) fn told(self) -> Self {
        if is_watched() {
            // Outside of the lock, since a watcher may do anything.
            let watchers = WATCHERS.read().unwrap_or_else(PoisonError::into_inner);
            let watchers = watchers.clone();
            watchers.iter().for_each(|watcher| watcher(&self));
        }
        self
    }

    pub(crate) fn new(
        node: String,
        node_id: u64,
        ordinal: u64,
        element: Option<Box<dyn Any + Send>>,
        cause: BoxError,
    ) -> Self {
        Self(Arc::new(Inner {
            node,
            node_id,
            ordinal,
            attempts: 1,
            cause,
            thrown: None,
            element: Mutex::new(element),
        }))
    }

    /// The same for an error thrown in the node's function.
    pub(crate) fn thrown(mut self, payload: &(dyn Any + Send)) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.thrown = payload.downcast_ref::<Thrown>().cloned();
        }
        self
    }

    /// The name of the node whose function failed.
    pub fn node(&self) -> &str {
        &self.0.node
    }

    /// The [id](crate::Stream::node_id) of that node.
    pub fn node_id(&self) -> u64 {
        self.0.node_id
    }

    /// Which element it was, counted by the node from 1; 0 if it was none: a source that cannot continue, a sink that
    /// cannot be closed.
    pub fn ordinal(&self) -> u64 {
        self.0.ordinal
    }

    /// The same with this number of attempts.
    pub(crate) fn after(mut self, attempts: u32) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.attempts = attempts;
        }
        self
    }

    /// Attempts at this element, all failed: 1, or as many as [`Retry`](crate::Retry) made.
    ///
    /// ```
    /// use thalweg::{Retry, Stream};
    ///
    /// let source = Stream::new();
    /// let parsed = source.try_map(|text: &&str| text.parse::<i32>());
    /// parsed.on_error(Retry::times(2)).sink(drop);
    /// let error = source.emit("one").wait().unwrap_err();
    /// assert_eq!(error.failures()[0].attempts(), 3);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// The element as the node received it, if it is a `T`.
    ///
    /// None if the function took the element by value and panicked, unless the node's policy required a copy.
    pub fn element<T: Clone + 'static>(&self) -> Option<T> {
        lock(&self.0.element).as_ref()?.downcast_ref::<T>().cloned()
    }

    /// The function's error, or its panic.
    pub fn cause(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0.cause
    }

    /// The panic or thrown error, as a separate cause.
    pub(crate) fn panic(&self) -> Option<BoxError> {
        if let Some(Thrown(cause)) = &self.0.thrown {
            return Some(cause());
        }
        let Panicked(text) = self.0.cause.downcast_ref()?;
        Some(Box::new(Panicked(text.clone())))
    }

    /// Whether the function panicked instead of returning an error.
    pub fn is_panic(&self) -> bool {
        self.0.cause.is::<Panicked>()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed", self.0.node)?;
        if self.0.ordinal > 0 {
            write!(f, " on element {}", self.0.ordinal)?;
        }
        write!(f, ": {}", self.cause())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("node", &self.0.node)
            .field("ordinal", &self.0.ordinal)
            .field("cause", &self.cause().to_string())
            .finish_non_exhaustive()
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.cause())
    }
}

/// Error of `emit`, `drain`, `connect` and others. One word wide.
///
/// Its `Debug` output is what a program prints whose `main` returns it or that unwraps it: the message and its causes.
///
/// ```
/// use thalweg::Stream;
///
/// let source = Stream::new();
/// source.try_map(|x: &String| x.parse::<i32>()).named("parse").sink(drop);
/// let error = source.emit("one".to_string()).wait().unwrap_err();
/// assert_eq!(format!("{error:?}"), error.to_string());
/// assert_eq!(error.to_string(), "`parse` failed on element 1: invalid digit found in string");
/// ```
pub struct Error(Box<Kind>);

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        // The message ends with the first cause; these are the causes of that.
        let failure = self.failures().first();
        let mut cause = failure.and_then(|failure| failure.cause().source());
        while let Some(error) = cause {
            write!(f, "\n  caused by: {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Kind {
    #[error("{}", list(.0))]
    Failed(Vec<Failure>),
    #[error("this element was taken, but an earlier one failed where no emitter waited: {}", list(.0))]
    Behind(Vec<Failure>),
    #[error(
        "the pipeline was drained and takes no more elements; build a new one, or emit before `drain`"
    )]
    Closed,
    #[error("the pipeline has a build error: {0}")]
    Build(BuildError),
    #[error("{0}")]
    Invalid(std::sync::Arc<Error>),
    #[error(
        "waiting here would block the event loop, or the function of a pipeline, that has to go on first; await instead, or wait elsewhere"
    )]
    WouldBlock,
    #[error(
        "the element was not taken: waiting for the thread inside the pipeline was interrupted"
    )]
    Interrupted,
    #[error("the element was not taken within {0:?}, and has been withdrawn where it still waited")]
    TimedOut(std::time::Duration),
    #[error("the two pipelines run on different event loops; build both on one, with `Stream::on`")]
    DifferentRuntimes,
    #[error("`{downstream}` takes elements of type {takes}, but `{upstream}` sends {sends}")]
    ElementType {
        upstream: String,
        downstream: String,
        takes: &'static str,
        sends: &'static str,
    },
    #[error("`{upstream}` is not connected to `{downstream}`")]
    NotConnected {
        upstream: String,
        downstream: String,
    },
    #[error("{}", undelivered(.0, .1))]
    Undelivered(Vec<Undelivered>, Vec<Failure>),
}

fn list(failures: &[Failure]) -> String {
    match failures {
        [] => "no failure".to_string(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more failures)", rest.len()),
    }
}

fn undelivered(held: &[Undelivered], failures: &[Failure]) -> String {
    let mut parts: Vec<String> = held
        .iter()
        .map(|u| match u.elements {
            0 => format!("`{}` did not stop in time", u.node),
            n => format!("`{}` still holds {n}", u.node),
        })
        .collect();
    if !failures.is_empty() {
        parts.push(list(failures));
    }
    format!("not everything was delivered: {}", parts.join(", "))
}

/// Elements that a node still held at the end of a drain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undelivered {
    /// The node's name.
    pub node: String,
    /// Number of elements held; 0 for a source that did not stop when asked to.
    pub elements: usize,
}

/// An invalid argument of a pipeline's constructor.
///
/// Building never fails in the middle of a chain of calls: the error is stored, the first `emit`, `start` or `drain`
/// reports it and does nothing else, and [`Stream::check`](crate::Stream::check) reports it at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{operator}`: {message}")]
pub struct BuildError {
    operator: &'static str,
    message: String,
}

impl BuildError {
    /// Creates the error for the arguments of `operator`.
    pub fn new(operator: &'static str, message: impl fmt::Display) -> Self {
        Self {
            operator,
            message: message.to_string(),
        }
    }
}

impl Error {
    fn kind(&self) -> &Kind {
        match &*self.0 {
            Kind::Invalid(error) => error.kind(),
            kind => kind,
        }
    }

    pub(crate) fn new(kind: Kind) -> Self {
        Self(Box::new(kind))
    }

    pub(crate) fn closed() -> Self {
        Self::new(Kind::Closed)
    }

    /// The failures that this error reports: of the emitted element, of earlier elements, or of a drain. Empty for
    /// errors that are not about elements.
    pub fn failures(&self) -> &[Failure] {
        match self.kind() {
            Kind::Failed(failures) | Kind::Behind(failures) | Kind::Undelivered(_, failures) => {
                failures
            }
            _ => &[],
        }
    }

    /// The nodes that still held elements at the end of a drain.
    pub fn undelivered(&self) -> &[Undelivered] {
        match self.kind() {
            Kind::Undelivered(held, _) => held,
            _ => &[],
        }
    }

    /// Whether the emitted element itself was accepted, and the failures are of earlier elements, behind a buffer or a
    /// window, without a waiting emitter.
    pub fn is_behind(&self) -> bool {
        matches!(self.kind(), Kind::Behind(_))
    }

    /// Whether the pipeline has been drained and accepts no more elements.
    pub fn is_closed(&self) -> bool {
        matches!(self.kind(), Kind::Closed)
    }

    /// Whether the pipeline was built with an invalid argument.
    pub fn is_build(&self) -> bool {
        matches!(self.kind(), Kind::Build(_))
    }

    /// Whether a blocking call would have blocked the event loop that it waits for.
    pub fn is_would_block(&self) -> bool {
        matches!(self.kind(), Kind::WouldBlock)
    }

    /// Whether an element was not accepted within its emitter's time limit.
    pub fn is_timed_out(&self) -> bool {
        matches!(self.kind(), Kind::TimedOut(_))
    }

    /// Whether an element was not accepted because its emitter gave up waiting for the thread inside the pipeline; see
    /// [`ask_waiting`](crate::ask_waiting).
    pub fn is_interrupted(&self) -> bool {
        matches!(self.kind(), Kind::Interrupted)
    }

    /// Whether two pipelines with different event loops were to be joined.
    pub fn is_different_runtimes(&self) -> bool {
        matches!(self.kind(), Kind::DifferentRuntimes)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self.kind() {
            Kind::Build(error) => Some(error),
            _ => self.failures().first().map(|failure| failure as _),
        }
    }
}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Self {
        Self::new(Kind::Build(error))
    }
}
