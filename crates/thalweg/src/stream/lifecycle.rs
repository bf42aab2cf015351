use std::any::{Any, TypeId};

use super::{Stream, WeakStream};
use crate::failure::{BuildError, Error, Failure};
use crate::graph::{AnyNode, Core, Drain, Idle, Pass};
use crate::interval::{IntoInterval, wait};
use crate::operator::{Element, Reconfigure};
use thalweg_view::{Counters, EdgeView, GraphView, NodeView};

impl<T: Element> Stream<T> {
    /// Starts the upstream sources.
    ///
    /// # Errors
    /// The pipeline was built with an invalid argument, or has been drained.
    pub fn start(&self) -> Result<(), Error> {
        self.graph().check_open()?;
        let id = self.id();
        self.graph()
            .run_exclusive(Box::new(move |pass| pass.graph().start_above(id, pass)));
        Ok(())
    }

    /// Asks the upstream sources to stop. Elements in flight continue; a source that is started again continues where
    /// it stopped.
    pub fn stop(&self) {
        let id = self.id();
        self.graph()
            .run_exclusive(Box::new(move |pass| pass.graph().stop_above(id, pass)));
    }

    /// Stops all running sources of the pipeline until [`resume`](Self::resume), and returns their number. Elements in
    /// flight continue, and elements that the program emits are accepted. Inside the function of another pipeline it
    /// returns 0 if a thread is inside this one.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let ticks = Stream::from_periodic_on(&clock, "1s", || "tick");
    /// let list = ticks.sink_to_list();
    /// ticks.start()?;
    /// clock.advance(Duration::from_secs(1));
    /// let before = list.len();
    /// assert_eq!(ticks.pause(), 1);
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(list.len(), before);
    /// assert_eq!(ticks.resume()?, 1);
    /// clock.advance(Duration::from_secs(1));
    /// assert!(list.len() > before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pause(&self) -> usize {
        let paused = self.graph().query(|pass| pass.graph().pause_sources(pass));
        paused.unwrap_or_default()
    }

    /// Starts the sources again that [`pause`](Self::pause) has stopped, unless they were stopped or started since;
    /// returns their number. They continue where they stopped.
    ///
    /// # Errors
    /// The pipeline has been drained.
    pub fn resume(&self) -> Result<usize, Error> {
        self.graph().check_open()?;
        let resumed = self.graph().query(|pass| pass.graph().resume_sources(pass));
        Ok(resumed.unwrap_or_default())
    }

    /// Ends the whole pipeline in good order: refuses new elements, stops the sources, waits for elements in flight,
    /// emits the contents of windows and partitions, from the top down, and closes the sinks. `limit` is a duration or
    /// text such as `"5s"`; with zero it delivers whatever needs no waiting.
    ///
    /// # Errors
    /// What could not be delivered within the limit, or at all ([`Error::undelivered`]), and failures that no emitter
    /// received ([`Error::failures`]).
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.partition(4).sink_to_list();
    /// source.emit_many(0..6).wait()?;
    /// source.drain("5s").wait()?;
    /// assert_eq!(list.to_vec(), [vec![0, 1, 2, 3], vec![4, 5]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn drain(&self, limit: impl IntoInterval) -> Drain {
        self.end(limit, "drain", false)
    }

    /// Waits until no element is in flight in the whole pipeline, for at most `limit`: queues are empty, calls have
    /// returned, delays have passed. The pipeline keeps running: sources run, and windows and joins keep their
    /// elements. While others emit, there may be no such moment.
    ///
    /// # Errors
    /// Elements still in flight at the limit ([`Error::undelivered`]), and failures that no emitter received
    /// ([`Error::failures`]).
    ///
    /// ```
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.shift("1s").partition(2).sink_to_list();
    /// source.emit_many(0..3).wait()?;
    /// clock.block_on(source.until_idle("1min"))?;
    /// assert_eq!(list.to_vec(), [[0, 1]]);
    /// source.emit(3).wait()?;
    /// let error = clock.block_on(source.until_idle("10ms")).expect_err("it takes a second");
    /// assert_eq!(error.undelivered()[0].elements, 1);
    /// clock.block_on(source.until_idle("1min"))?;
    /// assert_eq!(list.to_vec(), [[0, 1], [2, 3]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn until_idle(&self, limit: impl IntoInterval) -> Idle {
        match wait(limit) {
            Ok(limit) => Idle::new(self.graph(), limit),
            Err(error) => Idle::refused(self.graph(), BuildError::new("until_idle", error).into()),
        }
    }

    /// Ends elements where their way would close a cycle: each finishes its current round. [`drain`](Self::drain)
    /// begins with it; for code that has to stop something else before.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let numbers = Stream::new();
    /// let list = numbers.sink_to_list();
    /// numbers.filter(|x| *x < 3).map(|x| x + 1).connect(&numbers)?;
    /// numbers.emit(1).wait()?;
    /// numbers.cut_cycles();
    /// numbers.emit(1).wait()?;
    /// assert_eq!(list.to_vec(), [1, 2, 3, 1]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn cut_cycles(&self) {
        let graph = self.graph();
        // Avoids entering without need: a thread inside is left work that others have.
        if graph.try_inspect(|pass| pass.graph().has_cycles(pass)) != Some(false) {
            graph.post(Box::new(|pass| pass.graph().cut_cycles(pass)));
        }
    }

    /// Starts all sources of the pipeline, waits until they have ended, and then [`drain`](Self::drain)s it within
    /// `limit`.
    ///
    /// # Errors
    /// As [`drain`](Self::drain).
    pub fn run(&self, limit: impl IntoInterval) -> Drain {
        self.end(limit, "run", true)
    }

    fn end(&self, limit: impl IntoInterval, name: &'static str, run_first: bool) -> Drain {
        match wait(limit) {
            Ok(limit) => Drain::new(self.graph(), limit, run_first),
            // The drain below decides about the result.
            Err(error) => Drain::refused(self.graph(), BuildError::new(name, error).into()),
        }
    }

    /// Number of elements that this node has received, emitted, failed on and holds, and how long elements have waited
    /// in it.
    pub fn counters(&self) -> Counters {
        let node = self.node().clone();
        self.graph()
            .query(|pass| {
                pass.send_held();
                pass.graph().settle_runs(pass);
                counters(&*node, pass)
            })
            .unwrap_or_default()
    }

    /// The [ids](Self::node_id) of the downstream nodes, in the order in which they receive elements; those that
    /// receive failures come last. A node connected twice occurs twice.
    ///
    /// Inside the function of another pipeline, where nothing may wait, it is empty if a thread is inside this one.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let (double, square) = (source.map(|x: i32| 2 * x), source.map(|x| x * x));
    /// assert_eq!(source.downstream_ids(), [double.node_id(), square.node_id()]);
    /// source.move_to_first(&square)?;
    /// assert_eq!(source.downstream_ids(), [square.node_id(), double.node_id()]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn downstream_ids(&self) -> Vec<u64> {
        let node = self.node().clone();
        self.graph()
            .query(|pass| node.downstream(pass))
            .unwrap_or_default()
    }

    /// Calls `see` with everything that this node keeps: waiting elements, as the node takes them, incomplete groups,
    /// keys, states; each as often as it is kept. Returns false, without having called it, if a thread is inside the
    /// pipeline, including this thread.
    ///
    /// For garbage collectors, which must not wait: it waits for nothing, runs nothing but `see`, and allocates
    /// nothing. If all threads that use pipelines hold a lock of the [host](crate::block_around) meanwhile, it shows
    /// the same on each call while that lock is held. `see` must not touch any pipeline. Captures of functions, futures
    /// and [tokens](crate::Ack) are not visited.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let pairs = source.partition(2);
    /// source.emit_many([1, 2, 3]).wait()?;
    /// let mut kept = Vec::new();
    /// assert!(pairs.traverse(&mut |x| kept.extend(x.downcast_ref::<i32>().copied())));
    /// assert_eq!(kept, [3]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) -> bool {
        let seen = self
            .graph()
            .try_inspect(|pass| self.node().traverse(visit, pass));
        seen == Some(true)
    }

    /// Calls `f` with this node's operator, of type `Op`, to read or change it. Returns `None`, without having called
    /// it, if the node has another type, or is in use.
    ///
    /// `f` must not touch any pipeline.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// # use std::convert::Infallible;
    /// struct Latest(Option<i32>);
    /// # impl thalweg::Transform for Latest {
    /// #     type In = i32;
    /// #     type Out = i32;
    /// #     const KIND: &'static str = "latest";
    /// #     fn apply(&mut self, x: i32) -> Result<Option<i32>, thalweg::OperatorError<i32>> {
    /// #         self.0 = Some(x);
    /// #         Ok(Some(x))
    /// #     }
    /// # }
    /// let source = Stream::new();
    /// let latest = source.transform(Latest(None));
    /// source.emit(3).wait()?;
    /// assert_eq!(latest.with_operator(|latest: &mut Latest| latest.0), Some(Some(3)));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn with_operator<Op: 'static, R>(&self, f: impl FnOnce(&mut Op) -> R) -> Option<R> {
        let node = self.node().clone();
        self.graph().query(move |pass| {
            pass.send_held();
            let (mut f, mut found) = (Some(f), None);
            node.operate(
                &mut |operator| {
                    if let Some(operator) = operator.downcast_mut() {
                        found = f.take().map(|f| f(operator));
                    }
                },
                pass,
            );
            found
        })?
    }

    /// Gives this node's operator the settings of another of its type; it keeps its elements, groups and state. The
    /// settings apply to elements that arrive afterwards; inside a function of this pipeline, to those after the
    /// current one.
    ///
    /// # Errors
    /// The node has another type.
    ///
    /// ```
    /// # use thalweg::{IntoOperator, Stream, ops::PartitionOptions};
    /// let source = Stream::new();
    /// let pairs = source.apply(PartitionOptions::<i32>::of(2));
    /// let list = pairs.sink_to_list();
    /// source.emit(1).wait()?;
    /// pairs.reconfigure(PartitionOptions::<i32>::of(3).into_operator()?)?;
    /// source.emit_many([2, 3, 4]).wait()?;
    /// assert_eq!(list.to_vec(), [[1, 2, 3]]);
    /// assert!(source.reconfigure(PartitionOptions::<i32>::of(3).into_operator()?).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reconfigure<Op>(&self, new: Op) -> Result<(), BuildError>
    where
        Op: Reconfigure + Send + 'static,
    {
        let node = self.node().clone();
        if !node.is_operator(TypeId::of::<Op>()) {
            let name = std::any::type_name::<Op>();
            return Err(BuildError::new(
                node.core().kind(),
                format_args!("its operator is not a {name}"),
            ));
        }
        let mut new = Some(new);
        self.graph().run_exclusive(Box::new(move |pass| {
            let take_over = &mut |operator: &mut dyn Any| {
                if let (Some(operator), Some(new)) = (operator.downcast_mut::<Op>(), new.take()) {
                    operator.reconfigure(new);
                }
            };
            node.operate(take_over, pass);
        }));
        Ok(())
    }

    /// Whether no element is in flight in the whole pipeline, and no thread is inside: dropped now, it would be freed
    /// at once. Like [`traverse`](Self::traverse), it is for garbage collectors, and does not wait.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// source.shift("1s").sink(drop);
    /// assert!(source.is_pipeline_idle());
    /// source.emit(1).wait()?;
    /// assert!(!source.is_pipeline_idle());
    /// clock.advance(Duration::from_secs(1));
    /// assert!(source.is_pipeline_idle());
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn is_pipeline_idle(&self) -> bool {
        self.graph()
            .try_inspect(|pass| pass.graph().is_pipeline_idle(pass))
            == Some(true)
    }

    /// The number of elements in flight in this node, which will arrive by themselves. An element that waits further
    /// downstream counts there. `None`, without waiting, if a thread is inside the pipeline.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let later = source.shift("1s");
    /// source.emit(1).wait()?;
    /// assert_eq!(later.in_flight(), Some(1));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn in_flight(&self) -> Option<usize> {
        self.graph().try_inspect(|pass| self.node().in_flight(pass))
    }

    /// The number of elements that this node keeps until others arrive or a drain comes, such as those of a window that
    /// is not full: dropped now, they would be lost. None count after a drain, which has sent or reported them. `None`,
    /// without waiting, if a thread is inside the pipeline.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let pairs = source.partition(2);
    /// source.emit(1).wait()?;
    /// assert_eq!(pairs.kept(), Some(1));
    /// source.emit(2).wait()?;
    /// assert_eq!(pairs.kept(), Some(0));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn kept(&self) -> Option<usize> {
        let kept = |pass: &Pass| match pass.graph().is_closed(pass) {
            true => 0,
            false => self.node().buffered(pass),
        };
        self.graph().try_inspect(kept)
    }

    /// Takes the failures that have no recipient yet: those that the next `emit` or `drain` would return.
    ///
    /// ```
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// source.buffer(5).try_map(|text: &&str| text.parse::<i32>()).sink(drop);
    /// drop(source.emit("two"));
    /// let failures = source.take_failures();
    /// assert_eq!(failures.len(), 1);
    /// assert!(source.take_failures().is_empty());
    /// ```
    pub fn take_failures(&self) -> Vec<Failure> {
        self.graph()
            .query(|pass| pass.graph().take_unhandled(pass))
            .unwrap_or_default()
    }

    /// Refuses elements from now on, the first step of [`drain`](Self::drain). Does not wait: elements in flight
    /// continue.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::<i32>::new();
    /// source.close();
    /// assert!(source.emit(1).wait().is_err());
    /// ```
    pub fn close(&self) {
        self.graph()
            .post(Box::new(|pass| drop(pass.graph().refuse(pass))));
    }

    /// Accepts elements again after a [`drain`](Self::drain). Sources stay stopped, edges that closed a cycle stay cut,
    /// and sinks that close a resource, such as a channel, stay closed.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.sink_to_list();
    /// source.drain("1s").wait()?;
    /// assert!(source.emit(1).wait().is_err());
    /// source.reopen();
    /// source.emit(2).wait()?;
    /// assert_eq!(list.to_vec(), [2]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn reopen(&self) {
        self.graph()
            .run_exclusive(Box::new(|pass| pass.graph().reopen(pass)));
    }

    /// Accepts elements during a [drain](Self::drain) and after it: those that functions of pipelines emit, and those
    /// from threads for which `from` returns true. For hosts that drain several pipelines that emit into one another,
    /// or wait for some of the emitting threads; the first `from` is used.
    ///
    /// A drain continues while such elements arrive. Those that arrive at its very end or later are delivered as far as
    /// possible without another drain; [`has_late_elements`](Self::has_late_elements) tells whether one is needed.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.partition(2).sink_to_list();
    /// source.take_late_elements(|| true);
    /// source.drain("1s").wait()?;
    /// source.emit(1).wait()?;
    /// assert!(source.has_late_elements() && list.is_empty());
    /// source.drain("1s").wait()?;
    /// assert_eq!(list.to_vec(), [[1]]);
    /// source.refuse_late_elements();
    /// assert!(source.emit(2).wait().is_err());
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn take_late_elements(&self, from: fn() -> bool) {
        self.graph().take_late(from);
    }

    /// Refuses elements again when the pipeline is drained, after [`take_late_elements`](Self::take_late_elements).
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// source.take_late_elements(|| true);
    /// source.refuse_late_elements();
    /// source.drain("1s").wait()?;
    /// assert!(source.emit(1).wait().is_err());
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn refuse_late_elements(&self) {
        self.graph().refuse_late();
    }

    /// Whether elements have arrived too late for the last [`drain`](Self::drain), if they are
    /// [accepted](Self::take_late_elements) nevertheless.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// source.take_late_elements(|| true);
    /// source.emit(1).wait()?;
    /// source.drain("1s").wait()?;
    /// assert!(!source.has_late_elements());
    /// source.emit(2).wait()?;
    /// assert!(source.has_late_elements());
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn has_late_elements(&self) -> bool {
        self.graph().has_late()
    }

    /// Whether no element is in flight in this node, and no thread is inside the pipeline. Elements that a window or
    /// join keeps until others arrive are not in flight. Does not wait.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let (pairs, later) = (source.partition(2), source.shift("1s"));
    /// source.emit(1).wait()?;
    /// assert!(pairs.is_idle());
    /// assert!(!later.is_idle());
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn is_idle(&self) -> bool {
        let is_pipeline_idle =
            |pass: &Pass| self.node().held(pass).in_flight == 0 && !pass.graph().has_agenda(pass);
        self.graph().try_inspect(is_pipeline_idle) == Some(true)
    }

    /// A snapshot of the whole pipeline, to inspect or draw.
    pub fn graph_view(&self) -> GraphView {
        self.graph().query(view).unwrap_or_default()
    }

    /// Calls `f` with a snapshot of the whole pipeline: at once if no thread is inside, and otherwise by the thread
    /// inside, when it leaves. Does not wait; `f` must not touch any pipeline.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// # use std::sync::mpsc;
    /// let source = Stream::new();
    /// source.map(|x: i32| x + 1).sink(drop);
    /// let (tells, told) = mpsc::channel();
    /// source.send_graph_view(move |view| tells.send(view.nodes.len()).expect("somebody listens"));
    /// assert_eq!(told.recv(), Ok(3));
    /// ```
    pub fn send_graph_view(&self, f: impl FnOnce(GraphView) + Send + 'static) {
        self.graph()
            .post_as_visitor(Box::new(move |pass| f(view(pass))));
    }
}

