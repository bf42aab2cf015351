use std::marker::PhantomData;

use thalweg::{Context, Element, EmitResult, Never, Operator, Sink, Stream};

use super::Reply;
use crate::HttpResponse;

/// Answers requests with the elements derived from them; see [`Respond::respond`].
struct Responding<T>(PhantomData<fn(T)>);

/// An element that is not derived from a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this element does not come from a request: use `respond` downstream of `from_http_requests`"
)]
pub struct NoRequest;

impl<T: Element + Into<HttpResponse>> Operator for Responding<T> {
    type In = T;
    type Out = Never;
    type Event = Never;
    const KIND: &'static str = "respond";
    const SINK: bool = true;
    const CLOSES: bool = false;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        let acks = cx.acks();
        let mut replies = acks.payloads::<Reply>().peekable();
        if replies.peek().is_none() {
            return cx.fail(x, NoRequest);
        }
        let response: HttpResponse = x.into();
        for reply in replies {
            reply.respond(response.clone());
        }
        Ok(())
    }
}

/// Answering requests: [`Stream::respond`](Respond::respond).
pub trait Respond {
    /// Sends each element as the response to its request, downstream of
    /// [`from_http_requests`](super::FromHttpRequests::from_http_requests).
    ///
    /// An element finds its request by its token, through any operators in between.
    ///
    /// - A request that became several elements is answered with the first.
    /// - An element derived from several requests, such as a window, answers all of them.
    /// - A request whose elements were all dropped, for example by a filter, is answered with 204; a failed one with
    ///   500.
    fn respond(&self) -> Sink;
}

impl<T: Element + Into<HttpResponse>> Respond for Stream<T> {
    fn respond(&self) -> Sink {
        Sink::from(self.apply(Responding(PhantomData)))
    }
}
