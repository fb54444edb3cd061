//! The same bytes everywhere: run these tests on another architecture to see it.

use converter::BuildOptions;
use runtime::Model;
use sha2::{Digest, Sha256};
use shiftformer_tests::data;
use shiftformer_tests::kernels::KERNEL_SETS;
use shiftformer_tests::memory::Aligned;
use shiftformer_tests::run;

/// SHA-256 of the logits (i32, little-endian) of the first 50 bundled images.
const PINNED: &str = "1c217025ab25fb51bbcd1f4a62b761a25f49b7dfa3c34b7d61e71a52b2e4c232";
const IMAGES: usize = 50;

fn digest(logits: &[Vec<i32>]) -> String {
    let mut hasher = Sha256::new();
    logits.iter().flatten().for_each(|logit| hasher.update(logit.to_le_bytes()));
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn logits_are_pinned_for_every_kernel_set_and_number_of_threads() {
    let frames = data::frames(&data::test_images(), IMAGES);
    for fuse in [true, false] {
        let file = Aligned::copy(&data::qat(BuildOptions { fuse, arena: None }));
        let model = Model::new(&file).unwrap();
        for make in KERNEL_SETS {
            for threads in [1, 2, 7] {
                let logits = run::outputs(&model, &frames, *make, threads);
                assert_eq!(digest(&logits), PINNED, "{} fuse {fuse}, {threads} threads", make().name());
            }
        }
    }
}