impl<T: Element> WeakStream<T> {
    /// As [`Stream::send_graph_view`]; returns whether the pipeline still exists.
    pub fn send_graph_view(&self, f: impl FnOnce(GraphView) + Send + 'static) -> bool {
        let graph = self.live_graph();
        if let Some(graph) = &graph {
            graph.post_as_visitor(Box::new(move |pass| f(view(pass))));
        }
        graph.is_some()
    }
}

fn view(pass: &mut Pass) -> GraphView {
    pass.send_held();
    let graph = pass.graph();
    graph.settle_runs(pass);
    let nodes = graph.nodes(pass);
    let nodes = nodes.iter().map(|node| {
        let core = node.core();
        NodeView::new(core.id(), core.name(), role(core, pass))
            .with_counters(counters(&**node, pass))
            .with_latency(core.latency())
            .with_positions(core.positions(pass.now()))
    });
    let edges = graph.edges(pass).into_iter();
    let edges = edges.map(|(from, to, feedback)| {
        let edge = EdgeView::new(from, to);
        if feedback { edge.as_feedback() } else { edge }
    });
    GraphView::new(nodes.collect(), edges.collect())
}

/// The group of nodes it is drawn with.
fn role(core: &Core, pass: &Pass) -> &'static str {
    if core.is_sink {
        "sink"
    } else if core.upstreams.get(pass).is_empty() {
        "source"
    } else if core.suspends() {
        "time"
    } else {
        "operator"
    }
}

fn counters(node: &dyn AnyNode, pass: &Pass) -> Counters {
    let core = node.core();
    let held = node.held(pass);
    let mut counters = Counters::default();
    counters.sent = node.sent(pass);
    // Elements that users and sources emit at a node do not arrive from upstream.
    counters.received = if core.upstreams.get(pass).is_empty() {
        counters.sent.max(node.received(pass))
    } else {
        node.received(pass)
    };
    counters.failed = core.failed();
    counters.held = (held.in_flight + held.buffered) as u64;
    counters.gathered = held.buffered as u64;
    counters.waited = core.waited(pass);
    counters
}
