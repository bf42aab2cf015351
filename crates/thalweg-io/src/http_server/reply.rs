//! Replies of a pipeline to requests.

use std::sync::{Arc, Mutex, PoisonError};

use thalweg::{Ack, Error, Outcome};
use tokio::sync::oneshot::{Receiver, Sender, channel};

use super::live::InFlight;
use crate::HttpResponse;

/// Result of a request.
#[derive(Debug)]
pub(super) enum Answer {
    Response(HttpResponse),
    /// The pipeline has accepted the body.
    Taken,
    /// The pipeline is done with the request, without a response.
    Nothing,
    /// The pipeline has failed, for this reason if it is known.
    Failed(Option<String>),
    /// The pipeline accepts nothing any more.
    Closing,
}

/// Reply channel of a request. It travels with the request as the payload of an acknowledgement token, where
/// [`respond`](super::Respond::respond) finds it. The first response counts.
#[derive(Clone, Debug)]
pub struct Reply(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    sender: Option<Sender<Answer>>,
    /// The request's permit, until it has a response or is abandoned.
    place: Option<InFlight>,
    /// Whether something derived from the request has failed.
    has_failed: bool,
    /// Whether the pipeline has accepted the request: then nothing more will be known about a failure.
    is_taken: bool,
}

impl Reply {
    pub(super) fn new(place: InFlight) -> (Self, Receiver<Answer>) {
        let (sender, receiver) = channel();
        let state = State {
            sender: Some(sender),
            place: Some(place),
            has_failed: false,
            is_taken: false,
        };
        (Self(Arc::new(Mutex::new(state))), receiver)
    }

    /// Sends the response; returns whether it is the first, and still wanted.
    pub fn respond(&self, response: impl Into<HttpResponse>) -> bool {
        self.answer(Answer::Response(response.into()))
    }

    /// Creates a token to emit the request with: the request is answered with 204 if nothing has been sent when the
    /// token fires, and with 500 if it has failed.
    pub fn ack(&self) -> Ack {
        Ack::with_payload(self.clone(), Self::done)
    }

    /// The pipeline is done with everything derived from the request.
    pub fn done(&self, outcome: Outcome) {
        match outcome {
            Outcome::Delivered => drop(self.answer(Answer::Nothing)),
            Outcome::Failed => {
                let mut state = self.lock();
                state.has_failed = true;
                if state.is_taken {
                    answer(&mut state, Answer::Failed(None));
                }
            }
        }
    }

    /// The pipeline has accepted the request, or failed on it.
    pub fn emitted(&self, result: &Result<(), Error>) {
        match result {
            Ok(()) => {
                let mut state = self.lock();
                state.is_taken = true;
                if state.has_failed {
                    answer(&mut state, Answer::Failed(None));
                }
            }
            Err(error) if error.is_closed() => drop(self.answer(Answer::Closing)),
            Err(error) => drop(self.answer(Answer::Failed(Some(error.to_string())))),
        }
    }

    /// The same for a body, which is answered when it has been accepted.
    pub fn accepted(&self, result: &Result<(), Error>) {
        match result {
            Ok(()) => drop(self.answer(Answer::Taken)),
            Err(_) => self.emitted(result),
        }
    }

    pub(super) fn refuse(&self) {
        self.answer(Answer::Closing);
    }

    fn answer(&self, what: Answer) -> bool {
        answer(&mut self.lock(), what)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(state: &mut State, what: Answer) -> bool {
    state.place = None;
    let sender = state.sender.take();
    sender.is_some_and(|sender| sender.send(what).is_ok())
}
