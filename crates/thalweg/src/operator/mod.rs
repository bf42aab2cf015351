//! The two traits for operators, and their context.

mod context;
mod reconfigure;

pub use context::Context;
pub use reconfigure::Reconfigure;

use std::any::Any;
use std::vec::Drain;

use crate::failure::{BoxError, BuildError};
pub use crate::graph::{Delivery, Lease};

/// An element of a stream: `Clone` for branches, `Send` for threads.
///
/// Large or uncloneable values travel in an [`Arc`](std::sync::Arc).
pub trait Element: Clone + Send + 'static {}

impl<T: Clone + Send + 'static> Element for T {}

/// An element's way ended with a failure, which has been recorded.
#[derive(Debug)]
#[must_use]
pub struct EmitFailed(());

impl EmitFailed {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

/// Whether an element got through. Return the error with `?`, so that the emitter is told.
pub type EmitResult = Result<(), EmitFailed>;

/// The type of streams without elements: the outputs of a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Never {}

/// Why a function failed on an element.
#[derive(Debug)]
pub struct OperatorError<T> {
    pub(crate) element: Option<T>,
    pub(crate) cause: BoxError,
}

impl<T> OperatorError<T> {
    /// Creates a failure with `cause` on `element`.
    pub fn new(element: T, cause: impl Into<BoxError>) -> Self {
        Self {
            element: Some(element),
            cause: cause.into(),
        }
    }

    /// Creates a failure with `cause` on an element that has been consumed: it cannot be retried.
    pub fn lost(cause: impl Into<BoxError>) -> Self {
        Self {
            element: None,
            cause: cause.into(),
        }
    }
}

/// A node with at most one output per input, at once: without waiting or time.
///
/// The form of `map`, `filter` and `accumulate`. A transform's function runs outside of the delivery to the next node,
/// which makes these nodes the cheapest. Use [`Operator`] for nodes that emit several elements, keep elements, or wait.
///
/// ```
/// use thalweg::{OperatorError, Stream, Transform};
///
/// /// Passes on every second element.
/// struct Alternate(bool);
///
/// impl Transform for Alternate {
///     type In = u32;
///     type Out = u32;
///     const KIND: &'static str = "alternate";
///
///     fn apply(&mut self, x: u32) -> Result<Option<u32>, OperatorError<u32>> {
///         self.0 = !self.0;
///         Ok(self.0.then_some(x))
///     }
/// }
///
/// let source = Stream::new();
/// let list = source.transform(Alternate(false)).sink_to_list();
/// source.emit_many(0..5).wait()?;
/// assert_eq!(list.to_vec(), [0, 2, 4]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub trait Transform: Send + Sized + 'static {
    /// Type of its inputs.
    type In: Element;
    /// Type of its outputs.
    type Out: Element;
    /// The user-visible name of this kind of node.
    const KIND: &'static str;
    /// Whether elements end here. A node that leads to no sink is freed with its last handle.
    const SINK: bool = false;
    /// Whether [`close`](Self::close) does anything. If false, a drain skips such a node, which saves time in large
    /// pipelines.
    const CLOSES: bool = true;

    /// Processes an element; returns the output, if any, or the failure.
    fn apply(&mut self, x: Self::In) -> Result<Option<Self::Out>, OperatorError<Self::In>>;

    /// Processes the elements of a batch, in order, until one fails; appends outputs to `out`.
    ///
    /// By default calls [`apply`](Self::apply) for each. Override it only for a faster loop.
    fn apply_many(
        &mut self,
        xs: &mut Drain<'_, Self::In>,
        out: &mut Vec<Self::Out>,
    ) -> Result<(), OperatorError<Self::In>> {
        for x in xs {
            out.extend(self.apply(x)?);
        }
        Ok(())
    }

