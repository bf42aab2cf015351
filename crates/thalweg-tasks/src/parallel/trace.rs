//! Steps of elements that are traced: who is told of them is known elsewhere.

use std::any::Any;
use std::sync::Arc;

/// What is told of a step that is done for an element that is traced: made where the step is asked for, and used where
/// it is done.
pub trait StepTrace: Send + Sync + 'static {
    /// The step is being done from now on, until what is returned is dropped. `None` if nobody wants to know.
    fn begin(&self) -> Option<Arc<dyn StepTrace>>;

    /// Calls `f` as what is being done.
    fn within(&self, f: &mut dyn FnMut());

    /// Itself, for those who send it elsewhere.
    fn as_any(&self) -> &dyn Any;
}

/// Does something as a step of an element that may be traced.
pub(super) fn traced<R>(trace: Option<&Arc<dyn StepTrace>>, f: impl FnOnce() -> R) -> R {
    let Some(begun) = trace.and_then(|trace| trace.begin()) else {
        return f();
    };
    let (mut f, mut result) = (Some(f), None);
    begun.within(&mut || result = f.take().map(|f| f()));
    match (result, f) {
        (Some(result), _) => result,
        // Whoever is told has not called it.
        (None, Some(f)) => f(),
        (None, None) => unreachable!("it is called once, and what it returns is kept"),
    }
}
