//! Samples of the last ten minutes, and the rates and states derived from them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use thalweg::view::{Counters, GraphView, Latency, NodeView};

use crate::observe::Pipeline;
use crate::server::MAX_REFRESH_INTERVAL;

/// Retention of samples.
const RETENTION: Duration = Duration::from_secs(600);

/// Period over which rates are averaged.
const RATE_WINDOW: Duration = Duration::from_secs(3);

/// How long a node is shown as failing after a failure.
const FAILING_FOR: Duration = Duration::from_secs(10);

/// State of a node, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// No elements pass.
    Idle,
    /// Elements pass.
    Flowing,
    /// Elements wait in it for the downstream nodes, or for other elements.
    Waiting,
    /// It failed on an element within [`FAILING_FOR`].
    Failing,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Flowing => "flowing",
            Self::Waiting => "waiting",
            Self::Failing => "failing",
        }
    }
}

/// Counters of a node at one instant.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Instant,
    pub(crate) counters: Counters,
}

/// Period of the latencies shown.
const LATENCY_WINDOW: Duration = Duration::from_secs(60);

/// Interval between two kept states of a node's latencies.
const LATENCY_INTERVAL: Duration = Duration::from_secs(10);

/// A node's samples, oldest first.
#[derive(Default)]
pub(crate) struct NodeHistory {
    samples: VecDeque<Sample>,
    /// Past states of the cumulative latencies, oldest first.
    latencies: VecDeque<(Instant, Box<Latency>)>,
    latency: Option<Box<Latency>>,
}

impl NodeHistory {
    fn add(&mut self, at: Instant, counters: Counters) {
        let samples = &mut self.samples;
        while samples
            .front()
            .is_some_and(|first| at - first.at > RETENTION)
        {
            samples.pop_front();
        }
        samples.push_back(Sample { at, counters });
    }

    fn add_latency(&mut self, at: Instant, latency: Option<Box<Latency>>) {
        let kept = &mut self.latencies;
        while kept
            .front()
            .is_some_and(|(then, _)| at - *then > LATENCY_WINDOW)
        {
            kept.pop_front();
        }
        let is_due = kept
            .back()
            .is_none_or(|(last, _)| at - *last >= LATENCY_INTERVAL);
        if is_due {
            // Latencies measured before the first snapshot count as new.
            let latency = match kept.is_empty() && self.latency.is_none() {
                true => Box::default(),
                false => latency.clone().unwrap_or_default(),
            };
            kept.push_back((at, latency));
        }
        self.latency = latency;
    }

    /// Latencies of the last minute; `None` if no element was timed.
    pub(crate) fn latency(&self) -> Option<Latency> {
        let (_, earliest) = self.latencies.front()?;
        let latency = self.latency.as_ref()?.since(earliest);
        (latency.count() > 0).then_some(latency)
    }

