//! Ranges and outliers of every activation.

use facts::TensorFact;
use maud::{Markup, html};

use super::table::{MAX_ROWS, more, scroll};
use super::text;

/// Share of values cut off, and outlier ratio, that are pointed out.
const CLIPPED: f64 = 0.001;
const OUTLIERS: f64 = 8.0;

pub(super) fn section(tensors: &[TensorFact]) -> Markup {
    let clipped = tensors.iter().filter(|t| t.clipped > CLIPPED).count();
    let outliers = tensors.iter().filter(|t| t.outlier_ratio > OUTLIERS).count();
    html! {
        section id="ranges" {
            h2 { "Ranges and outliers" }
            @if tensors.is_empty() {
                p.empty { "No activations were calibrated: the model brought its own scales." }
            } @else {
                p {
                    "What was seen in each activation against what its integers can represent. "
                    (text::many(clipped, "activation")) " of " (tensors.len()) " lose more than 0.1 % of their values to clipping; "
                    (text::many(outliers, "activation")) " have outliers beyond " (OUTLIERS) " times the 99.9th percentile."
                }
                div.legend {
                    span { i.r-band {} "can be represented" }
                    span { i.r-seen {} "seen" }
                    span { i.r-cut {} "seen, but cut off" }
                }
                (scroll("Ranges", table(tensors)))
                (more(tensors.len()))
            }
        }
    }
}

fn table(tensors: &[TensorFact]) -> Markup {
    html! {
        table {
            thead { tr {
                th { "Activation" } th.n { "Bits" } th { "Range" } th.n { "Seen" } th.n { "Represented" }
                th.n { "Clipped" } th.n { "Outliers" } th { "Method" }
            } }
            tbody {
                @for t in tensors.iter().take(MAX_ROWS) {
                    tr {
                        td { code { (text::name(&t.name)) } }
                        td.n { (t.bits) }
                        td { (range(t)) }
                        td.n { (interval(t.min, t.max)) }
                        td.n { (interval(t.range[0], t.range[1])) }
                        td.n.hot[t.clipped > CLIPPED] { (text::share(t.clipped)) }
                        td.n.hot[t.outlier_ratio > OUTLIERS] { (text::real(t.outlier_ratio)) "×" }
                        td { (text::name(&t.method)) }
                    }
                }
            }
        }
    }
}

fn interval(from: f64, to: f64) -> String {
    format!("{} … {}", text::real(from), text::real(to))
}

/// The range bar of `t`, 100 units wide: a band for what can be represented, a line for
/// what was seen, and a tick at zero.
fn range(t: &TensorFact) -> Markup {
    let [low, high] = t.range;
    let ends = [t.min, t.max, low, high];
    if ends.iter().any(|x| !x.is_finite()) || t.min > t.max || low > high {
        return html! { "–" };
    }
    let (from, to) = ends.iter().fold((0f64, 0f64), |(from, to), &x| (from.min(x), to.max(x)));
    let whole = if to > from { to - from } else { 1.0 };
    let at = |x: f64| 100.0 * ((x - from) / whole);
    let bar = |class: &str, from: f64, to: f64, y: u32, height: u32| {
        let width = (at(to) - at(from)).max(0.0);
        html! { @if width > 0.05 {
            rect class=(class) x=(format!("{:.1}", at(from))) width=(format!("{width:.1}")) y=(y) height=(height) {}
        } }
    };
    html! {
        svg.range viewBox="0 0 100 14" preserveAspectRatio="none" role="img"
            aria-label={ "seen " (interval(t.min, t.max)) ", represented " (interval(low, high)) } {
            (bar("r-band", low, high, 1, 12))
            (bar("r-cut", t.min, low.min(t.max), 4, 6))
            (bar("r-seen", t.min.max(low), t.max.min(high), 4, 6))
            (bar("r-cut", high.max(t.min), t.max, 4, 6))
            line.zero x1=(format!("{:.1}", at(0.0))) x2=(format!("{:.1}", at(0.0))) y1="0" y2="14" {}
        }
    }
}
