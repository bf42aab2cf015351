//! Control of pipelines from the dashboard, authorized by a token.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::extract::{DefaultBodyLimit, Form, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use axum::{Router, handler::Handler};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use thalweg::BoxError;

use crate::server::App;

/// Time limit of a drain.
pub(crate) const DRAIN_LIMIT: &str = "1 min";

/// Limit of a request's body, in bytes.
const MAX_BODY: usize = 4096;

/// Header in which programs send the token.
const TOKEN: HeaderName = HeaderName::from_static("x-thalweg-token");

/// An action on a pipeline that the dashboard offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Stops the pipeline's sources.
    Pause,
    /// Starts the paused sources again.
    Resume,
    /// Delivers everything in the pipeline and closes it.
    Drain,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 3] = [Self::Pause, Self::Resume, Self::Drain];

    /// The action's name.
    ///
    /// ```
    /// use thalweg_dashboard::Action;
    ///
    /// assert_eq!(Action::ALL.map(Action::as_str), ["pause", "resume", "drain"]);
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Drain => "drain",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}

/// Applies an action to a stream's pipeline; returns a one-line result.
pub(crate) fn apply<T: thalweg::Element>(
    stream: &thalweg::Stream<T>,
    action: Action,
) -> Result<String, BoxError> {
    Ok(match action {
        Action::Pause => paused(stream.pause()),
        Action::Resume => resumed(stream.resume()?),
        Action::Drain => {
            stream.drain(DRAIN_LIMIT).wait()?;
            "drained".to_string()
        }
    })
}

fn paused(sources: usize) -> String {
    match sources {
        0 => "no source runs".to_string(),
        1 => "paused: 1 source was stopped".to_string(),
        more => format!("paused: {more} sources were stopped"),
    }
}

fn resumed(sources: usize) -> String {
    match sources {
        0 => "no source was paused".to_string(),
        1 => "resumed: 1 source runs again".to_string(),
        more => format!("resumed: {more} sources run again"),
    }
}

/// The secret that authorizes control. It appears in no page and no error.
pub(crate) struct Token(String);

impl Token {
    /// A new random token of 128 bits.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        let mut text = String::new();
        for byte in bytes {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Compares in constant time.
    fn matches(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

/// The last action on a pipeline and its result.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) at: SystemTime,
    /// `None` while the action runs.
    pub(crate) result: Option<Result<String, String>>,
    pub(crate) action: Action,
}

/// The token and the last report of each pipeline.
pub(crate) struct Controls {
    pub(crate) token: Token,
    reports: Mutex<BTreeMap<u64, Report>>,
}

impl Controls {
    pub(crate) fn new(token: Token) -> Self {
        Self {
            token,
            reports: Mutex::default(),
        }
    }

    /// The last action on a pipeline and its result.
    pub(crate) fn report(&self, pipeline: u64) -> Option<Report> {
        self.reports().get(&pipeline).cloned()
    }

    fn reports(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Report>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the start of an action; false if another one is running.
    fn begin(&self, pipeline: u64, action: Action, alive: impl Fn(u64) -> bool) -> bool {
        let mut reports = self.reports();
        reports.retain(|id, report| report.result.is_none() || alive(*id));
        if reports
            .get(&pipeline)
            .is_some_and(|report| report.result.is_none())
        {
            return false;
        }
        let report = Report {
            at: SystemTime::now(),
            result: None,
            action,
        };
        reports.insert(pipeline, report);
        true
    }

    fn end(&self, pipeline: u64, result: Result<String, String>) {
        if let Some(report) = self.reports().get_mut(&pipeline) {
            report.at = SystemTime::now();
            report.result = Some(result);
        }
    }
}

/// The form sent by the buttons.
#[derive(Deserialize)]
struct ControlForm {
    /// A pipeline's id and an action: `"7 pause"`.
    #[serde(rename = "do")]
    command: String,
    #[serde(default)]
    token: String,
}

/// The route of `POST /control`.
pub(crate) fn router() -> Router<Arc<App>> {
    let handler = control.layer(DefaultBodyLimit::max(MAX_BODY));
    Router::new().route("/control", post(handler))
}

async fn control(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    form: Form<ControlForm>,
) -> Response {
    let Some(controls) = &app.controls else {
        return refuse(StatusCode::NOT_FOUND, "this dashboard is read-only\n");
    };
    if !is_same_origin(&headers) {
        let text = "pages from elsewhere may not control pipelines\n";
        return refuse(StatusCode::FORBIDDEN, text);
    }
    let in_header = headers.get(TOKEN).and_then(|token| token.to_str().ok());
    if !controls.token.matches(in_header.unwrap_or(&form.token)) {
        let text = "the token is not the one that was printed with the address\n";
        return refuse(StatusCode::FORBIDDEN, text);
    }
    let command = form.command.split_once(' ');
    let command = command.and_then(|(id, name)| Some((id.parse().ok()?, Action::parse(name)?)));
    let Some((pipeline, action)) = command else {
        let text = "`do` is the number of a pipeline and pause, resume or drain: 7 pause\n";
        return refuse(StatusCode::BAD_REQUEST, text);
    };
    // A program may know a pipeline that is newer than the last snapshot.
    app.refresh(Duration::ZERO).await;
    let alive = |id: u64| app.snapshot().history.pipelines.contains_key(&id);
    if !alive(pipeline) {
        return refuse(StatusCode::NOT_FOUND, "there is no such pipeline\n");
    }
    if !controls.begin(pipeline, action, alive) {
        let text = "the pipeline is still at what it was last asked\n";
        return refuse(StatusCode::CONFLICT, text);
    }
    // A drain runs the pipeline's functions and waits for them.
    let runner = app.clone();
    let thread = std::thread::Builder::new().name("thalweg-control".into());
    let spawned = thread.spawn(move || {
        let result = match runner.control(pipeline, action) {
            Some(result) => result.map_err(|error| error.to_string()),
            None => Err("it cannot be controlled from here, or is gone".to_string()),
        };
        if let Some(controls) = &runner.controls {
            controls.end(pipeline, result);
        }
    });
    if let Err(error) = spawned {
        controls.end(pipeline, Err(format!("there is no thread for it: {error}")));
    }
    Redirect::to("/status").into_response()
}

/// Whether a request comes from one of this dashboard's pages, or from no page at all.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| {
        let value = headers.get(name)?;
        Some(value.to_str().unwrap_or_default())
    };
    let host = text(header::HOST).unwrap_or_default();
    let is_own = |origin: &str| {
        let name = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        name.is_some_and(|name| name.eq_ignore_ascii_case(host))
    };
    let site = text(HeaderName::from_static("sec-fetch-site"));
    text(header::ORIGIN).is_none_or(is_own)
        && site.is_none_or(|site| matches!(site, "same-origin" | "none"))
}

fn refuse(status: StatusCode, text: &'static str) -> Response {
    (status, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let tokens = [(); 2].map(|()| Token::random().expect("the system has random numbers"));
        assert_eq!(tokens[0].text().len(), 32);
        assert!(tokens[0].matches(tokens[0].text()));
        assert!(!tokens[0].matches(tokens[1].text()));
        assert!(!tokens[0].matches("") && !tokens[0].matches(&tokens[0].text()[..31]));
    }
}
