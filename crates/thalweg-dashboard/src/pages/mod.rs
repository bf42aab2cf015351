//! HTML pages. The content of each is rendered again for every update.

mod failures;
mod frame;
mod info;
mod node;
mod status;
mod strips;
mod tasks;

use std::sync::Arc;

use maud::Markup;

pub(crate) use frame::document;
pub(crate) use info::info;

use crate::elements;
use crate::server::App;

/// A page of the dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// All pipelines, with drawings and tables.
    Status,
    /// All pipelines, drawings only.
    Graph,
    /// All engines.
    Tasks,
    /// The last failures.
    Failures,
    /// A node, by the ids of its pipeline and its own.
    Node(u64, u64),
}

impl Page {
    /// The part of the page that is updated.
    pub(crate) fn content(self, app: &App) -> Markup {
        match self {
            Self::Status => status::content(app, true),
            Self::Graph => status::content(app, false),
            Self::Tasks => tasks::content(&app.snapshot()),
            Self::Failures => failures::content(&app.failures.newest()),
            Self::Node(pipeline, id) => node::content(app, pipeline, id),
        }
    }

    /// Fetches what the content needs from user code.
    pub(crate) async fn prepare(self, app: &Arc<App>) {
        if let Self::Node(pipeline, id) = self {
            elements::prepare(app, pipeline, id).await;
        }
    }

    /// Whether there is such a page.
    pub(crate) fn exists(self, app: &App) -> bool {
        match self {
            Self::Node(pipeline, id) => {
                let snapshot = app.snapshot();
                let pipeline = snapshot.history.pipelines.get(&pipeline);
                pipeline.is_some_and(|pipeline| pipeline.node(id).is_some())
            }
            _ => true,
        }
    }

    /// Path of its URL.
    fn path(self) -> String {
        match self {
            Self::Status => "/status".to_string(),
            Self::Graph => "/graph".to_string(),
            Self::Tasks => "/tasks".to_string(),
            Self::Failures => "/failures".to_string(),
            Self::Node(pipeline, id) => format!("/node/{pipeline}/{id}"),
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Status => "Status",
            Self::Graph => "Graph",
            Self::Tasks => "Tasks",
            Self::Failures => "Failures",
            Self::Node(..) => "Node",
        }
    }
}
