use std::sync::Arc;

use super::Stream;
use crate::failure::{Error, Kind};
use crate::graph::{AnyNode, Graph, Receive};
use crate::operator::Element;

impl<T: Element> Stream<T> {
    /// Makes an existing node a downstream of this one: what this stream carries is handed to it as
    /// if it came from its own upstream. Connecting a node to one above it makes a feedback loop.
    ///
    /// The two pipelines become one.
    ///
    /// # Errors
    /// The downstream node takes elements of another type, or none; or the two pipelines run on
    /// different event loops.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// // Counts down to zero by feeding back.
    /// let numbers = Stream::new();
    /// let list = numbers.sink_to_list();
    /// numbers.filter(|x| *x > 0).map(|x| x - 1).connect(&numbers)?;
    /// numbers.emit(3).wait()?;
    /// assert_eq!(list.to_vec(), [3, 2, 1, 0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn connect<U: Element>(&self, downstream: &Stream<U>) -> Result<(), Error> {
        Graph::check_join(self.graph(), downstream.graph())?;
        let to: Arc<dyn AnyNode> = downstream.node().clone();
        let (inlet, takes) = to.inlet();
        let receiver = inlet.downcast::<Arc<dyn Receive<T>>>().map_err(|_| {
            Error::new(Kind::ElementType {
                upstream: self.name(),
                downstream: downstream.name(),
                takes,
                sends: std::any::type_name::<T>(),
            })
        })?;
        self.link(downstream, *receiver);
        Ok(())
    }

    /// Adds an edge from this node, joining the graphs if need be.
    pub(crate) fn link<U: Element>(&self, to: &Stream<U>, receiver: Arc<dyn Receive<T>>) {
        // Handles, because this may be put off, and the nodes have to be there until then.
        let (from, to) = (self.clone(), to.clone());
        Graph::join(self.graph(), &to.graph().clone(), move |pass| {
            let node: Arc<dyn AnyNode> = to.node().clone();
            pass.graph()
                .connect(from.node().output(), from.id(), &node, receiver, pass);
        });
    }

    /// Takes away the edges from this node to `downstream`.
    ///
    /// # Errors
    /// There are none.
    pub fn disconnect<U: Element>(&self, downstream: &Stream<U>) -> Result<(), Error> {
        let (from, to) = (self.id(), downstream.id());
        let graph = self.graph().clone();
        // Inside a pass edges may not change: then it is done right after, and taken to succeed.
        let done = graph.ask(|pass| {
            pass.is_between()
                .then(|| pass.graph().disconnect(from, to, pass))
        });
        match done.flatten() {
            Some(true) => Ok(()),
            Some(false) => Err(Error::new(Kind::NotConnected {
                upstream: self.name(),
                downstream: downstream.name(),
            })),
            None => {
                graph.act(Box::new(move |pass| {
                    pass.graph().disconnect(from, to, pass);
                }));
                Ok(())
            }
        }
    }

    /// Cuts this node off from everything above it: it gets no more elements from there. What is
    /// below and nobody holds a handle to is freed; what it held is lost.
    pub fn destroy(&self) {
        let id = self.id();
        self.graph()
            .act(Box::new(move |pass| pass.graph().destroy(id, pass)));
    }
}
