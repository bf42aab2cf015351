//! The frame around a page's content.

use maud::{DOCTYPE, Markup, html};

use super::{Page, status};
use crate::server::App;

const LINKS: [Page; 4] = [Page::Status, Page::Graph, Page::Tasks, Page::Failures];

/// The whole HTML document of a page.
pub(crate) fn document(app: &App, page: Page) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title()) " · thalweg" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/style.css";
                script src="/live.js" defer {}
            }
            body {
                header {
                    a.skip href="#content" { "To the content" }
                    span.brand { "thalweg" }
                    nav aria-label="Pages" {
                        @for link in LINKS {
                            a href=(link.path()) aria-current=[(link == page).then_some("page")] {
                                (link.title())
                            }
                        }
                        a href="/metrics" { "Metrics" }
                    }
                    span #connection role="status" {}
                }
                @if page == Page::Status && app.controls.is_some() {
                    (status::token_form())
                }
                main #content data-live={ "/live" (page.path()) } {
                    (page.content(app))
                }
            }
        }
    }
}
