use std::sync::Arc;

use super::Stream;
use crate::ack::Acks;
use crate::failure::{Error, Kind};
use crate::graph::{AnyNode, Emit, Entrance, Graph, Lease, Origin, Pass, Receive};
use crate::operator::Element;

impl<T: Element> Stream<T> {
    /// Connects an existing node downstream of this one: it receives this stream's elements as if from its own
    /// upstream. Connecting a node to one upstream of it creates a feedback loop.
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
        self.link(downstream, downstream.receiver(|| self.name())?);
        Ok(())
    }

    /// Passes an element to this node, as an upstream does: for code that chooses the node that an element goes to. It
    /// is accepted while the pipeline [drains](Self::drain), as with [`emit_internal`](Self::emit_internal). A node
    /// with distinct inlets takes elements by [`OpenJoin::receive`](crate::OpenJoin::receive).
    ///
    /// # Errors
    /// The node takes elements of another type, or none.
    ///
    /// ```
    /// # use thalweg::{Acks, Stream};
    /// let source = Stream::new();
    /// let texts = source.map(|x: i32| x.to_string());
    /// let list = texts.sink_to_list();
    /// texts.receive(1, Acks::none())?.wait()?;
    /// assert_eq!(list.to_vec(), ["1"]);
    /// assert!(texts.receive("1", Acks::none()).is_err());
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn receive<V: Element>(&self, x: V, acks: Acks) -> Result<Emit, Error> {
        let receiver = self.receiver(|| "an emitter".to_owned())?;
        Ok(self.graph().emit(
            &Entrance::new(receiver, self.id()),
            x,
            Lease::accepted(acks),
            Origin::Source,
        ))
    }

    /// The inlet of this node, for elements of `upstream`.
    fn receiver<V: Element>(
        &self,
        upstream: impl FnOnce() -> String,
    ) -> Result<Arc<dyn Receive<V>>, Error> {
        let to: Arc<dyn AnyNode> = self.node().clone();
        let (inlet, takes) = to.inlet();
        let receiver = inlet.downcast::<Arc<dyn Receive<V>>>().map_err(|_| {
            Error::new(Kind::ElementType {
                upstream: upstream(),
                downstream: self.name(),
                takes,
                sends: std::any::type_name::<V>(),
            })
        })?;
        Ok(*receiver)
    }

    /// Adds an edge from this node, joining the graphs if necessary.
    pub(crate) fn link<U: Element>(&self, to: &Stream<U>, receiver: Arc<dyn Receive<T>>) {
        // Handles, because this may be deferred, and the nodes have to exist until then.
        let (from, to) = (self.clone(), to.clone());
        Graph::join(self.graph(), &to.graph().clone(), move |pass| {
            let node: Arc<dyn AnyNode> = to.node().clone();
            pass.graph()
                .connect(from.node().output(), from.id(), &node, receiver, pass);
        });
    }

    /// Removes the edges from this node to `downstream`.
    ///
    /// # Errors
    /// There are none.
    pub fn disconnect<U: Element>(&self, downstream: &Stream<U>) -> Result<(), Error> {
        let (from, to) = (self.id(), downstream.id());
        self.change_edges(downstream, move |pass| {
            pass.graph().disconnect(from, to, pass)
        })
    }

    /// Makes `downstream` the first of this node's downstreams to receive elements; the others keep their order. This
    /// is `move_to_first` in rapidz.
    ///
    /// # Errors
    /// There is no edge from this node to `downstream`.
    ///
    /// ```
    /// # use std::sync::{Arc, Mutex};
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let log = Arc::new(Mutex::new(String::new()));
    /// let [first, second] = ["a", "b"].map(|name| {
    ///     let log = log.clone();
    ///     source.sink(move |x: i32| *log.lock().unwrap() += &format!("{name}{x} "))
    /// });
    /// source.emit(1).wait()?;
    /// source.move_to_first(second.stream())?;
    /// source.emit(2).wait()?;
    /// assert_eq!(*log.lock().unwrap(), "a1 b1 b2 a2 ");
    /// # drop(first);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn move_to_first<U: Element>(&self, downstream: &Stream<U>) -> Result<(), Error> {
        let (from, to) = (self.id(), downstream.id());
        self.change_edges(downstream, move |pass| {
            pass.graph().move_to_first(from, to, pass)
        })
    }

    /// Changes the edges to `downstream`; returns whether there are any.
    fn change_edges<U: Element>(
        &self,
        downstream: &Stream<U>,
        change: impl Fn(&mut Pass) -> bool + Send + 'static,
    ) -> Result<(), Error> {
        let graph = self.graph();
        // Inside a pass edges must not change: then it is done right after, and assumed to succeed.
        let begin = |pass: &mut Pass| {
            pass.stop_batches();
            pass.is_between().then(|| change(pass))
        };
        match graph.query(begin) {
            Some(Some(true)) => Ok(()),
            Some(Some(false)) => Err(Error::new(Kind::NotConnected {
                upstream: self.name(),
                downstream: downstream.name(),
            })),
            Some(None) | None => {
                graph.run_exclusive(Box::new(move |pass| {
                    change(pass);
                }));
                Ok(())
            }
        }
    }

    /// Disconnects this node from its upstreams: it receives no more elements from them. Nodes downstream without
    /// handles are freed; elements they hold are lost.
    pub fn destroy(&self) {
        let id = self.id();
        self.graph().query(|pass| pass.stop_batches());
        self.graph()
            .run_exclusive(Box::new(move |pass| pass.graph().destroy(id, pass)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::sync::lock;

    /// A source with sinks that record their names.
    fn branches(names: &'static [char]) -> (Stream<i32>, Vec<crate::Sink>, Arc<Mutex<String>>) {
        let source = Stream::new();
        let log = Arc::<Mutex<String>>::default();
        let sinks = names.iter().map(|name| {
            let log = log.clone();
            source.sink(move |_| lock(&log).push(*name))
        });
        let sinks = sinks.collect();
        (source, sinks, log)
    }

    #[test]
    fn move_to_first_keeps_the_order_of_the_others() {
        let (source, sinks, log) = branches(&['a', 'b', 'c', 'd']);
        for (preferred, order) in [(2, "cabd"), (2, "cabd"), (3, "dcab"), (0, "adcb")] {
            source
                .move_to_first(sinks[preferred].stream())
                .expect("connected");
            source.emit(1).wait().expect("taken");
            assert_eq!(*lock(&log), order);
            lock(&log).clear();
        }
    }

    #[test]
    fn move_to_first_refuses_a_non_downstream() {
        let (source, _sinks, log) = branches(&['a', 'b']);
        let stranger = Stream::<i32>::new();
        let error = source.move_to_first(&stranger).expect_err("not connected");
        assert!(error.to_string().contains("stream#1"), "{error}");
        source.emit(1).wait().expect("taken");
        assert_eq!(*lock(&log), "ab");
    }

    #[test]
    fn move_to_first_works_on_both_kinds_of_edges() {
        let source = Stream::<i32>::new();
        let both = source.union(&source);
        let last = source.map(|x| x);
        assert_eq!(source.downstream_ids(), [both.node_id(), last.node_id()]);
        source.move_to_first(&last).expect("connected");
        source.move_to_first(&both).expect("connected");
        assert_eq!(source.downstream_ids(), [both.node_id(), last.node_id()]);
        let errors = source.errors();
        let (first, second) = (errors.map(|f| f.ordinal()), errors.map(|f| f.ordinal()));
        errors.move_to_first(&second).expect("connected");
        assert_eq!(errors.downstream_ids(), [second.node_id(), first.node_id()]);
    }

    #[test]
    fn a_function_inside_may_change_the_order_for_the_next_element() {
        let (source, sinks, log) = branches(&['a', 'b']);
        let (here, second) = (source.clone(), sinks[1].stream().clone());
        let mut is_first = true;
        let first = source.sink(move |_| {
            if std::mem::take(&mut is_first) {
                here.move_to_first(&second).expect("put off");
            }
        });
        source.emit(1).wait().expect("taken");
        source.emit(2).wait().expect("taken");
        assert_eq!(*lock(&log), "abba");
        first.destroy();
    }
}
