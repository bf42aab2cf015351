//! The dashboard's server thread and the state behind its pages.

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
use crate::guard::AllowedHosts;
use crate::history::History;
use crate::listener::Limited;
use crate::observe::{Engine, Observe, Observed};
use crate::routes;

/// Number of consecutive ports tried, from the requested one.
const PORTS: u16 = 100;

/// Shortest and longest interval between two snapshots while someone views a page.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
pub(crate) const MAX_REFRESH_INTERVAL: Duration = Duration::from_secs(5);

/// Share of a core that refreshes may take, as a divisor: drawings of a thousand nodes are refreshed less often than
/// once a second.
const CORE_SHARE: u32 = 400;

/// Greatest age of a snapshot shown to a new viewer.
const MAX_AGE: Duration = Duration::from_millis(500);

/// Errors of [`serve`].
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is invalid.
    #[error("the address of a dashboard is like `127.0.0.1:8787`: {0}")]
    Address(#[source] io::Error),
    /// Listening is not permitted, or all ports are taken.
    #[error("no dashboard at {addr}, nor at the {PORTS} ports from there on: {cause}")]
    Listen {
        /// The requested address.
        addr: SocketAddr,
        /// Error of the last attempt.
        #[source]
        cause: io::Error,
    },
    /// The system has no random numbers for the control token.
    #[error("no token for the dashboard: {0}")]
    Token(#[source] io::Error),
    /// The system cannot start another thread.
    #[error("no thread for the dashboard: {0}")]
    Thread(#[source] io::Error),
}

/// Serves a dashboard at an address, or at the next free port if that one is taken. It shows the pipelines passed to
/// [`Dashboard::watch`].
///
/// # Errors
/// The address is invalid, or listening there is not permitted.
pub fn serve(addr: impl ToSocketAddrs) -> Result<Dashboard, ServeError> {
    Builder::new().serve(addr)
}

/// Options of a dashboard.
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

    /// Shows the pipelines and engines of `observed`.
    #[must_use]
    pub fn observe(mut self, observed: impl Observe) -> Self {
        self.observed.push(Arc::new(observed));
        self
    }

    /// Accepts another host name in requests: that of this machine, or of a proxy in front of it. By default the
    /// dashboard answers to `localhost` and to IP addresses.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Adds buttons that pause, resume and drain pipelines, for users who know the dashboard's
    /// [token](Dashboard::token). By default the dashboard is read-only.
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

    /// Shows the last `count` elements received by a node, 100 at most, on the node's page. By default no elements are
    /// shown, since data is private. Above about a hundred elements a second, only some are kept. `describe` returns an
    /// element's text, or `None` for a type it does not know; numbers and strings need no description. It runs on a
    /// separate thread, one call at a time. Texts are cut at 500 bytes.
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

    /// Starts the dashboard; see [`serve`].
    ///
    /// # Errors
    /// The address is invalid, or listening there is not permitted.
    pub fn serve(self, addr: impl ToSocketAddrs) -> Result<Dashboard, ServeError> {
        let addr = addr.to_socket_addrs().map_err(ServeError::Address)?.next();
        let missing = || io::Error::new(io::ErrorKind::NotFound, "there is no such host");
        let addr = addr.ok_or_else(|| ServeError::Address(missing()))?;
        let listener = listen(addr)?;
        let bound = listener.local_addr().map_err(ServeError::Thread)?;
        let token = self.allows_control.then(Token::random).transpose();
        let token = token.map_err(|error| ServeError::Token(error.into()))?;
        let hosts = AllowedHosts::new(bound, self.hosts, token.is_some());
        let app = Arc::new(App::new(self.observed, token, self.elements));
        let (stop, stopped) = oneshot::channel();
        let served = app.clone();
        let thread = std::thread::Builder::new().name("thalweg-dashboard".into());
        let thread = thread
            .spawn(move || run(listener, served, hosts, stopped))
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

fn run(listener: TcpListener, app: Arc<App>, hosts: AllowedHosts, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build();
    // Out of descriptors: the program goes on without a dashboard.
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async move {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
            return;
        };
        let router = routes::router(app.clone(), hosts);
        let served = async { axum::serve(Limited::new(listener), router).await };
        tokio::select! {
            _ = served => {}
            () = app.refresh_while_viewed() => {}
            _ = stopped => {}
        }
    });
    // A blocking thread may still be waiting for a pipeline.
    runtime.shutdown_background();
}

/// Handle of a running dashboard. Dropping it stops the dashboard.
#[derive(Debug)]
pub struct Dashboard {
    addr: SocketAddr,
    app: Arc<App>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Dashboard {
    /// Shows the pipeline of a stream under a name, until the pipeline is dropped.
    pub fn watch<T: Element>(&self, name: impl Into<String>, stream: &Stream<T>) {
        self.app.observed.watch(name.into(), stream);
    }

    /// Address of the listening socket.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// URL to open in a browser.
    pub fn link(&self) -> String {
        let ip = self.addr.ip();
        let host = match ip {
            _ if ip.is_unspecified() => "127.0.0.1".to_string(),
            std::net::IpAddr::V4(ip) => ip.to_string(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        };
        format!("http://{host}:{}/status", self.addr.port())
    }

    /// Token that authorizes control of pipelines: entered on `/status`, or sent in the header `X-Thalweg-Token` of a
    /// POST to `/control`. `None` unless the dashboard [allows control](Builder::allow_control). Treat it as a
    /// password: keep it out of logs.
    pub fn token(&self) -> Option<&str> {
        self.app.controls.as_ref().map(|it| it.token.text())
    }

    /// The [link](Self::link) with the token as its fragment, which browsers do not send and which the page removes
    /// from the address bar. `None` unless the dashboard [allows control](Builder::allow_control).
    ///
    /// ```
    /// let dashboard = thalweg_dashboard::Builder::new().allow_control().serve("127.0.0.1:0")?;
    /// assert!(dashboard.control_link().is_some_and(|link| link.contains("/status#token=")));
    /// # Ok::<(), thalweg_dashboard::ServeError>(())
    /// ```
    pub fn control_link(&self) -> Option<String> {
        Some(format!("{}#token={}", self.link(), self.token()?))
    }

    /// Stops the dashboard and waits for its thread.
    pub fn close(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; nobody here can handle it.
            let _ = thread.join();
        }
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.close();
    }
}

/// State shared by all pages.
pub(crate) struct App {
    observed: Observed,
    pub(crate) failures: Arc<Failures>,
    /// `None` if the dashboard is read-only.
    pub(crate) controls: Option<Controls>,
    /// `None` if elements are not shown.
    pub(crate) elements: Option<Elements>,
    pub(crate) began: Instant,
    snapshot: Mutex<Snapshot>,
    /// Number of refreshes; pages wait for its change.
    updates: watch::Sender<u64>,
    viewers: AtomicUsize,
    viewer_joined: Notify,
    /// Held during a refresh.
    refreshing: tokio::sync::Mutex<()>,
}

/// The state of everything at the last refresh.
#[derive(Default)]
pub(crate) struct Snapshot {
    at: Option<Instant>,
    pub(crate) history: History,
    pub(crate) engines: Vec<Engine>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// Counts as a viewer until dropped.
pub(crate) struct Viewer(Arc<App>);

impl Drop for Viewer {
    fn drop(&mut self) {
        self.0.viewers.fetch_sub(1, Ordering::AcqRel);
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
            snapshot: Mutex::default(),
            updates: watch::Sender::new(0),
            viewers: AtomicUsize::new(0),
            viewer_joined: Notify::new(),
            refreshing: tokio::sync::Mutex::new(()),
        }
    }

    /// Applies an action to a pipeline; `None` if the pipeline is unknown. May block for long.
    pub(crate) fn control(
        &self,
        pipeline: u64,
        action: Action,
    ) -> Option<Result<String, BoxError>> {
        self.observed.control(pipeline, action)
    }

    /// The last elements received by a node; `None` if they are not available now. May block for a fraction of a
    /// second.
    pub(crate) fn kept_elements(
        &self,
        pipeline: u64,
        node: u64,
    ) -> Option<Vec<Box<dyn Any + Send>>> {
        self.observed.kept_elements(pipeline, node)
    }

    pub(crate) fn snapshot(&self) -> MutexGuard<'_, Snapshot> {
        lock(&self.snapshot)
    }

    /// Takes a new snapshot if the last one is at least this old.
    pub(crate) async fn refresh(self: &Arc<Self>, age: Duration) {
        let _refreshing = self.refreshing.lock().await;
        if self.snapshot().at.is_some_and(|at| at.elapsed() < age) {
            return;
        }
        let app = self.clone();
        let refreshed = tokio::task::spawn_blocking(move || {
            let (pipelines, engines) = app.observed.snapshot();
            let mut snapshot = app.snapshot();
            let now = Instant::now();
            snapshot.at = Some(now);
            snapshot.history.add(now, pipelines);
            snapshot.engines = engines;
        });
        // A panic in `Observe` has been printed; the next refresh may succeed.
        let _ = refreshed.await;
        self.updates.send_modify(|count| *count += 1);
    }

    /// Refreshes for a new viewer.
    pub(crate) async fn refresh_now(self: &Arc<Self>) {
        self.refresh(MAX_AGE).await;
    }

    /// Adds a viewer, and returns it with the counter of refreshes; `None` if there are `limit` viewers already.
    pub(crate) fn join(self: &Arc<Self>, limit: usize) -> Option<(Viewer, watch::Receiver<u64>)> {
        let one_more = |viewers| (viewers < limit).then_some(viewers + 1);
        self.viewers
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .ok()?;
        self.viewer_joined.notify_one();
        Some((Viewer(self.clone()), self.updates.subscribe()))
    }

    async fn refresh_while_viewed(self: &Arc<Self>) {
        loop {
            while self.viewers.load(Ordering::Acquire) == 0 {
                self.viewer_joined.notified().await;
            }
            let before = busy_time();
            self.refresh(REFRESH_INTERVAL / 2).await;
            tokio::time::sleep(REFRESH_INTERVAL).await;
            let busy = busy_time().saturating_sub(before);
            tokio::time::sleep(refresh_interval(busy) - REFRESH_INTERVAL).await;
        }
    }
}

/// Time that the dashboard's thread has been busy.
fn busy_time() -> Duration {
    #[cfg(target_has_atomic = "64")]
    let busy = tokio::runtime::Handle::current()
        .metrics()
        .worker_total_busy_duration(0);
    #[cfg(not(target_has_atomic = "64"))]
    let busy = Duration::ZERO;
    busy
}

/// Interval between two snapshots, if sending one to all viewers keeps the thread busy for this long.
fn refresh_interval(busy: Duration) -> Duration {
    (busy * CORE_SHARE).clamp(REFRESH_INTERVAL, MAX_REFRESH_INTERVAL)
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_refreshes_happen_less_often() {
        let intervals = [1, 10, 1_000].map(|ms| refresh_interval(Duration::from_millis(ms)));
        assert_eq!(intervals, [1, 4, 5].map(Duration::from_secs));
    }
}
