//! The two traits that new operators implement, and their surroundings.

mod context;
mod reconfigure;

pub use context::Context;
pub use reconfigure::Reconfigure;

use std::any::Any;
use std::vec::Drain;

use crate::failure::{BoxError, BuildError};
pub use crate::graph::{Delivery, Lease};

/// An element of a stream: anything that can be cloned, for branches, and sent, for threads.
///
/// Large or uncloneable values travel in an [`Arc`](std::sync::Arc).
pub trait Element: Clone + Send + 'static {}

impl<T: Clone + Send + 'static> Element for T {}

/// Says that an element's way ended with a failure, which has been recorded.
#[derive(Debug)]
#[must_use]
pub struct EmitFailed(());

impl EmitFailed {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

/// Whether an element got through. Pass the error on with `?`: whoever emitted it is told.
pub type EmitResult = Result<(), EmitFailed>;

/// The type of streams that carry nothing: what a sink sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Never {}

/// Why a function could not deal with an element.
#[derive(Debug)]
pub struct OperatorError<T> {
    pub(crate) element: Option<T>,
    pub(crate) cause: BoxError,
}

impl<T> OperatorError<T> {
    /// A failure with `cause`, on `element`.
    pub fn new(element: T, cause: impl Into<BoxError>) -> Self {
        Self {
            element: Some(element),
            cause: cause.into(),
        }
    }

    /// A failure with `cause`, on an element that has been used up: nothing can try it again.
    pub fn lost(cause: impl Into<BoxError>) -> Self {
        Self {
            element: None,
            cause: cause.into(),
        }
    }
}

/// A node that makes at most one element of each it gets, at once: no waiting, no time.
///
/// This is the shape of `map`, `filter` and `accumulate`. A transform's function runs outside of
/// the delivery to the next node, which makes these nodes the cheapest. Use [`Operator`] for
/// anything that emits several elements, keeps elements, or waits.
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
    /// The name of this kind of node, as users know it.
    const KIND: &'static str;
    /// Whether elements end here. A node that leads to no sink goes when its last handle goes.
    const SINK: bool = false;
    /// Whether [`close`](Self::close) does anything. Set it to false where it does not: a drain passes over
    /// such a node, which saves time in pipelines of many.
    const CLOSES: bool = true;

    /// Takes one element; returns what to send on, if anything, or why it failed.
    fn apply(&mut self, x: Self::In) -> Result<Option<Self::Out>, OperatorError<Self::In>>;

    /// Takes the elements of a batch, in order, until one fails; puts what to send on into `out`.
    ///
    /// The same as [`apply`](Self::apply) for each. There is no need to write it, unless a loop of
    /// its own is faster.
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

