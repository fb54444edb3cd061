//! The answer in plain words: is it as accurate, and does it fit.

use boards::OWNED;
use facts::Comparison;
use maud::{Markup, html};

use super::disagreement::disagreement;
use super::remarks::remarks;
use super::subject::Report;
use super::text;

/// How the integer program compares with the float model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    Same,
    Close,
    Worse,
    Unknown,
}

impl Grade {
    /// Worse where it is no answer to the same question. Else by the loss of accuracy where labels
    /// were given, else by agreement, else by cosine.
    fn of(comparison: Option<&Comparison>) -> Grade {
        if comparison.is_some_and(|c| c.agrees() == Some(false)) {
            return Grade::Worse;
        }
        let Some(c) = comparison.filter(|c| !c.seen) else { return Grade::Unknown };
        // Limits for the same answers, and for close ones.
        let (distance, same, close) = match (c.float_top1, c.integer_top1, c.agreement) {
            (Some(float), Some(integer), _) => (float - integer, 0.5, 2.0),
            (_, _, Some(agreement)) => (100.0 - agreement, 1.0, 5.0),
            _ => (1.0 - c.cosine, 0.001, 0.02),
        };
        if distance <= same {
            Grade::Same
        } else if distance <= close {
            Grade::Close
        } else {
            Grade::Worse
        }
    }

    fn class(self) -> &'static str {
        match self {
            Grade::Same => "good",
            Grade::Close => "fair",
            Grade::Worse => "poor",
            Grade::Unknown => "none",
        }
    }

    /// Of accuracy only where labels were given.
    fn words(self, labelled: bool) -> &'static str {
        match (self, labelled) {
            (Grade::Same, true) => "As accurate as the float model",
            (Grade::Close, true) => "Close to the float model",
            (Grade::Worse, true) => "Less accurate than the float model",
            (Grade::Same, false) => "Agrees with the float model, accuracy unknown",
            (Grade::Close, false) => "Mostly agrees with the float model, accuracy unknown",
            (Grade::Worse, false) => "Differs from the float model, accuracy unknown",
            (Grade::Unknown, _) => "Not compared with the float model on unseen images",
        }
    }
}

/// The comparison that the verdict rests on: with labels if there is one, the last given.
fn decisive(comparisons: &[Comparison]) -> Option<&Comparison> {
    let labelled = comparisons.iter().rev().find(|c| c.integer_top1.is_some());
    labelled.or(comparisons.last())
}

/// The head of the page.
pub(super) fn section(report: &Report<'_>) -> Markup {
    let comparison = decisive(&report.facts.comparisons);
    let grade = Grade::of(comparison);
    let labelled = comparison.is_some_and(|c| c.integer_top1.is_some());
    let program = report.program;
    let fitting: Vec<_> =
        OWNED.iter().filter(|b| b.fit(program.flash_bytes, program.arena_bytes).fits()).collect();
    // Good and bad news are joined by "but".
    let and = if fitting.is_empty() == (grade == Grade::Worse) { "and" } else { "but" };
    let boards = match fitting.len() {
        0 => format!("fits none of {}", text::many(OWNED.len(), "board")),
        all if all == OWNED.len() => format!("fits all {}", text::many(all, "board")),
        some => format!("fits {some} of {}", text::many(OWNED.len(), "board")),
    };
    html! {
        header.verdict {
            p.eyebrow { "Conversion report" }
            h1 { (text::name(report.model)) }
            p.lead {
                strong class={ "grade " (grade.class()) } { (grade.words(labelled)) }
                ", " (and) " it " (boards) "."
            }
            p.sentence { (accuracy_sentence(comparison)) " " (size_sentence(report)) }
            @for remark in disagreement(report.facts).into_iter().chain(remarks(report.facts)) {
                p.sentence { (remark) }
            }
            div.cards {
                @if let Some(c) = comparison { (accuracy_cards(c)) }
                (card("Flash", &text::bytes(program.flash_bytes), "the container, read in place"))
                (card("RAM", &text::bytes(program.arena_bytes), "the arena, all activations in it"))
                (card("Boards", &format!("{} of {}", fitting.len(), OWNED.len()), "have room for it"))
            }
        }
    }
}

