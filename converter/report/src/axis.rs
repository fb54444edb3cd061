//! Axes shared by the pictures: instructions from left to right.
//!
//! Bars and rectangles are SVG stretched to the width of the page; text is HTML placed by
//! percentages above it, so that it keeps its size on every screen.

use maud::{Markup, html};

use super::container::InstructionFacts;
use super::text;

/// Labels below a picture at most; a phone shows every other one.
const LABELS: usize = 8;

/// Instructions that make a part of the model.
const PART: usize = 3;

/// Where the parts of the model begin, by the first number in the instructions' names
/// (`blocks.3.attn` belongs to `blocks.3`).
pub(super) fn landmarks(instructions: &[InstructionFacts]) -> Vec<(usize, String)> {
    let mut start = 0;
    let mut all = Vec::new();
    for run in instructions.chunk_by(|a, b| part(&a.name) == part(&b.name)) {
        if let (Some(part), true) = (part(&run[0].name), run.len() >= PART) {
            all.push((start, part.to_owned()));
        }
        start += run.len();
    }
    let step = all.len().div_ceil(LABELS).max(1);
    all.into_iter().step_by(step).collect()
}

/// The last word before the first number of `name`, with that number.
fn part(name: &str) -> Option<&str> {
    let digit = name.find(|c: char| c.is_ascii_digit())?;
    let end = name[digit..].find(|c: char| !c.is_ascii_digit()).map_or(name.len(), |len| digit + len);
    let word = name[..digit].trim_end_matches(['.', '_', '/']);
    let start = word.rfind(['.', '/']).map_or(0, |at| at + 1);
    (start < word.len()).then(|| &name[start..end])
}

/// The labels below a picture of `count` columns.
pub(super) fn below(landmarks: &[(usize, String)], count: usize) -> Markup {
    html! {
        div.xaxis aria-hidden="true" {
            @for (position, label) in landmarks {
                span style={ "left:" (percent(*position as f64, count as f64)) } { (text::name(label)) }
            }
        }
    }
}

/// Faint lines where the parts of the model begin, in a picture `height` units high.
pub(super) fn lines(landmarks: &[(usize, String)], height: f64) -> Markup {
    html! {
        @for (position, _) in landmarks {
            line.mark x1=(position) x2=(position) y1="0" y2=(height) {}
        }
    }
}

/// `part / whole` as a CSS percentage.
pub(super) fn percent(part: f64, whole: f64) -> String {
    let share = if whole > 0.0 { (100.0 * part / whole).clamp(0.0, 100.0) } else { 0.0 };
    format!("{share:.2}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_recognised_in_several_namings() {
        let cases = [
            ("blocks.3.attn.qact1", Some("blocks.3")),
            ("/encoder/layer.11/Add_output_0", Some("layer.11")),
            ("model_7", Some("model_7")),
            ("norm", None),
            ("0.weight", None),
            ("é.1", Some("é.1")),
        ];
        for (name, expected) in cases {
            assert_eq!(part(name), expected, "{name}");
        }
    }
}
