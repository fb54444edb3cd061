//! The same bytes everywhere: run these tests on another architecture to see it.

use converter::BuildOptions;
use converter::program::{repack, write};
use quant::bits::BitPack;
use quant::pack::{Pack, Packs};
use runtime::Model;
use sha2::{Digest, Sha256};
use shiftformer_tests::data;
use shiftformer_tests::kernels::KERNEL_SETS;
use shiftformer_tests::memory::Aligned;
use shiftformer_tests::{binary, run};

/// SHA-256 of the logits (i32, little-endian) of the first 50 bundled images.
const PINNED: &str = "1c217025ab25fb51bbcd1f4a62b761a25f49b7dfa3c34b7d61e71a52b2e4c232";
const IMAGES: usize = 50;

/// SHA-256 of what every instruction of [`binary::program`] writes (i32, little-endian).
const PINNED_BINARY: &str = "c166d1bd377ededd78023ccf9d807004632da8f79b744743cd4d7f499b63bdff";

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

#[test]
fn a_binary_program_is_pinned_for_every_kernel_set_layout_and_tile() {
    for tile in [None, Some(1), Some(7), Some(binary::TOKENS)] {
        let program = binary::program(tile);
        for int8 in Pack::ALL {
            for bits in BitPack::ALL {
                let packs = Packs { int8, bits };
                let file = write(&repack(&program.container, packs)).unwrap();
                for make in KERNEL_SETS {
                    let mut kernels = make();
                    let trace = run::trace(&file, &program.inputs, &mut *kernels, 0x3c);
                    let values: Vec<Vec<i32>> = trace.written.into_iter().map(|w| w.values).collect();
                    let what = format!("{} {packs:?} tile {tile:?}", kernels.name());
                    assert_eq!(digest(&values), PINNED_BINARY, "{what}");
                }
            }
        }
    }
}