    /// Shows `see` every element, group or state that is kept here, each once for each time that it
    /// is kept: for garbage collectors that have to know what their objects are kept by, see
    /// [`Stream::traverse`](crate::Stream::traverse). It must not touch any pipeline.
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        let _ = visit;
    }

    /// Label that sets this node apart from others of its kind, shown in its derived name.
    fn label(&self) -> Option<String> {
        None
    }

    /// Called once at the end of a drain, after the last element.
    ///
    /// # Errors
    /// When something could not be finished, a file could not be flushed say; the drain reports it.
    fn close(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// A node in full: it may send any number of elements, keep some, wait for time or for a future.
///
/// It is a state machine, and alone: from entering one of these functions to leaving it, nobody
/// else touches the pipeline. It never blocks, spawns a thread or reads a clock of its own. What
/// has to wait is asked of the [`Context`]: [`wake_at`](Context::wake_at) a time,
/// [`wake_soon`](Context::wake_soon) when the current pass is over, or a future to
/// [`spawn`](Context::spawn). So operators run alike on tokio, on an event loop of their own, and
/// under a virtual clock.
///
/// An operator that keeps an element keeps its [`Lease`]: from [`Context::hold`] if the emitter has
/// to wait (back pressure), or just the tokens, from [`Context::acks`], if it may go on. It sends
/// the element later [`under`](Context::under) that lease.
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
    /// Type of its inputs. A node with several inlets takes an enum of what they carry.
    type In: Element;
    /// Type of its outputs.
    type Out: Element;
    /// Output type of the futures it spawns; [`Never`] if it spawns none.
    type Event: Send + 'static;
    /// The name of this kind of node, as users know it.
    const KIND: &'static str;
    /// Whether an element may be kept while its emitter waits.
    const SUSPENDS: bool = false;
    /// Whether it needs a clock or spawns futures, and hence a runtime.
    const NEEDS_RUNTIME: bool = false;
    /// Whether elements end here. A node that leads to no sink goes when its last handle goes.
    const SINK: bool = false;
    /// Whether [`close`](Self::close) does anything. Set it to false where it does not: a drain passes over
    /// such a node, which saves time in pipelines of many.
    const CLOSES: bool = true;

    /// Takes one element.
    fn update(&mut self, x: Self::In, cx: &mut Context<'_, Self>) -> EmitResult;

    /// Called when a time given to [`Context::wake_at`] has come, and at the end of the pass in
    /// which [`Context::wake_soon`] was called. It may be called without either.
    fn wake(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        let _ = cx;
        Ok(())
    }

    /// Whether [`wake`](Self::wake) is called as soon as the node is in place, before any element.
    fn begins_at_once(&self) -> bool {
        false
    }

    /// Called when an element that [`Context::deliver`] reported as pending has been taken.
    fn delivered(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        let _ = cx;
        Ok(())
    }

    /// Called with the result of a future given to [`Context::spawn`] under `key`; with an error if
    /// it panicked.
    fn event(
        &mut self,
        key: u64,
        event: Result<Self::Event, BoxError>,
        cx: &mut Context<'_, Self>,
    ) -> EmitResult {
        let _ = (key, event, cx);
        Ok(())
    }

    /// Called in a drain, once nothing more will come: sends what was kept, a partial window say.
    fn flush(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        let _ = cx;
        Ok(())
    }

    /// Called once at the end of a drain, after the last element.
    ///
    /// # Errors
    /// When something could not be finished; the drain reports it.
    fn close(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    /// Lets go of elements that wait for room here and whose emitters have given up
    /// ([`Lease::is_withdrawn`](crate::Lease::is_withdrawn)): a queue behind which everything is stuck does
    /// not grow by what nobody waits for.
    fn withdraw(&mut self) {}

    /// How many elements are on their way through this node and will come out by themselves: a
    /// queue, calls in flight. A drain waits for them.
    fn in_flight(&self) -> usize {
        0
    }

    /// How many elements are kept here until others come: a partial window, the short side of a
    /// join. A drain flushes them, and reports those that could not be sent on.
    fn buffered(&self) -> usize {
        0
    }

    /// Whether this very operator suspends from the start, where that depends on its options. One that
    /// does not, and has [`SUSPENDS`](Self::SUSPENDS), may all the same [`hold`](Context::hold) an
    /// element: until then, elements may come in batches.
    fn suspends(&self) -> bool {
        Self::SUSPENDS
    }

    /// Whether this very operator needs a runtime, where that depends on its options.
    fn needs_runtime(&self) -> bool {
        Self::NEEDS_RUNTIME
    }

    /// Shows `see` every element, group or state that is kept here, each once for each time that it
    /// is kept: for garbage collectors that have to know what their objects are kept by, see
    /// [`Stream::traverse`](crate::Stream::traverse). It must not touch any pipeline.
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        let _ = visit;
    }

    /// Label that sets this node apart from others of its kind, shown in its derived name.
    fn label(&self) -> Option<String> {
        None
    }
}

/// What [`Stream::apply`](crate::Stream::apply) takes: an [`Operator`], or what becomes one unless
/// its arguments are wrong.
///
/// It is implemented for operators, for the results of constructors that check their arguments, and
/// for the options of operators that have some:
///
/// ```
/// use thalweg::{Stream, ops::{Buffer, PartitionOptions}};
///
/// let source = Stream::new();
/// source.apply(Buffer::new(10)).sink(|x: i32| println!("{x}"));
/// source.apply(PartitionOptions::of(10).timeout("1s")).sink(|xs| println!("{xs:?}"));
/// ```
pub trait IntoOperator {
    /// The operator it becomes.
    type Operator: Operator;

    /// The operator.
    ///
    /// # Errors
    /// An argument is wrong.
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

/// A type's name without the type parameters at its end.
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
