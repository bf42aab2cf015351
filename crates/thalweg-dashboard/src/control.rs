//! What a dashboard may do to pipelines, if it is allowed to, and who may have it do so.

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

/// How long a drain that somebody has asked for may take.
pub(crate) const DRAIN_LIMIT: &str = "1 min";

/// The longest body of a request, in bytes.
const LONGEST: usize = 4096;

/// The header that programs send the token in.
const TOKEN: HeaderName = HeaderName::from_static("x-thalweg-token");

/// What somebody who looks at a pipeline may have it do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Its sources stop.
    Pause,
    /// The sources that were paused run again.
    Resume,
    /// It is drained: it ends, and what is in it is delivered.
    Drain,
}

impl Action {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Pause, Self::Resume, Self::Drain];

    /// One word for it.
    ///
    /// ```
    /// use thalweg_dashboard::Action;
    ///
    /// assert_eq!(Action::ALL.map(Action::word), ["pause", "resume", "drain"]);
    /// ```
    pub fn word(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Drain => "drain",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }
}

/// Stops, starts or drains a stream's pipeline; says what was done.
pub(crate) fn act<T: thalweg::Element>(
    stream: &thalweg::Stream<T>,
    action: Action,
) -> Result<String, BoxError> {
    Ok(match action {
        Action::Pause => stopped(stream.pause()),
        Action::Resume => started(stream.resume()?),
        Action::Drain => {
            stream.drain(DRAIN_LIMIT).wait()?;
            "drained".to_string()
        }
    })
}

fn stopped(sources: usize) -> String {
    match sources {
        0 => "no source runs".to_string(),
        1 => "paused: 1 source was stopped".to_string(),
        more => format!("paused: {more} sources were stopped"),
    }
}

fn started(sources: usize) -> String {
    match sources {
        0 => "no source was paused".to_string(),
        1 => "resumed: 1 source runs again".to_string(),
        more => format!("resumed: {more} sources run again"),
    }
}

/// What those have to know who control pipelines. It is in no page, and no text of an error.
pub(crate) struct Token(String);

impl Token {
    /// Another one than any before.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        let mut text = String::new();
        for byte in bytes {
            // A string takes whatever is written.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Compares in a time that says nothing about where a text differs.
    fn is(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

/// What became of what was last asked of a pipeline.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) at: SystemTime,
    /// What was done, or why not; `None` while it is being done.
    pub(crate) result: Option<Result<String, String>>,
    pub(crate) action: Action,
}

/// What is needed to control pipelines.
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

    /// What became of what was last asked of a pipeline.
    pub(crate) fn report(&self, pipeline: u64) -> Option<Report> {
        self.reports().get(&pipeline).cloned()
    }

    fn reports(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Report>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note that something is being done; false if something is already.
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

/// The form that buttons send.
#[derive(Deserialize)]
struct Asked {
    /// The number of a pipeline, and what to do with it: `"7 pause"`.
    #[serde(rename = "do")]
    what: String,
    #[serde(default)]
    token: String,
}

/// The address of what changes something.
pub(crate) fn router() -> Router<Arc<App>> {
    let handler = control.layer(DefaultBodyLimit::max(LONGEST));
    Router::new().route("/control", post(handler))
}

async fn control(State(app): State<Arc<App>>, headers: HeaderMap, form: Form<Asked>) -> Response {
    let Some(controls) = &app.controls else {
        return refuse(StatusCode::NOT_FOUND, "this dashboard is read-only\n");
    };
    if !is_from_here(&headers) {
        let text = "pages from elsewhere may not control pipelines\n";
        return refuse(StatusCode::FORBIDDEN, text);
    }
    let in_header = headers.get(TOKEN).and_then(|token| token.to_str().ok());
    if !controls.token.is(in_header.unwrap_or(&form.token)) {
        let text = "the token is not the one that was printed with the address\n";
        return refuse(StatusCode::FORBIDDEN, text);
    }
    let asked = form.what.split_once(' ');
    let asked = asked.and_then(|(id, word)| Some((id.parse().ok()?, Action::from_word(word)?)));
    let Some((pipeline, action)) = asked else {
        let text = "`do` is the number of a pipeline and pause, resume or drain: 7 pause\n";
        return refuse(StatusCode::BAD_REQUEST, text);
    };
    // As it is now: somebody may be told of a pipeline before it was looked at.
    app.refresh(Duration::ZERO).await;
    let alive = |id: u64| app.seen().history.pipelines.contains_key(&id);
    if !alive(pipeline) {
        return refuse(StatusCode::NOT_FOUND, "there is no such pipeline\n");
    }
    if !controls.begin(pipeline, action, alive) {
        let text = "the pipeline is still at what it was last asked\n";
        return refuse(StatusCode::CONFLICT, text);
    }
    // What is done may run functions of the pipeline, and wait for them.
    let doing = app.clone();
    let thread = std::thread::Builder::new().name("thalweg-control".into());
    let begun = thread.spawn(move || {
        let result = match doing.control(pipeline, action) {
            Some(result) => result.map_err(|error| error.to_string()),
            None => Err("it cannot be controlled from here, or is gone".to_string()),
        };
        if let Some(controls) = &doing.controls {
            controls.end(pipeline, result);
        }
    });
    if let Err(error) = begun {
        controls.end(pipeline, Err(format!("there is no thread for it: {error}")));
    }
    Redirect::to("/status").into_response()
}

/// Whether a request comes from a page of this dashboard, or from no page at all.
fn is_from_here(headers: &HeaderMap) -> bool {
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
        assert!(tokens[0].is(tokens[0].text()));
        assert!(!tokens[0].is(tokens[1].text()));
        assert!(!tokens[0].is("") && !tokens[0].is(&tokens[0].text()[..31]));
    }
}
