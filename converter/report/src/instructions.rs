//! The program, instruction by instruction.

use maud::{Markup, html};

use super::container::ProgramFacts;
use super::table::{MAX_ROWS, more, scroll};
use super::text;

pub(super) fn section(program: &ProgramFacts) -> Markup {
    let all = &program.instructions;
    html! {
        section id="instructions" {
            h2 { "Instructions" }
            p { "Reads " (words(&program.inputs)) "; gives " (words(&program.outputs)) "." }
            details {
                summary {
                    "The program " span.count {
                        (text::many(all.len(), "instruction")) ", " (text::bytes(program.weight_bytes)) " of weights, "
                        (text::count(program.macs)) " multiply-accumulates"
                    }
                }
                (scroll("Instructions", table(program)))
                (more(all.len()))
            }
        }
    }
}

fn words(described: &[String]) -> String {
    let shown: Vec<String> = described.iter().take(4).map(|text| text::name(text)).collect();
    let rest = if described.len() > 4 { " and others" } else { "" };
    shown.join(", ") + rest
}

fn table(program: &ProgramFacts) -> Markup {
    let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
    html! {
        table {
            thead { tr {
                th.n { "#" } th { "Output" } th { "Op" } th { "Bits" } th { "Type" } th.n { "Rows × width" }
                th.n { "MACs" } th.n { "of all" } th.n { "Weight bytes" } th.n { "of all" }
            } }
            tbody {
                @for i in program.instructions.iter().take(MAX_ROWS) {
                    tr {
                        td.n { (i.index) }
                        td { code { (text::name(&i.name)) } }
                        td { (i.op) }
                        td { (i.bits.as_deref().unwrap_or("–")) }
                        td { (i.dtype) }
                        td.n { (i.shape[0]) " × " (i.shape[1]) }
                        (figures(i.macs, share(i.macs, program.macs)))
                        (figures(i.weight_bytes, share(i.weight_bytes, program.weight_bytes)))
                    }
                }
            }
        }
    }
}

fn figures(figure: u64, share: f64) -> Markup {
    html! {
        @if figure == 0 { td.n { "–" } td.n { "–" } }
        @else { td.n { (text::count(figure)) } td.n { (format!("{share:.1} %")) } }
    }
}
