//! Float against integer, one row for each set of images.

use facts::{Comparison, OutputComparison};
use maud::{Markup, html};

use super::table::{MAX_ROWS, scroll};
use super::text;

pub(super) fn section(comparisons: &[Comparison]) -> Markup {
    html! {
        section id="accuracy" {
            h2 { "Accuracy" }
            @if comparisons.is_empty() {
                p.empty { "No images were given to compare the two models on." }
            } @else {
                (scroll("Accuracy", table(comparisons)))
                @for c in comparisons.iter().take(1).filter(|c| !c.outputs.is_empty()) {
                    p { "Each output on " (text::name(&c.data)) ". Errors are in the unit of the output, without what is left out." }
                    (scroll("Outputs", outputs(&c.outputs)))
                }
            }
        }
    }
}

fn table(comparisons: &[Comparison]) -> Markup {
    let top1 = |x: Option<f64>| x.map_or("–".to_owned(), |x| text::percent(x, 2));
    html! {
        table {
            thead { tr {
                th { "Images" } th.n { "Count" } th.n { "Float top-1" } th.n { "Integer top-1" }
                th.n { "Difference" } th.n { "Same answer" } th.n { "Mean cosine" }
            } }
            tbody {
                @for c in comparisons.iter().take(MAX_ROWS) {
                    tr {
                        td { (text::name(&c.data)) }
                        td.n { (text::count(c.images as u64)) }
                        td.n { (top1(c.float_top1)) }
                        td.n { (top1(c.integer_top1)) }
                        td.n { (difference(c)) }
                        td.n { (top1(c.agreement)) }
                        td.n { (text::fixed(c.cosine, 5)) }
                    }
                }
            }
        }
    }
}

fn outputs(outputs: &[OutputComparison]) -> Markup {
    let or_dash = |figure: Option<String>| figure.unwrap_or_else(|| "–".to_owned());
    let ending = |output: &OutputComparison| match &output.ending {
        Some(ending) => format!("{}, {} left out", output.kind, ending.replace('_', " ")),
        None => output.kind.clone(),
    };
    html! {
        table {
            thead { tr {
                th { "Output" } th { "Read as" } th.n { "Signal over noise" } th.n { "Mean error" } th.n { "R²" }
                th.n { "Same decisions" }
            } }
            tbody {
                @for output in outputs.iter().take(MAX_ROWS) {
                    tr {
                        td { (text::name(&output.output)) }
                        td { (text::name(&ending(output))) }
                        td.n { (or_dash(output.snr_db.map(text::decibels))) }
                        td.n { (text::real(output.mean_error)) }
                        td.n { (or_dash(output.r2.map(|r2| text::fixed(r2, 4)))) }
                        td.n { (or_dash(output.decisions.map(|same| text::percent(same, 2)))) }
                    }
                }
            }
        }
    }
}

/// Integer minus float, in points.
fn difference(c: &Comparison) -> String {
    match (c.float_top1, c.integer_top1) {
        (Some(float), Some(integer)) => text::fixed(integer - float, 2),
        _ => "–".to_owned(),
    }
}
