//! The dashboard's thread, and what is done on it.

use std::any::Any;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use thalweg::{BoxError, Element, Stream};
use tokio::sync::{Notify, oneshot, watch};

use crate::control::{Action, Controls, Token};
use crate::elements::{Elements, describe_common};
use crate::failures::{self, Failures};
use crate::guard::Names;
use crate::history::History;
use crate::listener::Limited;
use crate::observe::{Engine, Observe, Observed};
use crate::routes;

/// How many ports are tried, from the one that was asked for.
const PORTS: u16 = 100;

/// The time between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// How old a look may be to be shown to somebody who has just come.
const FRESH: Duration = Duration::from_millis(500);

/// Why there is no dashboard.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address could not be made sense of.
    #[error("the address of a dashboard is like `127.0.0.1:8787`: {0}")]
    Address(#[source] io::Error),
    /// Nobody may listen there, or all ports are taken.
    #[error("no dashboard at {addr}, nor at the {PORTS} ports from there on: {cause}")]
    Listen {
        /// Where it was to listen.
        addr: SocketAddr,
        /// Why the last port could not be had.
        #[source]
        cause: io::Error,
    },
    /// The system has no random numbers, of which the token for its buttons would be made.
    #[error("no token for the dashboard: {0}")]
    Token(#[source] io::Error),
    /// The system gives no more threads.
    #[error("no thread for the dashboard: {0}")]
    Thread(#[source] io::Error),
}

/// Serves a dashboard at an address; if its port is taken, at the next one that is free. Pipelines are shown that it
/// is told to [watch](Dashboard::watch).
///
/// # Errors
/// The address can't be understood, or nobody may listen there.
pub fn serve(addr: impl ToSocketAddrs) -> Result<Dashboard, ServeError> {
    Builder::new().serve(addr)
}

/// What a dashboard is to show, and to whom.
///
/// ```
/// use thalweg_dashboard::Builder;
///
/// let dashboard = Builder::new().host("box.example").serve("127.0.0.1:0")?;
/// assert_eq!(dashboard.addr().ip().to_string(), "127.0.0.1");
/// # Ok::<(), thalweg_dashboard::ServeError>(())
/// ```
#[derive(Default)]
pub struct Builder {
    observed: Vec<Arc<dyn Observe>>,
    hosts: Vec<String>,
    allows_control: bool,
    elements: Option<Elements>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("hosts", &self.hosts)
            .field("allows_control", &self.allows_control)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// A dashboard that shows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows the pipelines and engines that `observed` knows.
    #[must_use]
    pub fn observe(mut self, observed: impl Observe) -> Self {
        self.observed.push(Arc::new(observed));
        self
    }

    /// Answers to another name as well: that of this machine, or of a proxy before it. Without it, it answers to
    /// `localhost` and to addresses.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Has buttons that pause, resume and drain pipelines, for those who know the dashboard's
    /// [token](Dashboard::token). Without it, it is read-only.
    ///
    /// ```
    /// use thalweg_dashboard::Builder;
    ///
    /// let dashboard = Builder::new().allow_control().serve("127.0.0.1:0")?;
    /// assert!(dashboard.token().is_some_and(|token| token.len() == 32));
    /// # Ok::<(), thalweg_dashboard::ServeError>(())
    /// ```
    #[must_use]
    pub fn allow_control(mut self) -> Self {
        self.allows_control = true;
        self
    }

    /// Shows the last elements that came to a node on its page, `count` at most, and 100; without it, none: data is
    /// private. Of more than about a hundred a second, some are seen. `describe` says what an element reads like, on a
    /// thread of its own, one at a time; numbers and text are known. Texts are cut at 500 bytes.
    ///
    /// ```
    /// use thalweg_dashboard::Builder;
    ///
    /// #[derive(Clone, Debug)]
    /// struct Order(u32);
    ///
    /// let dashboard = Builder::new()
    ///     .show_elements(5, |element| element.downcast_ref::<Order>().map(|order| format!("{order:?}")))
    ///     .serve("127.0.0.1:0")?;
    /// dashboard.watch("orders", &thalweg::Stream::<Order>::new());
    /// # Ok::<(), thalweg_dashboard::ServeError>(())
    /// ```
    #[must_use]
    pub fn show_elements(
        mut self,
        count: usize,
        describe: impl Fn(&dyn Any) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let describe =
            move |element: &dyn Any| describe(element).or_else(|| describe_common(element));
        self.elements = (count > 0).then(|| Elements::new(count, Box::new(describe)));
        self
    }

    /// Serves it; see [`serve`].
    ///
    /// # Errors
    /// The address can't be understood, or nobody may listen there.
    pub fn serve(self, addr: impl ToSocketAddrs) -> Result<Dashboard, ServeError> {
        let addr = addr.to_socket_addrs().map_err(ServeError::Address)?.next();
        let missing = || io::Error::new(io::ErrorKind::NotFound, "there is no such host");
        let addr = addr.ok_or_else(|| ServeError::Address(missing()))?;
        let listener = listen(addr)?;
        let bound = listener.local_addr().map_err(ServeError::Thread)?;
        let token = self.allows_control.then(Token::random).transpose();
        let token = token.map_err(|error| ServeError::Token(error.into()))?;
        let names = Names::new(bound, self.hosts, token.is_some());
        let app = Arc::new(App::new(self.observed, token, self.elements));
        let (stop, stopped) = oneshot::channel();
        let served = app.clone();
        let thread = std::thread::Builder::new().name("thalweg-dashboard".into());
        let thread = thread
            .spawn(move || run(listener, served, names, stopped))
            .map_err(ServeError::Thread)?;
        Ok(Dashboard {
            addr: bound,
            app,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

fn listen(addr: SocketAddr) -> Result<TcpListener, ServeError> {
    let mut last = None;
    for offset in 0..PORTS {
        let mut at = addr;
        let Some(port) = addr.port().checked_add(offset) else {
            break;
        };
        at.set_port(port);
        match TcpListener::bind(at) {
            Ok(listener) => {
                listener.set_nonblocking(true).map_err(ServeError::Thread)?;
                return Ok(listener);
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = Some(error),
            Err(cause) => return Err(ServeError::Listen { addr, cause }),
        }
    }
    let cause = last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into());
    Err(ServeError::Listen { addr, cause })
}

fn run(listener: TcpListener, app: Arc<App>, names: Names, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build();
    // Without descriptors for it there is no dashboard; the program goes on.
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async move {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
            return;
        };
        let router = routes::router(app.clone(), names);
        let served = async { axum::serve(Limited::new(listener), router).await };
        tokio::select! {
            _ = served => {}
            () = app.look_while_wanted() => {}
            _ = stopped => {}
        }
    });
    // Somebody may be waiting for a pipeline on a thread of its own.
    runtime.shutdown_background();
}

/// A dashboard that is being served. Dropped, it ends.
#[derive(Debug)]
pub struct Dashboard {
    addr: SocketAddr,
    app: Arc<App>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Dashboard {
    /// Shows the pipeline that a stream belongs to, under a name, for as long as it lives.
    pub fn watch<T: Element>(&self, name: impl Into<String>, stream: &Stream<T>) {
        self.app.observed.watch(name.into(), stream);
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What to open in a browser.
    pub fn link(&self) -> String {
        let ip = self.addr.ip();
        let host = match ip {
            _ if ip.is_unspecified() => "127.0.0.1".to_string(),
            std::net::IpAddr::V4(ip) => ip.to_string(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        };
        format!("http://{host}:{}/status", self.addr.port())
    }

    /// What those need who want to control pipelines: they enter it on `/status`, or send it in the header
    /// `X-Thalweg-Token` of a POST to `/control`. `None` unless the dashboard [allows it](Builder::allow_control). It is
    /// as good as a password: it belongs in no log.
    pub fn token(&self) -> Option<&str> {
        self.app.controls.as_ref().map(|it| it.token.text())
    }

    /// The [link](Self::link) with the token in it, which a page takes out of the address as soon as it is shown, and which
    /// no browser sends. `None` unless the dashboard [allows control](Builder::allow_control).
    ///
    /// ```
    /// let dashboard = thalweg_dashboard::Builder::new().allow_control().serve("127.0.0.1:0")?;
    /// assert!(dashboard.control_link().is_some_and(|link| link.contains("/status#token=")));
    /// # Ok::<(), thalweg_dashboard::ServeError>(())
    /// ```
    pub fn control_link(&self) -> Option<String> {
        Some(format!("{}#token={}", self.link(), self.token()?))
    }

    /// Ends it.
    pub fn close(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nobody to tell of a panic but the one who drops it.
            let _ = thread.join();
        }
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.close();
    }
}

/// What all pages are made of.
pub(crate) struct App {
    observed: Observed,
    pub(crate) failures: Arc<Failures>,
    /// `None` if nothing may be changed.
    pub(crate) controls: Option<Controls>,
    /// `None` if no elements are shown.
    pub(crate) elements: Option<Elements>,
    pub(crate) began: Instant,
    seen: Mutex<Seen>,
    looks: watch::Sender<u64>,
    lookers: AtomicUsize,
    wanted: Notify,
    /// Held while somebody looks.
    looking: tokio::sync::Mutex<()>,
}

/// The last look.
#[derive(Default)]
pub(crate) struct Seen {
    at: Option<Instant>,
    pub(crate) history: History,
    pub(crate) engines: Vec<Engine>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// Somebody who looks, for as long as it lives.
pub(crate) struct Looker(Arc<App>);

impl Drop for Looker {
    fn drop(&mut self) {
        self.0.lookers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl App {
    fn new(
        observed: Vec<Arc<dyn Observe>>,
        token: Option<Token>,
        elements: Option<Elements>,
    ) -> Self {
        let count = elements.as_ref().map_or(0, |elements| elements.count);
        Self {
            elements,
            failures: failures::record(observed.clone()),
            controls: token.map(Controls::new),
            observed: Observed::new(observed, count),
            began: Instant::now(),
            seen: Mutex::default(),
            looks: watch::Sender::new(0),
            lookers: AtomicUsize::new(0),
            wanted: Notify::new(),
            looking: tokio::sync::Mutex::new(()),
        }
    }

    /// Has a pipeline do something; `None` if nobody knows it. It may wait for long.
    pub(crate) fn control(
        &self,
        pipeline: u64,
        action: Action,
    ) -> Option<Result<String, BoxError>> {
        self.observed.control(pipeline, action)
    }

    /// The last elements that came to a node; `None` if they could not be had for now. It may wait a little.
    pub(crate) fn kept_elements(
        &self,
        pipeline: u64,
        node: u64,
    ) -> Option<Vec<Box<dyn Any + Send>>> {
        self.observed.kept_elements(pipeline, node)
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// Sees to it that what was seen is not old.
    pub(crate) async fn refresh(self: &Arc<Self>, age: Duration) {
        let _looking = self.looking.lock().await;
        if self.seen().at.is_some_and(|at| at.elapsed() < age) {
            return;
        }
        let app = self.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let (pipelines, engines) = app.observed.look();
            let mut seen = app.seen();
            let now = Instant::now();
            seen.at = Some(now);
            seen.history.add(now, pipelines);
            seen.engines = engines;
        });
        // A panic of somebody who was asked has been printed; the next look may go better.
        let _ = looked.await;
        self.looks.send_modify(|looks| *looks += 1);
    }

    /// The same for one who has just come.
    pub(crate) async fn refresh_now(self: &Arc<Self>) {
        self.refresh(FRESH).await;
    }

    /// Takes note of one who looks, unless there are as many as there may be.
    pub(crate) fn come(self: &Arc<Self>, most: usize) -> Option<(Looker, watch::Receiver<u64>)> {
        let one_more = |lookers| (lookers < most).then_some(lookers + 1);
        self.lookers
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .ok()?;
        self.wanted.notify_one();
        Some((Looker(self.clone()), self.looks.subscribe()))
    }

    async fn look_while_wanted(self: &Arc<Self>) {
        loop {
            while self.lookers.load(Ordering::Acquire) == 0 {
                self.wanted.notified().await;
            }
            self.refresh(PERIOD / 2).await;
            tokio::time::sleep(PERIOD).await;
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
