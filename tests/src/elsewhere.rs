//! The containers that other architectures run, with what the reference computes here.

use converter::BuildOptions;
use program::{repack, write};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use quant::bits::BitPack;
use quant::op::OpKind;
use quant::pack::{Pack, Packs};
use shiftformer_test_run::cases::{Case, Compared};

use crate::{binary, data, ops};

/// The bundled int8 model, fused and not, on the first `images` test images; a binarized block with
/// every layout of weights and several tiles; and `programs` generated programs of every op.
pub fn cases(images: usize, programs: usize) -> Vec<(String, Case)> {
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
    cases.extend(generated(programs));
    cases
}

/// The layouts of generated programs in turn: three times that of the sets for CPUs, and once the
/// plain one.
const LAYOUTS: [Packs; 4] = {
    let panels = Packs { int8: Pack::Panel16x4, bits: BitPack::Panel16 };
    [panels, panels, panels, Packs::CANONICAL]
};

/// `programs` programs of every op, whole and in tiles of a row in turn.
fn generated(programs: usize) -> Vec<(String, Case)> {
    let mut runner = TestRunner::deterministic();
    let mut cases = Vec::new();
    for &kind in OpKind::ALL {
        let strategy = ops::cases(kind);
        for index in 0..programs {
            let case = strategy.new_tree(&mut runner).expect("a case").current();
            let program = case.build(if index % 2 == 0 { None } else { Some(1) });
            let packs = LAYOUTS[index % LAYOUTS.len()];
            let file = write(&repack(&program.container, packs)).expect("a sound program");
            let name = format!("generated-{}-{index}", kind.name());
            cases.push((name, Case::new(Compared::Trace, file, program.inputs)));
        }
    }
    cases
}
