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
