use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::RuntimeHandle;
use crate::debug::shows;
use crate::sync::lock;

/// A pause on a runtime's clock; see [`RuntimeHandle::sleep`].
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    runtime: RuntimeHandle,
    at: Duration,
    alarm: Option<Arc<Mutex<Option<Waker>>>>,
}

shows!([] Sleep { at });

impl Sleep {
    pub(super) fn new(runtime: RuntimeHandle, at: Duration) -> Self {
        Self {
            runtime,
            at,
            alarm: None,
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.runtime.now() >= self.at {
            return Poll::Ready(());
        }
        if let Some(alarm) = &self.alarm {
            let mut waker = lock(alarm);
            if waker.is_some() {
                *waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        // No alarm yet, or it rang slightly early.
        let alarm = Arc::new(Mutex::new(Some(cx.waker().clone())));
        self.alarm = Some(alarm.clone());
        self.runtime.wake_at(
            self.at,
            Box::new(move || {
                if let Some(waker) = lock(&alarm).take() {
                    waker.wake();
                }
            }),
        );
        Poll::Pending
    }
}
