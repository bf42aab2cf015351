//! Steps of traced elements, for a tracer that is known elsewhere.

use std::any::Any;
use std::sync::Arc;

/// The span of a step of a traced element: created where the step is requested, and used where it runs.
pub trait StepTrace: Send + Sync + 'static {
    /// Begins the span; it ends when the result is dropped. `None` if there is no tracer any more.
    fn begin(&self) -> Option<Arc<dyn StepTrace>>;

    /// Calls `f` in the span.
    fn within(&self, f: &mut dyn FnMut());

    /// Itself, to be sent elsewhere.
    fn as_any(&self) -> &dyn Any;
}

/// Runs a step of an element that may be traced.
pub(super) fn traced<R>(trace: Option<&Arc<dyn StepTrace>>, f: impl FnOnce() -> R) -> R {
    let Some(begun) = trace.and_then(|trace| trace.begin()) else {
        return f();
    };
    let (mut f, mut result) = (Some(f), None);
    begun.within(&mut || result = f.take().map(|f| f()));
    match (result, f) {
        (Some(result), _) => result,
        // The tracer has not called it.
        (None, Some(f)) => f(),
        (None, None) => unreachable!("it is called once, and what it returns is kept"),
    }
}
