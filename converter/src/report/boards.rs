//! The boards that have room for the program.

use maud::{Markup, html};

use super::axis::percent;
use super::program::ProgramFacts;
use super::text;
use crate::boards::{BOARDS, Board, RUNTIME_CODE, STACK_RESERVE};

/// The boards that people own.
pub(super) fn owned() -> Vec<&'static Board> {
    BOARDS.iter().filter(|board| !is_emulated(board)).collect()
}

fn is_emulated(board: &Board) -> bool {
    board.emulated
}

pub(super) fn section(program: &ProgramFacts) -> Markup {
    html! {
        section id="boards" {
            h2 { "Boards" }
            p {
                "Beside the model, " (text::bytes(RUNTIME_CODE)) " of flash are kept for firmware, and " (text::bytes(STACK_RESERVE)) " of RAM for the stack. External memory is not counted."
            }
            div.boards {
                @for board in owned() { (row(board, program)) }
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
            BOARDS.iter().filter(|b| is_emulated(b) && fit(b) == fits).map(|board| board.name).collect();
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
                span { (board.core) @if let Some(external) = board.external { " · also " (external) } }
            }
            @if fit.fits() { span.pill.good { "fits" } } @else { span.pill.poor { "does not fit" } }
            (bar("Flash", program.flash_bytes + RUNTIME_CODE, board.flash, fit.flash_left))
            (bar("RAM", program.arena_bytes + STACK_RESERVE, board.ram, fit.ram_left))
        }
    }
}

fn bar(name: &str, used: u64, available: u64, left: i64) -> Markup {
    let (word, over) = if left < 0 { ("missing", true) } else { ("left", false) };
    html! {
        div.mem {
            span.name { (name) }
            div.track { div.fill.over[over] style={ "width:" (percent(used as f64, available as f64)) } {} }
            span.left.over[over] {
                (text::bytes(left.unsigned_abs())) " " (word) small { " of " (text::bytes(available)) }
            }
        }
    }
}
