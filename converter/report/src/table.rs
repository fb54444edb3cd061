//! What tables of the page share.

use maud::{Markup, html};

use crate::text;

/// Rows of a table at most.
pub(super) const MAX_ROWS: usize = 1000;

/// A table that scrolls inside its own box.
pub(super) fn scroll(label: &str, table: Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (table) } }
}

/// How many of `rows` are not shown.
pub(super) fn more(rows: usize) -> Markup {
    html! {
        @if rows > MAX_ROWS { p.empty { "and " (text::count((rows - MAX_ROWS) as u64)) " more." } }
    }
}
