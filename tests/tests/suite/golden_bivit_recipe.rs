//! The model of the training recipe, converted with the integers of its file, against the
//! recipe's own forward pass.

use std::thread::available_parallelism;

use ::data::Dataset;
use converter::BuildOptions;
use runtime::Model;
use shiftformer_tests::data::{self, Score};
use shiftformer_tests::kernels::fastest;
use shiftformer_tests::memory::Aligned;
use shiftformer_tests::run;

/// Percent of the answers that are the recipe's, of the first 1,000 images.
const LEAST: f64 = 99.8;
const LEAST_TOP1: f64 = 89.7;

fn score(images: &Dataset) -> Score {
    let container = data::recipe(BuildOptions::default());
    assert!(container.len() <= 72 * 1024, "{} bytes", container.len());
    let file = Aligned::copy(&container);
    let model = Model::new(&file).unwrap();
    let frames = data::frames(images, images.len());
    let threads = available_parallelism().map_or(1, usize::from);
    let logits = run::outputs(&model, &frames, fastest(), threads);
    let (labels, golden) = (images.labels().unwrap(), data::golden_recipe_predictions());
    let Score { agreement, .. } = data::score(&logits[..golden.len()], labels, &golden);
    let score = Score { agreement, ..data::score(&logits, labels, &golden) };
    println!("{} images, {} bytes, arena {}: {score:?}", frames.len(), container.len(), model.arena_len());
    score
}

#[test]
fn predictions_of_the_bundled_images() {
    let score = score(&data::test_images());
    assert!(score.agreement >= LEAST && score.top1 >= LEAST_TOP1, "{score:?}");
}

/// On all 10,000 test images.
mod full {
    use super::*;

    #[test]
    #[ignore = "needs the whole data set: Debian's package dataset-fashion-mnist"]
    fn predictions_of_all_images() {
        let images = data::all_test_images();
        let score = score(&images);
        assert!(score.agreement >= LEAST && score.top1 >= LEAST_TOP1, "{score:?}");
    }
}
