//! The bundled checkpoint against what the I-ViT authors' PyTorch code computes.
//!
//! That code keeps its integers in float32: exact up to the first attention scores, from
//! Shiftmax on it rounds. So intermediates are compared up to there, predictions at the end.

use std::thread::available_parallelism;

use ::data::{Dataset, npz};
use converter::BuildOptions;
use runtime::Model;
use shiftformer_tests::data::{self, Score};
use shiftformer_tests::kernels::fastest;
use shiftformer_tests::memory::Aligned;
use shiftformer_tests::run;

fn score(images: &Dataset) -> Score {
    let file = Aligned::copy(&data::qat(BuildOptions::default()));
    let model = Model::new(&file).unwrap();
    let frames = data::frames(images, images.len());
    let threads = available_parallelism().map_or(1, usize::from);
    let logits = run::outputs(&model, &frames, fastest(), threads);
    let score = data::score(&logits, images.labels().unwrap(), &data::golden_predictions("ivit_logits"));
    println!("{} images: {score:?}", frames.len());
    score
}

#[test]
fn predictions_of_the_bundled_images() {
    let score = score(&data::test_images());
    assert!(score.agreement >= 99.0, "{score:?}");
    assert!((score.top1 - 92.6).abs() <= 0.5, "{score:?}");
}

/// On all 10,000 test images.
mod full {
    use super::*;

    #[test]
    #[ignore = "needs the whole data set: Debian's package dataset-fashion-mnist"]
    fn predictions_of_all_images() {
        let images = data::all_test_images();
        let score = score(&images);
        assert!(score.agreement >= 99.0, "{score:?}");
        assert!((score.top1 - 91.50).abs() <= 0.10, "{score:?}");
    }
}

/// Intermediates up to the first attention scores: ours, theirs.
const EXACT: [(&str, &str); 6] = [
    ("qact_input", "qact_input"),
    ("patch_embed.qact", "patch_embed/qact"),
    ("qact1", "qact1"),
    ("blocks.0.qact1", "blocks/0/qact1"),
    ("blocks.0.attn.qact1", "blocks/0/attn/qact1"),
    ("blocks.0.attn.qact_attn1", "blocks/0/attn/qact_attn1"),
];

#[test]
fn intermediates_up_to_the_first_scores() {
    let trace = data::path("ivit_trace.npz");
    let (shape, pixels) = npz::read_i32(&trace, "images").unwrap();
    let pixels: Vec<u8> = pixels.into_iter().map(|p| p as u8).collect();
    let file = data::qat(BuildOptions { fuse: false, arena: None });
    for (image, pixels) in pixels.chunks(pixels.len() / shape[0]).enumerate() {
        let ours = run::trace(&file, &[pixels.to_vec()], &quant::REFERENCE, 0);
        for (name, array) in EXACT {
            let (shape, theirs) = npz::read_i32(&trace, array).unwrap();
            let theirs = theirs.chunks(theirs.len() / shape[0]).nth(image).unwrap();
            let ours = ours.of(name);
            assert_eq!(ours.len(), theirs.len(), "{name}");
            let differ: Vec<_> = (0..ours.len()).filter(|&i| ours[i] != theirs[i]).collect();
            let shown: Vec<_> = differ.iter().take(8).map(|&i| (i, ours[i], theirs[i])).collect();
            assert!(
                differ.is_empty(),
                "image {image}, {name}: {} of {}: {shown:?}",
                differ.len(),
                ours.len()
            );
        }
    }
}

#[test]
fn the_bundled_container_is_what_is_converted() {
    let again = "shiftformer convert data/vit_fmnist_ivit_qat.safetensors -o data/vit_fmnist.shf";
    assert!(data::bundled() == data::qat(BuildOptions::default()), "make it again: {again}");
}