    /// The samples, oldest first.
    pub(crate) fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter()
    }

    /// The newest sample and the oldest one within `window` before it; at least the previous one, unless nobody viewed
    /// the dashboard between the two.
    fn ends(&self, window: Duration) -> Option<(&Sample, &Sample)> {
        let last = self.samples.back()?;
        let mut older = self.samples.iter().rev().skip(1);
        let previous = older.next()?;
        let age = |sample: &Sample| last.at - sample.at;
        let first = older.take_while(|sample| age(sample) <= window).last();
        let first = first.unwrap_or(previous);
        (age(first) <= window.max(2 * MAX_REFRESH_INTERVAL)).then_some((first, last))
    }

    /// Growth of a counter per second, averaged over [`RATE_WINDOW`].
    pub(crate) fn rate(&self, of: impl Fn(&Counters) -> f64) -> f64 {
        let Some((first, last)) = self.ends(RATE_WINDOW) else {
            return 0.0;
        };
        let grown = of(&last.counters) - of(&first.counters);
        grown / (last.at - first.at).as_secs_f64().max(f64::EPSILON)
    }

    /// Mean time that recently sent elements were held in the node; `None` if none left.
    ///
    /// By Little's law, for as many arrivals as departures: the time waited divided by the number of departures.
    pub(crate) fn mean_wait(&self) -> Option<Duration> {
        let (first, last) = self.ends(RATE_WINDOW)?;
        let left = |counters: &Counters| counters.received.saturating_sub(counters.held);
        let left = left(&last.counters).checked_sub(left(&first.counters))?;
        let waited = last.counters.waited.saturating_sub(first.counters.waited);
        (left > 0).then(|| waited.div_f64(left as f64))
    }

    pub(crate) fn state(&self) -> State {
        let failed = self
            .ends(FAILING_FOR)
            .is_some_and(|(first, last)| last.counters.failed > first.counters.failed);
        let Some(last) = self.samples.back() else {
            return State::Idle;
        };
        // More than half an element was held on average.
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

/// A pipeline's last known graph and the samples of its nodes.
pub(crate) struct PipelineHistory {
    pub(crate) name: String,
    pub(crate) graph: GraphView,
    /// Time of the first of the last snapshots that found the pipeline busy.
    pub(crate) busy_since: Option<Instant>,
    nodes: HashMap<u64, NodeHistory>,
}

impl PipelineHistory {
    /// The samples of a node.
    pub(crate) fn node(&self, id: u64) -> Option<&NodeHistory> {
        self.nodes.get(&id)
    }

    pub(crate) fn state(&self, id: u64) -> State {
        self.node(id).map_or(State::Idle, NodeHistory::state)
    }

    /// The worst state of its nodes.
    pub(crate) fn worst(&self) -> State {
        let states = self.nodes.values().map(NodeHistory::state);
        states.max().unwrap_or(State::Idle)
    }

    /// The most downstream node in which elements wait: that node, or one below it, limits the pipeline's rate.
    pub(crate) fn bottleneck(&self) -> Option<u64> {
        let waits = |id: u64| self.state(id) == State::Waiting;
        let ids = self.graph.nodes.iter().map(|node| node.id);
        ids.filter(|id| waits(*id))
            .find(|id| self.below(*id).all(|node| !waits(node.id)))
    }

    /// The downstream nodes of a node.
    pub(crate) fn below(&self, id: u64) -> impl Iterator<Item = &NodeView> {
        let edges = self.graph.edges.iter().filter(move |edge| edge.from == id);
        edges.filter_map(|edge| self.graph.nodes.iter().find(|node| node.id == edge.to))
    }
}

/// Histories of all pipelines, by id.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) pipelines: BTreeMap<u64, PipelineHistory>,
}

impl History {
    /// Adds a snapshot, and forgets pipelines that are gone.
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

    /// A pipeline of two nodes with these counters after 0, 1, 2 … seconds.
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
    fn the_bottleneck_node_is_found() {
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
    fn the_wait_time_counts_elements_that_have_left() {
        let wait = |received: u64, held: u64, waited: f64, seconds: u32| {
            let at = |second: u32| {
                let n = u64::from(second);
                counters(received * n, 0, held * n, waited * f64::from(second))
            };
            let seen = history(|second| [at(second), at(0)], seconds);
            seen.pipelines[&7].node(1).and_then(|node| node.mean_wait())
        };
        // Per second ten elements arrive, five leave, and two seconds of waiting accrue.
        assert_eq!(wait(10, 5, 2.0, 5), Some(Duration::from_millis(400)));
        assert_eq!(wait(10, 0, 0.0, 5), Some(Duration::ZERO));
        // Nothing leaves, or there is only one sample.
        assert_eq!(wait(10, 10, 2.0, 5), None);
        assert_eq!(wait(0, 0, 0.0, 5), None);
        assert_eq!(wait(10, 5, 2.0, 0), None);
    }

    #[test]
    fn latencies_cover_the_last_minute() {
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
        // Latencies older than a minute are forgotten within ten seconds.
        assert_eq!([counts[90], counts[119]], [Some(29), None]);
    }

    #[test]
    fn failures_are_shown_for_ten_seconds() {
        let at = |second: u32| counters(1, u64::from(second >= 1), 0, 0.0);
        let state = |seconds| history(|second| [at(second), at(0)], seconds).pipelines[&7].state(1);
        assert_eq!(
            [0, 1, 10, 12].map(state),
            [State::Idle, State::Failing, State::Failing, State::Idle]
        );
    }

    #[test]
    fn a_busy_pipeline_is_shown_in_its_last_known_state() {
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
    fn rates_survive_long_intervals_but_not_a_pause() {
        let rate = |interval: u64| {
            let mut seen = History::default();
            let begin = Instant::now();
            for (at, received) in [(0, 0), (interval, 10 * interval)] {
                let node = NodeView::new(1, "map", "operator");
                let node = node.with_counters(counters(received, 0, 0, 0.0));
                let graph = Some(GraphView::new(vec![node], Vec::new()));
                let name = "numbers".to_string();
                let at = begin + Duration::from_secs(at);
                seen.add(at, vec![Pipeline { id: 7, name, graph }]);
            }
            let received = |counters: &Counters| counters.received as f64;
            seen.pipelines[&7].node(1).map(|node| node.rate(received))
        };
        assert_eq!([1, 5, 60].map(rate), [Some(10.0), Some(10.0), Some(0.0)]);
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