    /// Calls `see` with every element, group or state kept here, as often as it is kept: for garbage collectors, see
    /// [`Stream::traverse`](crate::Stream::traverse). It must not touch any pipeline.
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        let _ = visit;
    }

    /// Label that distinguishes this node from others of its kind, shown in its derived name.
    fn label(&self) -> Option<String> {
        None
    }

    /// Called once at the end of a drain, after the last element.
    ///
    /// # Errors
    /// Something could not be finished, for example a file not flushed; the drain reports it.
    fn close(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// A general node: it may emit any number of elements, keep some, and wait for time or futures.
///
/// A state machine with exclusive access: during a call of one of these functions, no other thread is inside the
/// pipeline. It never blocks, spawns a thread or reads a clock. Waiting is requested from the [`Context`]:
/// [`wake_at`](Context::wake_at) a time, [`wake_soon`](Context::wake_soon) when the current pass is over, or a future
/// to [`spawn`](Context::spawn). So operators run equally on tokio, on a separate event loop, and on a virtual clock.
///
/// An operator that keeps an element also keeps its [`Lease`]: from [`Context::hold`] if the emitter has to wait (back
/// pressure), or only its tokens, from [`Context::acks`], if the emitter continues. It emits the element later
/// [`under`](Context::under) that lease.
///
/// ```
/// use thalweg::{Acks, Context, EmitResult, Never, Operator, Stream};
///
/// /// Holds each element back until the next one comes.
/// struct OneBehind<T>(Option<(T, Acks)>);
///
/// impl<T: Clone + Send + 'static> Operator for OneBehind<T> {
///     type In = T;
///     type Out = T;
///     type Event = Never;
///     const KIND: &'static str = "one_behind";
///
///     fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
///         let acks = cx.acks();
///         match self.0.replace((x, acks)) {
///             Some((x, acks)) => cx.emit_with(acks, x),
///             None => Ok(()),
///         }
///     }
///
///     fn flush(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
///         match self.0.take() {
///             Some((x, acks)) => cx.emit_with(acks, x),
///             None => Ok(()),
///         }
///     }
///
///     fn buffered(&self) -> usize {
///         self.0.iter().count()
///     }
/// }
///
/// let source = Stream::new();
/// let list = source.apply(OneBehind(None)).sink_to_list();
/// source.emit_many(0..3).wait()?;
/// assert_eq!(list.to_vec(), [0, 1]);
/// source.drain(std::time::Duration::from_secs(1)).wait()?;
/// assert_eq!(list.to_vec(), [0, 1, 2]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub trait Operator: Send + Sized + 'static {
    /// Type of its inputs. For a node with several inlets, an enum of their types.
    type In: Element;
    /// Type of its outputs.
    type Out: Element;
    /// Output type of its futures; [`Never`] if it spawns none.
    type Event: Send + 'static;
    /// The user-visible name of this kind of node.
    const KIND: &'static str;
    /// Whether an element may be kept while its emitter waits.
    const SUSPENDS: bool = false;
    /// Whether it needs a clock or spawns futures, and therefore a runtime.
    const NEEDS_RUNTIME: bool = false;
    /// Whether elements end here. A node that leads to no sink is freed with its last handle.
    const SINK: bool = false;
    /// Whether [`close`](Self::close) does anything. If false, a drain skips such a node, which saves time in large
    /// pipelines.
    const CLOSES: bool = true;

    /// Puts elements aside that arrive together: those of an [`emit_many`](crate::Stream::emit_many), and of a source that
    /// has read ahead. For operators that do so in [`update`](Self::update) without ever failing; for others they are
    /// processed one by one. The elements have the same acknowledgement tokens.
    const UPDATE_MANY: Option<UpdateMany<Self>> = None;

    /// Processes an element.
    fn update(&mut self, x: Self::In, cx: &mut Context<'_, Self>) -> EmitResult;

    /// Called at a time requested by [`Context::wake_at`], and at the end of the pass in which [`Context::wake_soon`]
    /// was called. It may be called without either.
    fn wake(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        let _ = cx;
        Ok(())
    }

    /// Whether [`wake`](Self::wake) is called as soon as the node is in place, before any element.
    fn begins_at_once(&self) -> bool {
        false
    }

    /// Called when an element that [`Context::deliver`] reported as pending has been accepted.
    fn delivered(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        let _ = cx;
        Ok(())
    }

    /// Called with the result of a future given to [`Context::spawn`] with `key`; with an error if it panicked.
    fn event(
        &mut self,
        key: u64,
        event: Result<Self::Event, BoxError>,
        cx: &mut Context<'_, Self>,
    ) -> EmitResult {
        let _ = (key, event, cx);
        Ok(())
    }

    /// Called during a drain, when no more inputs will arrive: emits what was kept, such as a partial window.
    fn flush(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        let _ = cx;
        Ok(())
    }

    /// Called once at the end of a drain, after the last element.
    ///
    /// # Errors
    /// Something could not be finished; the drain reports it.
    fn close(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    /// Drops elements that wait for room here and whose emitters have given up
    /// ([`Lease::is_withdrawn`](crate::Lease::is_withdrawn)), so that a blocked queue does not grow by elements that
    /// nobody waits for.
    fn withdraw(&mut self) {}

    /// Number of elements in flight in this node, which will be emitted by themselves: a queue, running calls. A drain
    /// waits for them.
    fn in_flight(&self) -> usize {
        0
    }

    /// Number of elements kept here until others arrive: a partial window, the shorter side of a join. A drain flushes
    /// them, and reports those that could not be emitted.
    fn buffered(&self) -> usize {
        0
    }

    /// Whether this operator suspends from the start, if that depends on its options. If false, and
    /// [`SUSPENDS`](Self::SUSPENDS) is true, it may still [`hold`](Context::hold) an element: until then, elements may
    /// arrive in batches.
    fn suspends(&self) -> bool {
        Self::SUSPENDS
    }

    /// Whether this operator needs a runtime, if that depends on its options.
    fn needs_runtime(&self) -> bool {
        Self::NEEDS_RUNTIME
    }

    /// Calls `see` with every element, group or state kept here, as often as it is kept: for garbage collectors, see
    /// [`Stream::traverse`](crate::Stream::traverse). It must not touch any pipeline.
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        let _ = visit;
    }

    /// Label that distinguishes this node from others of its kind, shown in its derived name.
    fn label(&self) -> Option<String> {
        None
    }
}

/// A function of an operator that processes several elements; see [`Operator::UPDATE_MANY`].
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use thalweg::{Context, EmitResult, Never, Operator, Stream, UpdateMany};
///
/// struct Keep(Arc<Mutex<Vec<i32>>>);
///
/// impl Operator for Keep {
///     type In = i32;
///     type Out = Never;
///     type Event = Never;
///     const KIND: &'static str = "keep";
///     const SINK: bool = true;
///     const UPDATE_MANY: Option<UpdateMany<Self>> =
///         Some(|keep, xs, _| keep.0.lock().unwrap().extend(xs));
///
///     fn update(&mut self, x: i32, _: &mut Context<'_, Self>) -> EmitResult {
///         self.0.lock().unwrap().push(x);
///         Ok(())
///     }
/// }
///
/// let kept = Arc::new(Mutex::new(Vec::new()));
/// let source = Stream::new();
/// let _sink = source.map(|x| 2 * x).apply(Keep(kept.clone()));
/// source.emit(1).wait()?;
/// source.emit_many([2, 3]).wait()?;
/// assert_eq!(*kept.lock().unwrap(), [2, 4, 6]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub type UpdateMany<Op> = fn(&mut Op, Drain<'_, <Op as Operator>::In>, &mut Context<'_, Op>);

/// Argument of [`Stream::apply`](crate::Stream::apply): an [`Operator`], or a value that converts to one unless its
/// arguments are invalid.
///
/// Implemented for operators, for the results of constructors that validate their arguments, and for the options of
/// operators:
///
/// ```
/// use thalweg::{Stream, ops::{Buffer, PartitionOptions}};
///
/// let source = Stream::new();
/// source.apply(Buffer::new(10)).sink(|x: i32| println!("{x}"));
/// source.apply(PartitionOptions::of(10).timeout("1s")).sink(|xs| println!("{xs:?}"));
/// ```
pub trait IntoOperator {
    /// The resulting operator.
    type Operator: Operator;

    /// Converts to the operator.
    ///
    /// # Errors
    /// An argument is invalid.
    fn into_operator(self) -> Result<Self::Operator, BuildError>;
}

impl<Op: Operator> IntoOperator for Op {
    type Operator = Op;

    fn into_operator(self) -> Result<Op, BuildError> {
        Ok(self)
    }
}

impl<Op: Operator> IntoOperator for Result<Op, BuildError> {
    type Operator = Op;

    fn into_operator(self) -> Result<Op, BuildError> {
        self
    }
}

/// The name of a function as users wrote it, unless it is a closure.
pub(crate) fn function_name<F>() -> Option<String> {
    let path = std::any::type_name::<F>();
    if path.contains("fn(") || path.contains("dyn ") {
        return None;
    }
    let name = without_parameters(path).rsplit("::").next()?;
    (!name.contains("{{")).then(|| name.to_string())
}

/// A type's name without its trailing type parameters.
fn without_parameters(path: &str) -> &str {
    let mut depth = 0;
    for (at, character) in path.char_indices().rev() {
        match character {
            '>' => depth += 1,
            '<' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &path[..at + usize::from(character != '<') * character.len_utf8()];
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::function_name;

    fn name_of<F>(_: F) -> Option<String> {
        function_name::<F>()
    }

    fn generic<T>(x: T) -> T {
        x
    }

    fn closure<T>() -> impl Fn(T) -> T {
        |x| x
    }

    #[test]
    fn a_function_has_a_name_and_a_closure_has_none() {
        assert_eq!(name_of(generic::<u8>).as_deref(), Some("generic"));
        assert_eq!(name_of(generic::<Vec<u8>>).as_deref(), Some("generic"));
        assert_eq!(name_of(str::len).as_deref(), Some("len"));
        assert_eq!(name_of(|x: u8| x), None);
        assert_eq!(name_of(closure::<u8>()), None);
        assert_eq!(name_of(generic::<u8> as fn(u8) -> u8), None);
    }
}
