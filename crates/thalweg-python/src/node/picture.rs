//! Drawings of a pipeline: its nodes as seen from Python.

use std::collections::{HashMap, HashSet, VecDeque};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use thalweg::view::{EdgeView, GraphView};

use super::{Node, Parts};

#[pymethods]
impl Node {
    /// The pipeline as a drawing.
    fn _svg(&self) -> PyResult<String> {
        Ok(self.parts()?.picture().to_svg())
    }

    /// The pipeline as the contents of a PNG file; `None` where there are no fonts.
    fn _png<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let picture = self.parts()?.picture();
        let png = crate::gil::detach(py, || picture.to_png());
        Ok(png.map(|png| PyBytes::new(py, &png)))
    }

    /// The pipeline in the DOT language.
    fn _dot(&self) -> PyResult<String> {
        Ok(self.parts()?.picture().to_dot())
    }

    /// The pipeline as a diagram in the language of Mermaid.
    fn _mermaid(&self) -> PyResult<String> {
        Ok(self.parts()?.picture().to_mermaid())
    }
}

impl Parts {
    /// The nodes created by users. The engine's additional nodes are left out; paths through them become edges.
    fn picture(&self) -> GraphView {
        visible(self.out.graph_view(), &self.pipeline().ids())
    }
}

/// The visible part of a pipeline in which users created these nodes, some of them sinks.
pub(crate) fn visible(all: GraphView, made: &[(u64, bool)]) -> GraphView {
    let sinks: HashMap<u64, bool> = made.iter().copied().collect();
    let edges = visible_edges(&all, &sinks);
    let has_upstream: HashSet<u64> = edges.iter().map(|edge| edge.to).collect();
    let mut nodes = all.nodes;
    nodes.retain(|node| sinks.contains_key(&node.id));
    for node in &mut nodes {
        node.kind = match node.kind {
            _ if sinks.get(&node.id) == Some(&true) => "sink",
            _ if !has_upstream.contains(&node.id) => "source",
            "source" => "operator",
            kind => kind,
        };
    }
    GraphView::new(nodes, edges)
}

/// Edges between visible nodes, also through hidden ones; each once.
fn visible_edges(all: &GraphView, seen: &HashMap<u64, bool>) -> Vec<EdgeView> {
    let mut below: HashMap<u64, Vec<&EdgeView>> = HashMap::new();
    for edge in &all.edges {
        below.entry(edge.from).or_default().push(edge);
    }
    let mut edges = Vec::new();
    for node in all.nodes.iter().filter(|node| seen.contains_key(&node.id)) {
        let mut passed = HashSet::new();
        let mut ways = VecDeque::from([(node.id, false)]);
        while let Some((at, feedback)) = ways.pop_front() {
            for edge in below.get(&at).into_iter().flatten() {
                if !passed.insert(edge.to) {
                    continue;
                }
                let feedback = feedback || edge.feedback;
                if !seen.contains_key(&edge.to) {
                    ways.push_back((edge.to, feedback));
                    continue;
                }
                let made = EdgeView::new(node.id, edge.to);
                edges.push(if feedback { made.as_feedback() } else { made });
            }
        }
    }
    edges
}
