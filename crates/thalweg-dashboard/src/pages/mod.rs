//! Pages, made here whole, and in part again and again.

mod failures;
mod frame;
mod info;
mod node;
mod status;
mod strips;
mod tasks;

use std::sync::Arc;

use maud::Markup;

pub(crate) use frame::whole;
pub(crate) use info::info;

use crate::elements;
use crate::server::App;

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// All pipelines, with tables.
    Status,
    /// All pipelines, drawn.
    Graph,
    /// All engines.
    Tasks,
    /// The last failures.
    Failures,
    /// A node of a pipeline.
    Node(u64, u64),
}

impl Page {
    /// What changes on it.
    pub(crate) fn content(self, app: &App) -> Markup {
        match self {
            Self::Status => status::content(app, true),
            Self::Graph => status::content(app, false),
            Self::Tasks => tasks::content(&app.seen()),
            Self::Failures => failures::content(&app.failures.newest()),
            Self::Node(pipeline, id) => node::content(app, pipeline, id),
        }
    }

    /// Has made what its content needs that others have to say.
    pub(crate) async fn prepare(self, app: &Arc<App>) {
        if let Self::Node(pipeline, id) = self {
            elements::prepare(app, pipeline, id).await;
        }
    }

    /// Whether there is such a page.
    pub(crate) fn exists(self, app: &App) -> bool {
        match self {
            Self::Node(pipeline, id) => {
                let seen = app.seen();
                let pipeline = seen.history.pipelines.get(&pipeline);
                pipeline.is_some_and(|pipeline| pipeline.node(id).is_some())
            }
            _ => true,
        }
    }

    /// Its address.
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
