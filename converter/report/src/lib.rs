//! The report of a conversion: one page that needs nothing but itself.
//!
//! It holds its own style and pictures, no script, and no address of anything outside.
//! Names come from model files and are not trusted: they are escaped and cut.

mod accuracy;
mod arena;
mod axis;
mod boards;
mod changes;
mod container;
mod disagreement;
mod instructions;
mod lifetimes;
mod ranges;
mod remarks;
mod sidecar;
mod snr;
mod subject;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod verdict;

pub use container::{InstructionFacts, ProgramFacts};
pub use disagreement::disagreement;
pub use lifetimes::{Buffer, BufferKind, TileGroup};
pub use remarks::remarks;
pub use sidecar::{MAX_FACTS, SidecarError, read_facts, sidecar_path, write_facts};
pub use subject::Report;

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

const STYLE: &str = include_str!("style.css");

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
