//! The arena over time, as a picture.

use maud::{Markup, html};

use super::axis::{self, percent};
use super::container::ProgramFacts;
use super::lifetimes::{Buffer, BufferKind, TileGroup};
use super::table::{MAX_ROWS, scroll};
use super::text;

/// Units of the picture's height.
const HEIGHT: f64 = 1000.0;

/// Buffers listed at the fullest instruction.
const LISTED: usize = 8;

const KINDS: [BufferKind; 5] =
    [BufferKind::Input, BufferKind::Int16, BufferKind::Int8, BufferKind::Int32, BufferKind::Scratch];

fn class(kind: BufferKind) -> &'static str {
    match kind {
        BufferKind::Input => "k-input",
        BufferKind::Int8 => "k-int8",
        BufferKind::Int16 => "k-int16",
        BufferKind::Int32 => "k-int32",
        BufferKind::Scratch => "k-scratch",
    }
}

fn words(kind: BufferKind) -> &'static str {
    match kind {
        BufferKind::Input => "frame, u8",
        BufferKind::Int8 => "int8 activations",
        BufferKind::Int16 => "int16 activations",
        BufferKind::Int32 => "int32 values",
        BufferKind::Scratch => "working memory of one instruction",
    }
}

pub(super) fn section(program: &ProgramFacts) -> Markup {
    let (fullest, live) = fullest(program);
    html! {
        section id="arena" {
            h2 { "The arena over time" }
            p {
                "All activations share one block of " (text::bytes(program.arena_bytes)) ". Each rectangle is a "
                "buffer: its height is its size, its width how long it is needed."
                @if !program.tile_groups.is_empty() {
                    " Instructions above a grey bar run together, a few rows at a time, so that what passes "
                    "between them need not be kept whole."
                }
            }
            (picture(program))
            @if let Some(instruction) = program.instructions.get(fullest) {
                details {
                    summary {
                        "At its fullest " span.count { code { (text::name(&instruction.name)) } ", " (text::bytes(sum(&live))) " in use" }
                    }
                    (scroll("Buffers at the fullest instruction", listed(&live)))
                }
            }
        }
    }
}

fn picture(program: &ProgramFacts) -> Markup {
    let count = program.instructions.len().max(1);
    let landmarks = axis::landmarks(&program.instructions);
    let top = high_water(program);
    html! {
        figure {
            div.legend {
                @for kind in KINDS {
                    @if program.buffers.iter().any(|b| b.kind == kind) { span { i class=(class(kind)) {} (words(kind)) } }
                }
                @if !program.tile_groups.is_empty() { span { i.tiles {} "run tile by tile" } }
            }
            div.plot {
                div.yaxis aria-hidden="true" {
                    @for quarter in 0..=3u64 {
                        span style={ "bottom:" (percent(quarter as f64, 4.0)) } { (text::bytes(top * quarter / 4)) }
                    }
                    span style="bottom:100%" { (text::bytes(top)) }
                }
                div.canvas.arena {
                    svg viewBox={ "0 0 " (count) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                        aria-label="Buffers of the arena by instruction" {
                        (axis::lines(&landmarks, HEIGHT))
                        @for buffer in program.buffers.iter().take(MAX_BUFFERS) { (rectangle(buffer, top)) }
                        line.water x1="0" x2=(count) y1="0" y2="0" {}
                    }
                    span.waterlabel { "high-water mark " (text::bytes(top)) }
                }
                @if !program.tile_groups.is_empty() { (tiles(&program.tile_groups, count)) }
                (axis::below(&landmarks, count))
            }
        }
    }
}

/// Rectangles drawn at most.
const MAX_BUFFERS: usize = 4096;

/// The end of the highest buffer.
fn high_water(program: &ProgramFacts) -> u64 {
    program.buffers.iter().map(|b| b.offset + b.bytes).max().unwrap_or(0).max(1)
}

fn rectangle(buffer: &Buffer, top: u64) -> Markup {
    let unit = HEIGHT / top as f64;
    let end = (buffer.offset + buffer.bytes) as f64 * unit;
    html! {
        rect class=(class(buffer.kind)) x=(buffer.first) width=(buffer.last + 1 - buffer.first)
            y=(format!("{:.1}", HEIGHT - end)) height=(format!("{:.1}", buffer.bytes as f64 * unit)) {
            title {
                (text::name(&buffer.name)) ": " (words(buffer.kind)) ", " (text::bytes(buffer.bytes)) " at "
                (text::count(buffer.offset))
            }
        }
    }
}

fn tiles(groups: &[TileGroup], count: usize) -> Markup {
    html! {
        svg.tilebar viewBox={ "0 0 " (count) " 1" } preserveAspectRatio="none" role="img" aria-label="Tile groups" {
            @for g in groups {
                rect.tiles x=(g.first as f64 + 0.1) width=((g.last - g.first) as f64 + 0.8) y="0" height="1" {
                    title {
                        (text::many(g.last + 1 - g.first, "instruction")) " over " (g.rows) " rows, "
                        (g.tile) " at a time"
                    }
                }
            }
        }
    }
}

/// The position with most bytes in use, and the buffers there, largest first.
fn fullest(program: &ProgramFacts) -> (usize, Vec<&Buffer>) {
    // Bytes that begin and end at each position.
    let mut change = vec![0i64; program.instructions.len() + 1];
    for buffer in &program.buffers {
        let bytes = buffer.bytes as i64;
        if let Some(first) = change.get_mut(buffer.first) {
            *first += bytes;
        }
        if let Some(after) = change.get_mut(buffer.last + 1) {
            *after -= bytes;
        }
    }
    let (mut now, mut most, mut position) = (0i64, 0, 0);
    for (at, by) in change.into_iter().enumerate() {
        now += by;
        if now > most {
            (most, position) = (now, at);
        }
    }
    let mut live: Vec<&Buffer> =
        program.buffers.iter().filter(|b| (b.first..=b.last).contains(&position)).collect();
    live.sort_by_key(|b| std::cmp::Reverse(b.bytes));
    (position, live)
}

fn sum(buffers: &[&Buffer]) -> u64 {
    buffers.iter().map(|b| b.bytes).sum()
}

fn listed(live: &[&Buffer]) -> Markup {
    html! {
        table {
            thead { tr { th { "Written by" } th { "Holds" } th.n { "Bytes" } th.n { "At" } } }
            tbody {
                @for b in live.iter().take(LISTED.min(MAX_ROWS)) {
                    tr {
                        td { code { (text::name(&b.name)) } }
                        td { i class={ "swatch " (class(b.kind)) } {} (words(b.kind)) }
                        td.n { (text::count(b.bytes)) }
                        td.n { (text::count(b.offset)) }
                    }
                }
            }
        }
    }
}
