//! The report of a conversion: one page that needs nothing but itself.
//!
//! It holds its own style and pictures, no script, and no address of anything outside.
//! Names come from model files and are not trusted: they are escaped and cut.

mod accuracy;
mod arena;
mod axis;
mod boards;
mod changes;
mod instructions;
mod lifetimes;
mod program;
mod ranges;
mod sidecar;
mod snr;
#[cfg(test)]
mod tests;
mod text;
mod verdict;

pub use program::{Buffer, BufferKind, InstructionFacts, ProgramFacts, TileGroup};
pub use sidecar::{MAX_FACTS, SidecarError, read_facts, sidecar_path, write_facts};

use maud::{DOCTYPE, Markup, PreEscaped, html};

use facts::Facts;

/// Rows of a table at most.
const MAX_ROWS: usize = 1000;

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

const STYLE: &str = include_str!("style.css");

/// What a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The model, as its user calls it.
    pub model: &'a str,
    /// What the conversion found out and decided.
    pub facts: &'a Facts,
    /// What the container holds.
    pub program: &'a ProgramFacts,
}

/// The page. Its length is bounded, whatever the facts hold.
pub fn html(report: &Report<'_>) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (text::name(report.model)) " – conversion report" }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                (verdict::section(report))
                (accuracy::section(&report.facts.comparisons))
                (snr::section(report))
                (arena::section(report.program))
                (boards::section(report.program))
                (ranges::section(&report.facts.tensors))
                (changes::section(&report.facts.changes))
                (instructions::section(report.program))
                (footer(report))
            } }
        }
    };
    page.into_string()
}

fn footer(report: &Report<'_>) -> Markup {
    html! {
        footer {
            p {
                "Shiftformer " (env!("CARGO_PKG_VERSION")) ". "
                @if report.facts.calibration_images > 0 {
                    "Calibrated with " (text::many(report.facts.calibration_images, "image")) ". "
                }
                "Container "
                code { (text::name(&report.program.identity)) }
                @if report.facts.identity != report.program.identity {
                    strong { " The facts shown here are another container's." }
                }
            }
        }
    }
}

/// A table that scrolls inside its own box.
fn scroll(label: &str, table: Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (table) } }
}

/// How many of `rows` are not shown.
fn more(rows: usize) -> Markup {
    html! {
        @if rows > MAX_ROWS { p.empty { "and " (text::count((rows - MAX_ROWS) as u64)) " more." } }
    }
}