fn accuracy_sentence(comparison: Option<&Comparison>) -> String {
    let Some(c) = comparison else {
        return "No images were given to compare the two models on.".to_owned();
    };
    let images = text::many(c.images, if c.seen { "calibration image" } else { "unseen image" });
    let mut parts = Vec::new();
    if let (Some(float), Some(integer)) = (c.float_top1, c.integer_top1) {
        let (float, integer) = (text::percent(float, 1), text::percent(integer, 1));
        parts.push(format!("top-1 {float} in floating point, {integer} in integers"));
    }
    match c.agreement {
        Some(agreement) => {
            parts.push(format!("the same answer on {} of {images}", text::percent(agreement, 1)));
        }
        None => parts.push(format!("a mean cosine of {} over {images}", text::fixed(c.cosine, 4))),
    }
    let mut sentence = parts.join("; ");
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    sentence + "."
}

fn size_sentence(report: &Report<'_>) -> String {
    let program = report.program;
    let (flash, arena) = (text::bytes(program.flash_bytes), text::bytes(program.arena_bytes));
    let macs = text::large(program.macs);
    let steps = text::many(program.instructions.len(), "instruction");
    format!("It takes {flash} of flash and {arena} of RAM: {steps}, {macs} multiply-accumulates an image.")
}

fn accuracy_cards(c: &Comparison) -> Markup {
    html! {
        @if let (Some(float), Some(integer)) = (c.float_top1, c.integer_top1) {
            (card("Top-1", &text::percent(integer, 1), &format!("{} in floating point", text::percent(float, 1))))
        }
        @if let Some(agreement) = c.agreement {
            (card("Same answer", &text::percent(agreement, 1), &format!("of {}", text::many(c.images, "image"))))
        } @else {
            (card("Cosine", &text::fixed(c.cosine, 4), &format!("over {}", text::many(c.images, "image"))))
        }
    }
}

fn card(label: &str, figure: &str, note: &str) -> Markup {
    html! {
        div.card {
            div.label { (label) }
            div.figure { (figure) }
            div.note { (note) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(agreement: Option<f64>, top1: Option<[f64; 2]>, cosine: f64) -> Comparison {
        Comparison {
            data: String::new(),
            images: 1000,
            seen: false,
            outputs: Vec::new(),
            largest_class: None,
            agreement,
            cosine,
            float_top1: top1.map(|t| t[0]),
            integer_top1: top1.map(|t| t[1]),
        }
    }

    #[test]
    fn labels_decide_before_agreement_before_cosine() {
        let cases = [
            (None, Grade::Unknown),
            (Some(comparison(Some(90.0), Some([91.5, 91.4]), 0.9)), Grade::Same),
            (Some(comparison(Some(99.9), Some([91.5, 88.0]), 1.0)), Grade::Worse),
            (Some(comparison(Some(97.0), None, 0.5)), Grade::Close),
            (Some(comparison(None, None, 0.9999)), Grade::Same),
            (Some(comparison(None, None, f64::NAN)), Grade::Worse),
        ];
        for (comparison, grade) in cases {
            assert_eq!(Grade::of(comparison.as_ref()), grade, "{comparison:?}");
        }
        let seen = Comparison { seen: true, ..comparison(Some(100.0), None, 1.0) };
        assert_eq!(Grade::of(Some(&seen)), Grade::Unknown);
        assert!(Grade::Same.words(false).ends_with("accuracy unknown"));
    }

    #[test]
    fn the_sentence_states_its_figures() {
        let c = comparison(Some(99.1), Some([91.5, 91.4]), 0.999);
        assert_eq!(
            accuracy_sentence(Some(&c)).replace('\u{a0}', " "),
            "Top-1 91.5 % in floating point, 91.4 % in integers; the same answer on 99.1 % of 1,000 unseen images."
        );
    }
}
