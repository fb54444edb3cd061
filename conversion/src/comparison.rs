//! What `convert` says of float and integer answers.

use facts::{Comparison, OutputComparison};
use serde::Serialize;
use shiftformer::runtime::{Ending, OutputKind};
use shiftformer::{OutputInfo, Reading};

/// How an output is read.
#[derive(Debug, Serialize)]
pub struct Told {
    /// Its name.
    pub output: String,
    /// `shares`, `chances`, `class`, `values`, `vector` or `map`.
    pub answer: &'static str,
    /// What the model computes at the end, such as `softmax`; null where it is nothing.
    pub ending: Option<&'static str>,
    /// Values of one position: classes, where there are classes.
    pub channels: usize,
}

impl Told {
    /// How `output` is read.
    pub fn new(output: &OutputInfo<'_>) -> Self {
        Self {
            output: output.name.to_owned(),
            answer: output.reading().name(),
            ending: output.ending.map(Ending::name),
            channels: output.channels(),
        }
    }
}

/// Parts of names that say that an output is of classes.
const OF_CLASSES: [&str; 6] = ["logit", "class", "head", "prob", "score", "pred"];
/// More numbers than these are no usual regression.
const FEW: usize = 16;

/// That a few numbers are read as logits of classes although the model does not say so; none where
/// it does.
pub fn unsaid(output: &OutputInfo<'_>) -> Option<String> {
    let name = output.name.to_lowercase();
    let said = output.ending.is_some() || OF_CLASSES.iter().any(|part| name.contains(part));
    let logits = output.kind == OutputKind::Logits && output.reading() == Reading::Shares;
    (logits && !said && output.len <= FEW).then(|| {
        format!(
            "{} is read as logits of {} classes, for nothing in the model says otherwise. Numbers of a regression \
             are read as such where the output's name says regression, coordinates, boxes, landmarks or keypoints.",
            output.name, output.len
        )
    })
}

/// The lines that hold the integer answers against the float ones.
pub fn words(compared: &Comparison, answers: &[Told]) -> String {
    let which = if compared.seen { "that calibrated it" } else { "unseen" };
    let labels = |told: &Told| told.answer == "chances" && told.channels > 1;
    let mut text = format!("\non {} {}, {which}: ", compared.images, compared.data);
    let numbers = |told: &Told| told.answer == "values";
    text += &match compared.agreement {
        Some(agreement) if answers.iter().any(labels) => {
            format!("agrees with float on the first label of {agreement:.2} %")
        }
        Some(agreement) => format!("agrees with float on {agreement:.2} %"),
        None if !answers.is_empty() && answers.iter().all(numbers) => "errors of the numbers".to_owned(),
        None => format!("cosine of the outputs {:.5}", compared.cosine),
    };
    if let (Some(float), Some(integer)) = (compared.float_top1, compared.integer_top1) {
        text += &format!(", top-1 {float:.2} % float, {integer:.2} % integer");
    } else if compared.agreement.is_some() {
        text += ", accuracy unknown without labels";
    }
    let figures = compared.outputs.iter().zip(answers);
    text + &figures.map(|(output, told)| figures_of(output, told)).collect::<String>()
}

/// The line of numbers, or of several labels; none of other outputs.
fn figures_of(output: &OutputComparison, told: &Told) -> String {
    let name = &output.output;
    if let (Some(same), Some(yes)) = (output.decisions, output.yes) {
        return format!(
            "\n{name}: {same:.2} % of the decisions at one half are float's, which says yes to {yes:.2} %"
        );
    }
    if told.answer != "values" {
        return String::new();
    }
    let r2 = output.r2.map(|r2| format!(", R² {r2:.4}")).unwrap_or_default();
    format!("\n{name}: mean error {:.4e}{r2}", output.mean_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(answer: &'static str, channels: usize) -> Told {
        Told { output: "y".into(), answer, ending: None, channels }
    }

    fn compared(agreement: Option<f64>, r2: Option<f64>, decisions: Option<f64>) -> Comparison {
        let output = OutputComparison {
            output: "y".into(),
            kind: "values".into(),
            ending: None,
            snr_db: Some(30.0),
            constant: false,
            mean_error: 0.0125,
            r2,
            decisions,
            yes: decisions.map(|_| 12.5),
        };
        Comparison {
            data: "images".into(),
            images: 12,
            seen: false,
            largest_class: None,
            agreement,
            cosine: 0.5,
            float_top1: None,
            integer_top1: None,
            outputs: vec![output],
        }
    }

    #[test]
    fn numbers_have_errors_and_labels_decisions() {
        let numbers = words(&compared(None, Some(0.98), None), &[told("values", 2)]);
        assert_eq!(
            numbers,
            "\non 12 images, unseen: errors of the numbers\ny: mean error 1.2500e-2, R² 0.9800"
        );
        let labels = words(&compared(Some(90.0), None, Some(97.5)), &[told("chances", 4)]);
        assert!(labels.contains("on the first label of 90.00 %"), "{labels}");
        assert!(
            labels
                .ends_with("y: 97.50 % of the decisions at one half are float's, which says yes to 12.50 %")
        );
        let vector = words(&compared(None, None, None), &[told("vector", 4)]);
        assert_eq!(vector, "\non 12 images, unseen: cosine of the outputs 0.50000");
    }

    #[test]
    fn numbers_that_may_be_a_regression_are_remarked_on() {
        let output = |name, ending, len| OutputInfo {
            index: 0,
            name,
            kind: OutputKind::Logits,
            ending,
            shape: [len as u32, 1, 1, 1],
            scale: 1.0,
            len,
        };
        assert!(
            unsaid(&output("output", None, 4)).unwrap().contains("output is read as logits of 4 classes")
        );
        for said in [
            output("logits", None, 4),
            output("output", Some(Ending::Softmax), 4),
            output("output", None, 100),
            output("output", None, 1),
        ] {
            assert_eq!(unsaid(&said), None, "{said:?}");
        }
    }
}
