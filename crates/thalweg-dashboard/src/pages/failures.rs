//! The last failures, grouped by node and kind.

use maud::{Markup, html};

use crate::clock::time_of_day;
use crate::failures::FailureRecord;

/// Number of failures shown in each group.
const SHOWN: usize = 5;

/// The failures of one node and of one kind, newest first.
struct Kind<'a> {
    newest: &'a FailureRecord,
    all: Vec<&'a FailureRecord>,
}

fn kinds(failures: &[FailureRecord]) -> Vec<Kind<'_>> {
    let mut kinds: Vec<Kind<'_>> = Vec::new();
    for failure in failures {
        let is_same = |kind: &&mut Kind<'_>| {
            kind.newest.node_id == failure.node_id && kind.newest.cause.kind == failure.cause.kind
        };
        match kinds.iter_mut().find(is_same) {
            Some(kind) => kind.all.push(failure),
            None => kinds.push(Kind {
                newest: failure,
                all: vec![failure],
            }),
        }
    }
    kinds
}

pub(super) fn content(failures: &[FailureRecord]) -> Markup {
    html! {
        @if failures.is_empty() {
            p.empty { "No failures since the dashboard started." }
        }
        @for (place, kind) in kinds(failures).iter().enumerate() {
            article.failure {
                h3 {
                    span.node { (kind.newest.node) } ": " (kind.newest.cause.kind)
                    @if kind.all.len() > 1 { " (" (kind.all.len()) " times)" }
                }
                ul {
                    @for failure in kind.all.iter().take(SHOWN) {
                        li {
                            time { (time_of_day(failure.at)) } " UTC"
                            @if failure.ordinal > 0 { ", element " (failure.ordinal) " of the node" }
                            @if failure.cause.summary != failure.cause.kind { ": " (failure.cause.summary) }
                        }
                    }
                }
                @if !kind.newest.cause.details.is_empty() {
                    details #{ "details-" (place) } {
                        summary { "More of the newest" }
                        pre tabindex="0" { (kind.newest.cause.details) }
                    }
                }
            }
        }
    }
}
