//! What pipelines were like in the last ten minutes, and what follows from that.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use thalweg::view::{Counters, GraphView, Latency, NodeView};

use crate::observe::Pipeline;

/// How long samples are kept.
const KEPT: Duration = Duration::from_secs(600);

/// The time that a rate is the mean of.
const WINDOW: Duration = Duration::from_secs(3);

/// For how long a node that failed on an element is shown as one that fails.
const FAILING_FOR: Duration = Duration::from_secs(10);

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Nothing passes.
    Idle,
    /// Elements pass.
    Flowing,
    /// Elements wait in it for the nodes behind, or for others.
    Waiting,
    /// It failed on an element a moment ago.
    Failing,
}

impl State {
    /// One word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Flowing => "flowing",
            Self::Waiting => "waiting",
            Self::Failing => "failing",
        }
    }
}

/// Counters of a node at a time.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Instant,
    pub(crate) counters: Counters,
}

/// The time whose latencies are shown.
const LATENCIES_OF: Duration = Duration::from_secs(60);

/// The time between two states of a node's latencies that are kept.
const LATENCIES_EVERY: Duration = Duration::from_secs(10);

/// A node's samples, oldest first.
#[derive(Default)]
pub(crate) struct NodeHistory {
    samples: VecDeque<Sample>,
    /// Latencies since the pipeline was first looked at, as they were of late.
    latencies: VecDeque<(Instant, Box<Latency>)>,
    latency: Option<Box<Latency>>,
}

impl NodeHistory {
    fn add(&mut self, at: Instant, counters: Counters) {
        let samples = &mut self.samples;
        while samples.front().is_some_and(|first| at - first.at > KEPT) {
            samples.pop_front();
        }
        samples.push_back(Sample { at, counters });
    }

    fn add_latency(&mut self, at: Instant, latency: Option<Box<Latency>>) {
        let kept = &mut self.latencies;
        while kept
            .front()
            .is_some_and(|(then, _)| at - *then > LATENCIES_OF)
        {
            kept.pop_front();
        }
        let is_due = kept
            .back()
            .is_none_or(|(last, _)| at - *last >= LATENCIES_EVERY);
        if is_due {
            // What has been timed before the first look belongs to it.
            let latency = match kept.is_empty() && self.latency.is_none() {
                true => Box::default(),
                false => latency.clone().unwrap_or_default(),
            };
            kept.push_back((at, latency));
        }
        self.latency = latency;
    }

    /// How late the elements were that came in the last minute; `None` if none of them was timed.
    pub(crate) fn latency(&self) -> Option<Latency> {
        let (_, earliest) = self.latencies.front()?;
        let latency = self.latency.as_ref()?.since(earliest);
        (latency.count() > 0).then_some(latency)
    }

    /// The samples, oldest first.
    pub(crate) fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter()
    }

    /// The newest sample, and one that is a window older, or as old as there is.
    fn ends(&self, window: Duration) -> Option<(&Sample, &Sample)> {
        let last = self.samples.back()?;
        let first = self.samples.iter().rev().skip(1);
        let first = first
            .take_while(|sample| last.at - sample.at <= window)
            .last()?;
        Some((first, last))
    }

    /// How much a counter grew in a second, of late.
    pub(crate) fn rate(&self, of: impl Fn(&Counters) -> f64) -> f64 {
        let Some((first, last)) = self.ends(WINDOW) else {
            return 0.0;
        };
        let grown = of(&last.counters) - of(&first.counters);
        grown / (last.at - first.at).as_secs_f64().max(f64::EPSILON)
    }

    /// How long the elements that left the node of late were held in it, on the average; `None` if none left.
    ///
    /// In a time in which as many come as leave, this is the time that was waited divided by the elements that left.
    pub(crate) fn mean_wait(&self) -> Option<Duration> {
        let (first, last) = self.ends(WINDOW)?;
        let left = |counters: &Counters| counters.received.saturating_sub(counters.held);
        let left = left(&last.counters).checked_sub(left(&first.counters))?;
        let waited = last.counters.waited.saturating_sub(first.counters.waited);
        (left > 0).then(|| waited.div_f64(left as f64))
    }

    /// How the node is.
    pub(crate) fn state(&self) -> State {
        let failed = self
            .ends(FAILING_FOR)
            .is_some_and(|(first, last)| last.counters.failed > first.counters.failed);
        let Some(last) = self.samples.back() else {
            return State::Idle;
        };
        // On the average of the last seconds, half an element was held at any time.
        let waited = self.rate(|counters| counters.waited.as_secs_f64());
        let is_held_up = last.counters.held > last.counters.gathered;
        if failed {
            State::Failing
        } else if is_held_up && waited > 0.5 {
            State::Waiting
        } else if self.rate(|counters| (counters.received + counters.sent) as f64) > 0.0 {
            State::Flowing
        } else {
            State::Idle
        }
    }
}

