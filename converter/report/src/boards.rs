//! The boards that have room for the program.

use boards::{Board, EMULATED, OWNED};
use maud::{Markup, html};

use super::axis::percent;
use super::container::ProgramFacts;
use super::text;

pub(super) fn section(program: &ProgramFacts) -> Markup {
    html! {
        section id="boards" {
            h2 { "Boards" }
            p {
                "What firmware keeps beside the model and the arena counts as used. External memory is not counted."
            }
            div.boards {
                @for board in OWNED { (row(board, program)) }
            }
            p { (emulated(program)) }
        }
    }
}

/// The emulated boards in a sentence.
fn emulated(program: &ProgramFacts) -> String {
    let names = |fits: bool| {
        let fit = |board: &Board| board.fit(program.flash_bytes, program.arena_bytes).fits();
        let names: Vec<&str> =
            EMULATED.iter().filter(|board| fit(board) == fits).map(|board| board.name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    format!(
        "Of the emulated boards, these have room for it: {}; these do not: {}.",
        names(true),
        names(false)
    )
}

fn row(board: &Board, program: &ProgramFacts) -> Markup {
    let fit = board.fit(program.flash_bytes, program.arena_bytes);
    html! {
        div.board {
            div.what {
                b { (board.title) }
                span { (board.core.name()) @if let Some(external) = board.external { " · also " (external) } }
            }
            @if fit.fits() { span.pill.good { "fits" } } @else { span.pill.poor { "does not fit" } }
            (bar("Flash", board.model_memory().bytes, fit.flash_left))
            (bar("RAM", board.arena_memory().bytes, fit.ram_left))
        }
    }
}

fn bar(name: &str, available: u32, left: i64) -> Markup {
    let used = i64::from(available).saturating_sub(left);
    let (word, over) = if left < 0 { ("missing", true) } else { ("left", false) };
    html! {
        div.mem {
            span.name { (name) }
            div.track { div.fill.over[over] style={ "width:" (percent(used as f64, available.into())) } {} }
            span.left.over[over] {
                (text::bytes(left.unsigned_abs())) " " (word) small { " of " (text::bytes(available.into())) }
            }
        }
    }
}
