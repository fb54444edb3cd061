//! How well every instruction follows the float model, as bars.

use facts::Fidelity;
use maud::{Markup, html};

use super::axis::{self, percent};
use super::subject::Report;
use super::table::{MAX_ROWS, scroll};
use super::text;

/// Bars drawn at most.
const MAX_BARS: usize = 4096;

/// Instructions that are pointed out.
const WORST: usize = 5;

/// Least ratio in decibels of each band but the last, its class, and its name.
const BANDS: [(f64, &str, &str); 4] = [
    (f64::NEG_INFINITY, "s0", "below 10 dB: mostly error"),
    (10.0, "s1", "10–20 dB: coarse"),
    (20.0, "s2", "20–30 dB: good"),
    (30.0, "s3", "above 30 dB: very good"),
];

fn band(decibels: f64) -> &'static str {
    BANDS.iter().rev().find(|(least, ..)| decibels >= *least).map_or("s0", |(_, class, _)| class)
}

pub(super) fn section(report: &Report<'_>) -> Markup {
    let all = &report.facts.fidelity;
    html! {
        section id="fidelity" {
            h2 { "Fidelity of each instruction" }
            @if all.is_empty() {
                p.empty { "The instructions were not compared with the float model." }
            } @else {
                p {
                    "Signal-to-noise ratio of what each instruction writes against the float model. At 20 dB "
                    "the error is a tenth of the signal, at 40 dB a hundredth. Errors made before an "
                    "instruction count: look for steps down, not for low bars alone."
                }
                (chart(report))
                details {
                    summary { "All figures " span.count { (text::many(all.len(), "instruction")) } }
                    (scroll("Signal-to-noise ratios", table(all)))
                }
            }
        }
    }
}

fn chart(report: &Report<'_>) -> Markup {
    let instructions = &report.program.instructions;
    let bars = bars(report);
    let count = instructions.len().max(1);
    let top = bars.iter().map(|(_, f)| f.snr_db).filter(|x| x.is_finite()).fold(40.0, f64::max);
    let top = ((top / 10.0).ceil() * 10.0).min(80.0);
    let worst = worst(&bars);
    let landmarks = axis::landmarks(instructions);
    let step = if top > 50.0 { 20 } else { 10 };
    let ticks: Vec<u32> = (0..=top as u32).step_by(step).collect();
    html! {
        figure {
            div.legend {
                @for (_, class, name) in BANDS.iter().rev() { span { i class=(class) {} (name) } }
            }
            div.plot {
                div.yaxis aria-hidden="true" {
                    @for tick in &ticks {
                        span style={ "bottom:" (percent(f64::from(*tick), top)) } { (tick) @if tick == &ticks[ticks.len() - 1] { " dB" } }
                    }
                }
                div.canvas.snr {
                    svg viewBox={ "0 0 " (count) " " (top) } preserveAspectRatio="none" role="img"
                        aria-label="Signal-to-noise ratio by instruction; the figures are in the table below" {
                        @for tick in &ticks { line.grid x1="0" x2=(count) y1=(top - f64::from(*tick)) y2=(top - f64::from(*tick)) {} }
                        (axis::lines(&landmarks, top))
                        @for (position, f) in &bars { (bar(*position, f, top)) }
                    }
                    @for (rank, (position, f, level)) in pins(&worst, count).into_iter().enumerate() {
                        span.pin style={ "left:" (percent(position as f64 + 0.5, count as f64)) ";bottom:calc("
                            (percent(height(f, top), top)) " + " (18 * level) "px);--stem:" (18 * level) "px" } { (rank + 1) }
                    }
                }
                (axis::below(&landmarks, count))
            }
            figcaption {
                p { "Lowest:" }
                ol.worst {
                    @for (_, f) in &worst {
                        li { code { (text::name(&f.name)) } " " span.op { (text::name(&f.op)) } " " b { (text::decibels(f.snr_db)) } }
                    }
                }
            }
        }
    }
}

/// The measured instructions with their positions in the program.
fn bars<'a>(report: &Report<'a>) -> Vec<(usize, &'a Fidelity)> {
    let position = |f: &Fidelity| {
        let instructions = &report.program.instructions;
        instructions.binary_search_by_key(&f.instruction, |i| i.index).ok()
    };
    report.facts.fidelity.iter().take(MAX_BARS).filter_map(|f| Some((position(f)?, f))).collect()
}

/// The lowest, in the order of the program.
fn worst<'a>(bars: &[(usize, &'a Fidelity)]) -> Vec<(usize, &'a Fidelity)> {
    let mut lowest = bars.to_vec();
    lowest.sort_by(|a, b| a.1.snr_db.total_cmp(&b.1.snr_db));
    lowest.truncate(WORST);
    lowest.sort_by_key(|(position, _)| *position);
    lowest
}

/// `worst`, each with the level of its pin: neighbours are put above each other.
fn pins<'a>(worst: &[(usize, &'a Fidelity)], count: usize) -> Vec<(usize, &'a Fidelity, usize)> {
    let mut pins: Vec<(usize, &Fidelity, usize)> = Vec::new();
    for &(position, f) in worst {
        let near = |(last, _, level): &(usize, &Fidelity, usize)| {
            if 20 * (position - last) < count { (level + 1) % 3 } else { 0 }
        };
        let level = pins.last().map_or(0, near);
        pins.push((position, f, level));
    }
    pins
}

/// A sliver stays visible at the bottom.
fn height(f: &Fidelity, top: f64) -> f64 {
    if f.snr_db.is_finite() { f.snr_db.clamp(top * 0.01, top) } else { top * 0.01 }
}

fn bar(position: usize, f: &Fidelity, top: f64) -> Markup {
    let height = height(f, top);
    html! {
        rect class=(band(f.snr_db)) x=(position as f64 + 0.08) width="0.84"
            y=(format!("{:.2}", top - height)) height=(format!("{height:.2}")) {
            title { (text::name(&f.name)) " (" (text::name(&f.op)) "): " (text::decibels(f.snr_db)) }
        }
    }
}

fn table(all: &[Fidelity]) -> Markup {
    html! {
        table {
            thead { tr { th.n { "#" } th { "Output" } th { "Op" } th.n { "SNR" } } }
            tbody {
                @for f in all.iter().take(MAX_ROWS) {
                    tr {
                        td.n { (f.instruction) }
                        td { code { (text::name(&f.name)) } }
                        td { (text::name(&f.op)) }
                        td.n { i class={ "swatch " (band(f.snr_db)) } {} (text::decibels(f.snr_db)) }
                    }
                }
            }
        }
    }
}
