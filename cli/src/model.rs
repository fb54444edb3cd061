//! What the commands say of containers.

use shiftformer::Model;
use shiftformer::quant::Op;
use shiftformer::runtime::{self, OutputKind};

use crate::failure::Failure;

/// Number of instructions of `model` that compute something. Every command prints this number;
/// tile records, which say how the instructions behind them are cut into pieces, are not counted.
pub fn instructions(model: &runtime::Model<'_>) -> usize {
    model.instructions().filter(|instruction| !matches!(instruction.op, Op::Tile(_))).count()
}

/// The names of the distinct weight layouts of `model`.
pub fn packs(model: &Model) -> Vec<&'static str> {
    model.layouts().into_iter().map(|layout| layout.name()).collect()
}

/// The first output of `model` that holds logits.
pub fn logits(model: &Model) -> Result<usize, Failure> {
    let found = model.outputs().iter().position(|output| output.kind == OutputKind::Logits);
    found.ok_or_else(|| {
        Failure::new(format!("{} has no output of logits", model.name()))
            .help("`inspect` lists what it gives")
    })
}
