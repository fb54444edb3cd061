//! ONNX models, changed node by node.

use proptest::prelude::*;
use shiftformer_tests::onnx_nodes::{Outcome, check, seeds};

#[test]
fn the_seeds_are_right() {
    let wrong = (0..seeds()).map(|seed| (seed, check(&[seed as u8])));
    let wrong: Vec<_> = wrong.filter(|(_, outcome)| *outcome != Ok(Outcome::Right)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_was_wrong_once_is_right() {
    // Keys that are the values.
    assert_eq!(check(&[252, 115, 231, 53, 186]), Ok(Outcome::Right));
    // A softmax of one element, which is 1 for any image.
    let one = [89, 205, 110, 138, 249, 16, 103, 44, 47, 236, 214, 180, 162, 132, 189, 152, 64];
    assert!(matches!(check(&one), Ok(Outcome::Refused(why)) if why.contains("over one element is always 1")));
    // A number that hardly depends on the image.
    let hardly = [220, 108, 49, 122, 57, 6, 172, 149, 132, 36, 68, 62, 168];
    assert_eq!(check(&hardly), Ok(Outcome::Incomparable));
    // Scores so far apart that only the largest of a row takes part.
    let apart =
        [104, 195, 157, 185, 234, 148, 109, 143, 186, 42, 189, 205, 250, 108, 110, 94, 97, 222, 55, 108, 250];
    assert_eq!(check(&apart), Ok(Outcome::Right));
    // Values that are all far below where a function is 0.
    let below = [176, 220, 105, 196, 225, 162, 68, 99, 37, 209, 117, 23, 14, 119, 225, 245, 180];
    assert_eq!(check(&below), Ok(Outcome::Incomparable));
    // A minimum of numbers and of what is none.
    let none =
        [209, 137, 114, 43, 124, 170, 3, 250, 172, 249, 11, 244, 115, 66, 184, 6, 18, 207, 24, 176, 183];
    assert!(matches!(check(&none), Ok(Outcome::Refused(why)) if why.contains("is not finite")));
    // A difference of values that have no fractions.
    let large = [74, 182, 155, 83, 80, 215, 240, 117, 55, 226, 140, 119, 164];
    assert_eq!(check(&large), Ok(Outcome::Right));
    // Norms of the difference between a tensor and its mean, which is 0 throughout: equal tensors
    // have other errors each.
    assert_eq!(check(&[242, 222, 221, 181, 28, 138, 163, 203, 199]), Ok(Outcome::Incomparable));
    assert_eq!(check(&[134, 2, 173, 136, 44, 89, 142, 133, 2]), Ok(Outcome::Incomparable));
    assert_eq!(check(&[194, 42, 83, 196, 144, 248, 209, 200, 102]), Ok(Outcome::Incomparable));
    // Scores of hundreds in rows that a mask leaves nothing of.
    let hidden =
        [248, 112, 211, 225, 64, 143, 201, 237, 250, 188, 237, 216, 208, 95, 82, 233, 70, 98, 57, 193, 71];
    assert_eq!(check(&hidden), Ok(Outcome::Right));
    // Scores of a row that are all lower than any mask, and kept.
    assert_eq!(check(&[140, 223, 162, 128, 232, 2, 227, 69, 38, 101, 218, 2, 238]), Ok(Outcome::Right));
    // Values of 1e-29.
    assert_eq!(check(&[57, 66, 114, 126, 184, 93, 14, 99, 209, 132, 206, 134, 160]), Ok(Outcome::Right));
    // Pixels that are joined to values beyond theirs.
    assert_eq!(check(&[149, 116, 8, 236, 115, 205, 97, 62, 29, 196, 90, 199, 8]), Ok(Outcome::Right));
    // Pixels, and ten times as much.
    let twice = [187, 107, 229, 202, 93, 130, 225, 244, 165, 9, 156, 233, 205, 175, 75, 54, 250];
    assert_eq!(check(&twice), Ok(Outcome::Right));
    // Probabilities that are joined to pixels of ±2.
    assert_eq!(check(&[18, 6, 95, 11, 227, 106, 49, 222, 129]), Ok(Outcome::Right));
    // A power of one number that has more elements than the base.
    let power =
        [16, 176, 183, 181, 148, 52, 44, 107, 52, 139, 51, 146, 146, 240, 226, 113, 70, 29, 223, 128, 86];
    assert!(matches!(check(&power), Ok(Outcome::Refused(why)) if why.contains("too steep")));
    // A softmax and a sigmoid of six elements, which are left out.
    assert_eq!(check(&[3, 4, 8, 1, 1, 0, 8, 17, 0]), Ok(Outcome::Right));
    assert_eq!(check(&[3, 4, 8, 1, 1, 0, 8, 15, 0]), Ok(Outcome::Right));
}

proptest! {
    #![proptest_config(shiftformer_tests::config(1))]
    #[test]
    fn changed_models_are_refused_or_right(bytes in prop::collection::vec(any::<u8>(), 5..22)) {
        if let Err(wrong) = check(&bytes) {
            return Err(TestCaseError::fail(format!("{bytes:?}: {wrong}")));
        }
    }
}
