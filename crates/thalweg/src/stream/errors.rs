use std::sync::{Arc, Mutex};

use super::{OnError, Stream};
use crate::failure::{BoxError, BuildError, Error, Failure};
use crate::graph::{AnyNode, Graph, Receive};
use crate::operator::Element;

impl<T: Element> Stream<T> {
    /// Sets how to handle elements that this node's function fails on.
    ///
    /// ```
    /// use thalweg::{OnError::Skip, Stream};
    ///
    /// let source = Stream::new();
    /// let list = source
    ///     .try_map(|text: &&str| text.parse::<i32>())
    ///     .on_error(Skip)
    ///     .sink_to_list();
    /// source.emit_many(["1", "two", "3"]).wait()?;
    /// assert_eq!(list.to_vec(), [1, 3]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn on_error(self, policy: impl Into<OnError>) -> Self {
        let policy = policy.into();
        let node: Arc<dyn AnyNode> = self.node().clone();
        match policy.target().cloned() {
            Some(to) => {
                let join = (self.graph().clone(), to.graph().clone());
                // A handle, because this may be deferred, and the node has to exist until then.
                let handle = self.clone();
                Graph::join(&join.0, &join.1, move |pass| {
                    let _handle = handle;
                    pass.graph().unfuse(pass);
                    node.set_policy(policy.policy(), pass);
                    let to: Arc<dyn AnyNode> = to.node().clone();
                    if let Ok(receiver) =
                        to.clone().inlet().0.downcast::<Arc<dyn Receive<Failure>>>()
                    {
                        pass.graph().route(&node, &to, *receiver, pass);
                    }
                });
            }
            None => self.graph().run_exclusive(Box::new(move |pass| {
                if let Some(build_error) = policy.build_error() {
                    pass.graph().build_error(build_error.into(), pass);
                }
                if policy.waits() {
                    pass.graph().need_runtime(pass);
                }
                pass.graph().unfuse(pass);
                node.set_policy(policy.policy(), pass);
            })),
        }
        self
    }

    /// The failures of this node as a stream, for dead letters; sets the node's policy to [`Route`](OnError::Route).
    ///
    /// ```
    /// use thalweg::Stream;
    ///
    /// let source = Stream::new();
    /// let parsed = source.try_map(|text: &&str| text.parse::<i32>());
    /// let bad = parsed.errors().map(|failure| failure.element::<&str>()).sink_to_list();
    /// let good = parsed.sink_to_list();
    /// source.emit_many(["1", "two", "3"]).wait()?;
    /// assert_eq!(good.to_vec(), [1, 3]);
    /// assert_eq!(bad.to_vec(), [Some("two")]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn errors(&self) -> Stream<Failure> {
        let errors = Stream::source_node("errors", None, self.graph().root().runtime().cloned());
        // The policy is the node's; this handle may be dropped.
        drop(self.clone().on_error(OnError::Route(errors.clone())));
        errors
    }

    /// Calls `handler` with every failure in the whole pipeline that no emitter waits for. Without a handler the next
    /// `emit` or `drain` reports them.
    pub fn on_unhandled(&self, handler: impl FnMut(Failure) + Send + 'static) {
        let handler = Arc::new(Mutex::new(handler));
        self.graph().run_exclusive(Box::new(move |pass| {
            pass.graph().set_handler(handler, pass)
        }));
    }

    /// Checks the arguments that the pipeline was built with.
    ///
    /// # Errors
    /// The first invalid argument, with its operator.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::<i32>::new();
    /// let error = source.buffer(0).check().unwrap_err();
    /// assert!(error.to_string().contains("`buffer`"));
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        self.graph().check()
    }

    /// Records an invalid argument of a custom operator or source: the pipeline refuses to run, and says why. The first
    /// error counts.
    ///
    /// ```
    /// use thalweg::{BuildError, Stream};
    ///
    /// let source = Stream::<i32>::new();
    /// source.build_error(BuildError::new("every_nth", "there is no element number 0"));
    /// let error = source.emit(1).wait().unwrap_err();
    /// assert!(error.to_string().ends_with("`every_nth`: there is no element number 0"));
    /// ```
    pub fn build_error(&self, build_error: BuildError) {
        self.graph().run_exclusive(Box::new(move |pass| {
            pass.graph().build_error(build_error.into(), pass);
        }));
    }

    pub(crate) fn report_unhandled(&self, error: &Error) {
        for failure in error.failures() {
            self.graph().root().post_unhandled(failure.clone());
        }
    }

    /// Applies the policy to an element that this node, a source, could not create.
    pub(crate) fn report_unmade(&self, cause: BoxError) {
        let node: Arc<dyn AnyNode> = self.node().clone();
        self.graph().post(Box::new(move |pass| {
            pass.begin();
            node.report(cause, pass);
        }));
    }

    /// Reports that this node, a source, cannot continue; the policy does not apply.
    pub(crate) fn report_source_failure(&self, cause: BoxError) {
        let node = self.node().clone();
        self.graph().run_exclusive(Box::new(move |pass| {
            node.core().count_failed();
            let failure = node.core().failure(0, None, cause);
            pass.graph().unhandled(failure, pass);
        }));
    }
}
