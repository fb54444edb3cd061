//! A program that is no answer to its model's question: where it breaks, and the way out.

use facts::{AGREES_DB, Comparison, Facts, Fidelity, OutputComparison};

use super::text;

/// In whole sentences, that the program of `facts` does not follow its float model; none where it
/// does, or was not compared.
pub fn disagreement(facts: &Facts) -> Option<String> {
    let broken = |comparison: &Comparison| comparison.agrees() == Some(false);
    let comparison = facts.comparisons.iter().find(|comparison| broken(comparison))?;
    let outputs = comparison.outputs.iter().filter(|output| !output.agrees());
    let what: Vec<String> = outputs.take(3).map(|output| words(output, comparison.images)).collect();
    let (place, way) = match breaks(&facts.fidelity) {
        Some(fidelity) => {
            let name = text::name(&fidelity.name);
            let place = format!(
                " It breaks at `{name}` ({}, {}).",
                text::name(&fidelity.op),
                text::decibels(fidelity.snr_db)
            );
            (place, format!("16 bits for the layers up to `{name}`, --precision LAYER=i16"))
        }
        None => (String::new(), "16 bits for its layers, --precision LAYER=i16".to_owned()),
    };
    Some(format!(
        "The program does not answer as the float model does: {}.{place} Ways out: {way}, or for all that gain \
         by them, --escalate 100; more images of the task to calibrate with; a model whose values are within \
         a few powers of ten of each other.",
        what.join("; ")
    ))
}

fn words(output: &OutputComparison, images: usize) -> String {
    let name = text::name(&output.output);
    match output.snr_db {
        _ if output.constant => {
            format!("`{name}` is the same for all {}, the float model's is not", text::many(images, "image"))
        }
        Some(snr) => format!("the signal of `{name}` is {} over its error", text::decibels(snr)),
        None => format!("`{name}` differs"),
    }
}

/// The first instruction whose output is mostly error, or the worst.
fn breaks(fidelity: &[Fidelity]) -> Option<&Fidelity> {
    let first = fidelity.iter().find(|fidelity| fidelity.snr_db < AGREES_DB);
    first.or_else(|| fidelity.iter().min_by(|a, b| a.snr_db.total_cmp(&b.snr_db)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(snr_db: Option<f64>, constant: bool) -> Facts {
        let output = OutputComparison {
            output: "logits".into(),
            kind: "logits".into(),
            ending: None,
            snr_db,
            constant,
            mean_error: 0.5,
            r2: None,
            decisions: None,
            yes: None,
        };
        let comparison = Comparison {
            data: String::new(),
            images: 8,
            seen: false,
            largest_class: None,
            agreement: None,
            cosine: 0.5,
            float_top1: None,
            integer_top1: None,
            outputs: vec![output],
        };
        let fidelity = [("stem", 31.0), ("mix", 4.0), ("head", -1.0)];
        let fidelity = fidelity.into_iter().enumerate().map(|(instruction, (name, snr_db))| Fidelity {
            instruction,
            name: name.into(),
            op: "Linear".into(),
            snr_db,
        });
        Facts { fidelity: fidelity.collect(), comparisons: vec![comparison], ..Facts::default() }
    }

    #[test]
    fn an_output_that_is_mostly_error_is_named_with_the_place_where_it_breaks() {
        let words = disagreement(&facts(Some(-1.2), false)).unwrap().replace('\u{a0}', " ");
        for part in ["`logits` is −1.2 dB over its error", "breaks at `mix` (Linear, 4.0 dB)", "--precision"]
        {
            assert!(words.contains(part), "{words}");
        }
        let words = disagreement(&facts(Some(40.0), true)).unwrap();
        assert!(words.contains("the same for all 8 images"), "{words}");
        let sound = Facts { fidelity: Vec::new(), ..facts(Some(3.0), false) };
        assert!(!disagreement(&sound).unwrap().contains("breaks"));
    }

    #[test]
    fn what_agrees_or_was_not_compared_is_passed_over() {
        assert_eq!(disagreement(&facts(Some(6.0), false)), None);
        assert_eq!(disagreement(&facts(None, false)), None);
        let mut without = facts(Some(-1.2), false);
        without.comparisons[0].outputs.clear();
        assert_eq!(disagreement(&without), None);
        assert_eq!(disagreement(&Facts::default()), None);
    }
}
