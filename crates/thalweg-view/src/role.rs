//! Roles of nodes, and their colours.

use super::GraphView;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Source,
    Operator,
    Time,
    Sink,
}

impl Role {
    pub(super) const ALL: [Self; 4] = [Self::Source, Self::Operator, Self::Time, Self::Sink];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Operator => "operator",
            Self::Time => "time",
            Self::Sink => "sink",
        }
    }

    /// Fill and outline on a light page.
    pub(super) fn colours(self) -> (&'static str, &'static str) {
        match self {
            Self::Source => ("#e3f4e8", "#3f9b5f"),
            Self::Operator => ("#e6effc", "#4a7fcb"),
            Self::Time => ("#fdf1dc", "#cf8a1f"),
            Self::Sink => ("#f4e8f8", "#9a5bb0"),
        }
    }

    /// Fill and outline on a dark page.
    pub(super) fn dark_colours(self) -> (&'static str, &'static str) {
        match self {
            Self::Source => ("#16301f", "#56b578"),
            Self::Operator => ("#182841", "#6a9be4"),
            Self::Time => ("#382a10", "#dda244"),
            Self::Sink => ("#301c38", "#b67fcb"),
        }
    }
}

impl GraphView {
    /// The role of each node, in the order of `nodes`.
    pub(super) fn roles(&self) -> Vec<Role> {
        let mut has_upstream = vec![false; self.nodes.len()];
        let mut has_downstream = vec![false; self.nodes.len()];
        for connection in self
            .connections()
            .iter()
            .filter(|connection| !connection.edge.feedback)
        {
            has_downstream[connection.from] = true;
            has_upstream[connection.to] = true;
        }
        let by_place = |position: usize| match (has_upstream[position], has_downstream[position]) {
            (false, _) => Role::Source,
            (true, false) => Role::Sink,
            (true, true) => Role::Operator,
        };
        self.nodes
            .iter()
            .enumerate()
            .map(|(position, node)| {
                Role::ALL
                    .into_iter()
                    .find(|role| role.name() == node.kind)
                    .unwrap_or_else(|| by_place(position))
            })
            .collect()
    }
}
