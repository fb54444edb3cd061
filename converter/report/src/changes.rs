//! What was done to the model on its way to integers, and why.

use facts::{Change, ChangeKind};
use maud::{Markup, html};

use super::table::{MAX_ROWS, more};
use super::text;

/// A list of this many changes is shown open.
const OPEN: usize = 4;

/// What the user did comes first, then what costs memory.
const KINDS: [ChangeKind; 7] = [
    ChangeKind::Overridden,
    ChangeKind::LeftOut,
    ChangeKind::Withheld,
    ChangeKind::Escalated,
    ChangeKind::Equalized,
    ChangeKind::Corrected,
    ChangeKind::Folded,
];

fn words(kind: ChangeKind) -> (&'static str, &'static str) {
    match kind {
        ChangeKind::Folded => ("Folded", "A computation became part of another one."),
        ChangeKind::Equalized => ("Equalized", "Channels were rescaled between a layer and the next."),
        ChangeKind::Corrected => ("Corrected", "A bias was moved by the mean error of its layer."),
        ChangeKind::Escalated => ("Escalated", "An activation was given more bits."),
        ChangeKind::Withheld => ("Withheld", "An activation would need more bits than there is room for."),
        ChangeKind::Overridden => ("Overridden", "Set on the command line."),
        ChangeKind::LeftOut => ("Left out", "A calibration image drove the model beyond all others."),
    }
}

pub(super) fn section(changes: &[Change]) -> Markup {
    html! {
        section id="changes" {
            h2 { "What was changed, and why" }
            @if changes.is_empty() { p.empty { "Nothing: the layers were converted as they are." } }
            @for kind in KINDS {
                @let of: Vec<&Change> = changes.iter().filter(|change| change.kind == kind).collect();
                @if !of.is_empty() { (group(kind, &of)) }
            }
        }
    }
}

fn group(kind: ChangeKind, changes: &[&Change]) -> Markup {
    let (title, meaning) = words(kind);
    html! {
        details open[changes.len() <= OPEN] {
            summary { (title) " " span.count { (text::count(changes.len() as u64)) " · " (meaning) } }
            ul.changes tabindex="0" {
                @for change in changes.iter().take(MAX_ROWS) {
                    li {
                        code { (text::name(&change.layer)) }
                        span { (text::sentence(&change.what)) }
                        span.why { (text::sentence(&change.why)) }
                    }
                }
            }
            (more(changes.len()))
        }
    }
}