/// A pipeline as it was last seen, and as it was before.
pub(crate) struct PipelineHistory {
    pub(crate) name: String,
    pub(crate) graph: GraphView,
    /// Since when somebody has been at work inside, if the last looks were in vain.
    pub(crate) busy_since: Option<Instant>,
    nodes: HashMap<u64, NodeHistory>,
}

impl PipelineHistory {
    /// The samples of a node.
    pub(crate) fn node(&self, id: u64) -> Option<&NodeHistory> {
        self.nodes.get(&id)
    }

    /// How a node is.
    pub(crate) fn state(&self, id: u64) -> State {
        self.node(id).map_or(State::Idle, NodeHistory::state)
    }

    /// How the pipeline is: as the node that is in the worst state.
    pub(crate) fn worst(&self) -> State {
        let states = self.nodes.values().map(NodeHistory::state);
        states.max().unwrap_or(State::Idle)
    }

    /// The last node on an element's way in which elements wait: that node, or one behind it, is what all wait for.
    pub(crate) fn bottleneck(&self) -> Option<u64> {
        let waits = |id: u64| self.state(id) == State::Waiting;
        let ids = self.graph.nodes.iter().map(|node| node.id);
        ids.filter(|id| waits(*id))
            .find(|id| self.below(*id).all(|node| !waits(node.id)))
    }

    /// The nodes behind one.
    pub(crate) fn below(&self, id: u64) -> impl Iterator<Item = &NodeView> {
        let edges = self.graph.edges.iter().filter(move |edge| edge.from == id);
        edges.filter_map(|edge| self.graph.nodes.iter().find(|node| node.id == edge.to))
    }
}

/// All pipelines.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) pipelines: BTreeMap<u64, PipelineHistory>,
}

impl History {
    /// Takes note of how things are.
    pub(crate) fn add(&mut self, at: Instant, pipelines: Vec<Pipeline>) {
        let there: Vec<u64> = pipelines.iter().map(|pipeline| pipeline.id).collect();
        self.pipelines.retain(|id, _| there.contains(id));
        for Pipeline { id, name, graph } in pipelines {
            let past = self.pipelines.entry(id).or_insert_with(|| PipelineHistory {
                name: name.clone(),
                graph: GraphView::default(),
                busy_since: None,
                nodes: HashMap::new(),
            });
            past.name = name;
            let Some(graph) = graph else {
                past.busy_since.get_or_insert(at);
                continue;
            };
            past.busy_since = None;
            past.nodes
                .retain(|id, _| graph.nodes.iter().any(|node| node.id == *id));
            for node in &graph.nodes {
                let samples = past.nodes.entry(node.id).or_default();
                samples.add(at, node.counters);
                samples.add_latency(at, node.latency.clone());
            }
            past.graph = graph;
        }
    }
}

#[cfg(test)]
mod tests {
    use thalweg::view::EdgeView;

    use super::*;

    fn counters(received: u64, failed: u64, held: u64, waited: f64) -> Counters {
        let mut counters = Counters::default();
        counters.received = received;
        counters.failed = failed;
        counters.held = held;
        counters.waited = Duration::from_secs_f64(waited);
        counters
    }

    /// A pipeline of two nodes that have these counters after 0, 1, 2 … seconds.
    fn history(of: impl Fn(u32) -> [Counters; 2], seconds: u32) -> History {
        let mut history = History::default();
        let begin = Instant::now();
        for second in 0..=seconds {
            let [a, b] = of(second);
            let nodes = vec![
                NodeView::new(1, "buffer", "time").with_counters(a),
                NodeView::new(2, "slow", "sink").with_counters(b),
            ];
            let graph = Some(GraphView::new(nodes, vec![EdgeView::new(1, 2)]));
            let name = "numbers".to_string();
            let at = begin + Duration::from_secs(second.into());
            history.add(at, vec![Pipeline { id: 7, name, graph }]);
        }
        history
    }

