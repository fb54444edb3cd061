//! On the bundled model and on small exports of other architectures.

use std::path::{Path, PathBuf};

use shiftformer_oracle::compare;
use shiftformer_tests::data;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name).with_extension("onnx")
}

/// Frames of any bytes.
fn noise(len: usize) -> Vec<Vec<u8>> {
    (0..3_usize).map(|seed| (0..len).map(|at| (at * at * 31 + at * 7 + seed * 101) as u8).collect()).collect()
}

#[test]
fn the_bundled_model() {
    compare(&data::path("vit_fmnist_fp32.onnx"), &data::frames(&data::test_images(), 4));
}

#[test]
fn classifiers_of_either_exporter() {
    for name in
        ["encoder_post_norm", "encoder_pre_norm", "multihead", "per_head", "hugging_face", "attention_pool"]
    {
        compare(&fixture(name), &noise(12 * 12));
    }
}

#[test]
fn a_stem_and_a_decoder_of_convolutions() {
    compare(&fixture("dense"), &noise(12 * 12 * 3));
}

#[test]
fn binarized_models() {
    for name in ["binary_straight", "binary_folded", "binary_choice"] {
        compare(&fixture(name), &noise(12 * 12));
    }
}

#[test]
fn weights_in_a_file_of_their_own() {
    compare(&fixture("external"), &noise(12 * 12));
}
