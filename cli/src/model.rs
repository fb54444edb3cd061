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

/// The logits of a classifier.
#[derive(Clone, Copy, Debug)]
pub struct Logits {
    /// Its output's index.
    pub output: usize,
    /// Number of classes.
    pub classes: usize,
}

impl Logits {
    /// The first output of `model` that holds logits.
    pub fn of(model: &Model) -> Result<Self, Failure> {
        let container = model.container();
        let found = container.outputs().enumerate().find(|(_, output)| output.kind == OutputKind::Logits);
        let Some((output, described)) = found else {
            return Err(Failure::new(format!("{} has no output of logits", model.name()))
                .help("only classifiers can be evaluated"));
        };
        Ok(Self { output, classes: described.slot.len as usize })
    }
}