    #[test]
    fn a_node_that_elements_wait_for_is_found() {
        let seen = history(
            |second| {
                let n = u64::from(second);
                [
                    counters(10 * n, 0, 5, 4.0 * f64::from(second)),
                    counters(n, 0, 1, 0.0),
                ]
            },
            5,
        );
        let pipeline = &seen.pipelines[&7];
        assert_eq!(pipeline.state(1), State::Waiting);
        assert_eq!(pipeline.state(2), State::Flowing);
        assert_eq!(pipeline.bottleneck(), Some(1));
        let received = |counters: &Counters| counters.received as f64;
        let rate = pipeline.node(1).map(|node| node.rate(received));
        assert_eq!(rate, Some(10.0));
    }

    #[test]
    fn the_wait_of_an_element_is_that_of_those_that_left() {
        let wait = |received: u64, held: u64, waited: f64, seconds: u32| {
            let at = |second: u32| {
                let n = u64::from(second);
                counters(received * n, 0, held * n, waited * f64::from(second))
            };
            let seen = history(|second| [at(second), at(0)], seconds);
            seen.pipelines[&7].node(1).and_then(|node| node.mean_wait())
        };
        // Ten come in a second, five leave, and two seconds are waited in each.
        assert_eq!(wait(10, 5, 2.0, 5), Some(Duration::from_millis(400)));
        assert_eq!(wait(10, 0, 0.0, 5), Some(Duration::ZERO));
        // Nothing leaves; or it has been looked at once.
        assert_eq!(wait(10, 10, 2.0, 5), None);
        assert_eq!(wait(0, 0, 0.0, 5), None);
        assert_eq!(wait(10, 5, 2.0, 0), None);
    }

    #[test]
    fn latencies_are_those_of_the_last_minute() {
        let mut seen = History::default();
        let begin = Instant::now();
        let mut latency = Box::<Latency>::default();
        latency.record(Duration::from_secs(9));
        let mut counts = Vec::new();
        for second in 0..120 {
            if second < 60 {
                latency.record(Duration::from_secs(1));
            }
            let node = NodeView::new(1, "map", "operator").with_latency(Some(latency.clone()));
            let graph = Some(GraphView::new(vec![node], Vec::new()));
            let name = "numbers".to_string();
            let at = begin + Duration::from_secs(second);
            seen.add(at, vec![Pipeline { id: 7, name, graph }]);
            let found = seen.pipelines[&7].node(1).and_then(NodeHistory::latency);
            counts.push(found.map(|latency| latency.count()));
        }
        assert_eq!(
            [counts[0], counts[50], counts[59]],
            [Some(2), Some(52), Some(61)]
        );
        // What is older than a minute, by ten seconds at most, is forgotten.
        assert_eq!([counts[90], counts[119]], [Some(29), None]);
    }

    #[test]
    fn what_failed_is_shown_for_ten_seconds() {
        let at = |second: u32| counters(1, u64::from(second >= 1), 0, 0.0);
        let state = |seconds| history(|second| [at(second), at(0)], seconds).pipelines[&7].state(1);
        assert_eq!(
            [0, 1, 10, 12].map(state),
            [State::Idle, State::Failing, State::Failing, State::Idle]
        );
    }

    #[test]
    fn a_pipeline_that_is_busy_is_shown_as_it_was() {
        let mut seen = history(
            |second| [counters(second.into(), 0, 0, 0.0), counters(0, 0, 0, 0.0)],
            2,
        );
        let later = Instant::now() + Duration::from_secs(3);
        let name = "numbers".to_string();
        seen.add(
            later,
            vec![Pipeline {
                id: 7,
                name,
                graph: None,
            }],
        );
        let pipeline = &seen.pipelines[&7];
        assert_eq!(pipeline.busy_since, Some(later));
        assert_eq!(pipeline.graph.nodes[0].counters.received, 2);
        seen.add(later, Vec::new());
        assert!(seen.pipelines.is_empty());
    }

    #[test]
    fn samples_are_kept_for_ten_minutes() {
        let seen = history(
            |second| [counters(second.into(), 0, 0, 0.0), counters(0, 0, 0, 0.0)],
            700,
        );
        let node = seen.pipelines[&7].node(1).expect("it is there");
        assert_eq!(node.samples().count(), 601);
    }
}
