//! What makes a calibration or a comparison worth less than its figures.

use facts::{Change, ChangeKind, Comparison, Facts};

use super::text;

/// Fewer calibration images than these are remarked on.
const FEW_IMAGES: usize = 16;

/// In whole sentences, what a reader of the figures of `facts` has to know about their images.
pub fn remarks(facts: &Facts) -> Vec<String> {
    let mut remarks = Vec::new();
    let (all, constant, repeated) = (facts.calibration_images, facts.constant_images, facts.repeated_images);
    if (1..FEW_IMAGES).contains(&all) {
        remarks.push(format!(
            "{} calibrated the model: ranges of so few do not hold for others, 32 are enough to begin with.",
            text::many(all, "image")
        ));
    }
    if constant > 0 {
        let what = if constant == all { "All of them show" } else { "Some of them show" };
        remarks.push(format!(
            "{what} one value throughout ({}): such images tell nothing.",
            text::many(constant, "image")
        ));
    }
    if repeated > 0 {
        remarks.push(format!("{} equal an earlier one.", text::many(repeated, "calibration image")));
    }
    remarks.extend(left_out(&facts.changes));
    remarks.extend(facts.comparisons.iter().take(1).flat_map(about));
    remarks
}

/// On calibration images that were outliers.
fn left_out(changes: &[Change]) -> Option<String> {
    let outliers: Vec<&Change> = changes.iter().filter(|one| one.kind == ChangeKind::LeftOut).collect();
    let first = outliers.first()?;
    Some(format!(
        "{} did not calibrate: there the float model leaves the range of all others (`{}`: {}). On such images the \
         integers are cut off, and the answers may differ. Weights of a channel of almost no variance in training \
         cause this.",
        text::many(outliers.len(), "image"),
        first.layer,
        first.why
    ))
}

fn about(comparison: &Comparison) -> Vec<String> {
    let mut remarks = Vec::new();
    if comparison.seen {
        remarks.push(
            "No image was left to compare on: the figures are those of images that calibrated the model, and \
             better than of others. Give more images than calibrate it."
                .to_owned(),
        );
    }
    if let Some(percent) = comparison.largest_class.filter(|percent| *percent > 50.0) {
        remarks.push(format!(
            "The float model gives one class for {} of the images: agreement on them is easy. Check the \
             normalisation of pixels, and give images of all classes.",
            text::percent(percent, 1)
        ));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(images: usize, seen: bool, largest_class: Option<f64>) -> Facts {
        let comparison = Comparison {
            data: String::new(),
            images,
            seen,
            outputs: Vec::new(),
            largest_class,
            agreement: Some(100.0),
            cosine: 1.0,
            float_top1: None,
            integer_top1: None,
        };
        Facts { calibration_images: images, comparisons: vec![comparison], ..Facts::default() }
    }

    #[test]
    fn images_that_tell_little_are_remarked_on() {
        assert!(remarks(&facts(32, false, Some(50.0))).is_empty());
        let black = Facts { constant_images: 2, repeated_images: 1, ..facts(2, true, Some(100.0)) };
        let words = [
            "calibrated the model",
            "one value throughout",
            "equal an earlier one",
            "No image was left",
            "one class",
        ];
        let found = remarks(&black);
        assert_eq!(found.len(), words.len(), "{found:?}");
        for (remark, word) in found.iter().zip(words) {
            assert!(remark.contains(word), "{remark}");
        }
    }
}
