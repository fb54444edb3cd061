//! The containers that other architectures run, with what the reference computes here.

use converter::BuildOptions;
use program::{repack, write};
use quant::bits::BitPack;
use quant::pack::{Pack, Packs};
use shiftformer_test_run::cases::{Case, Compared};

use crate::{binary, data};

/// The bundled int8 model, fused and not, on the first `images` test images; and a binarized
/// block with every layout of weights and several tiles.
pub fn cases(images: usize) -> Vec<(String, Case)> {
    let frames = data::frames(&data::test_images(), images);
    let mut cases = Vec::new();
    for fuse in [true, false] {
        let container = data::qat(BuildOptions { fuse, arena: None });
        let name = if fuse { "qat-fused" } else { "qat-apart" };
        cases.push((name.to_owned(), Case::new(Compared::Outputs, container, frames.clone())));
    }
    for tile in [None, Some(1), Some(7), Some(binary::TOKENS)] {
        let program = binary::program(tile);
        for int8 in Pack::ALL {
            for bits in BitPack::ALL {
                let packs = Packs { int8, bits };
                let file = write(&repack(&program.container, packs)).expect("a sound program");
                let tile = tile.map_or("whole".into(), |tile| format!("tiles-of-{tile}"));
                let name = format!("binary-{}-{}-{tile}", int8.name(), bits.name());
                cases.push((name, Case::new(Compared::Trace, file, program.inputs.clone())));
            }
        }
    }
    cases
}
