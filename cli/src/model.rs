//! Containers for the commands: which engine runs them, and packed as it likes.

use std::path::Path;

use program::{Container, repack, write};
use shiftformer::quant::Op;
use shiftformer::quant::operand::Layout;
use shiftformer::quant::pack::Packs;
use shiftformer::runtime::{Model, OutputKind};
use shiftformer::{Engine, ModelFile};

use crate::failure::Failure;
use crate::place::EngineArgs;

impl EngineArgs {
    /// Reads the container at `path`, its weights packed in memory as the engine likes.
    pub fn open(&self, path: &Path) -> Result<ModelFile, Failure> {
        self.pack(ModelFile::open(path)?)
    }

    /// `file` with its weights packed as the engine likes.
    pub fn pack(&self, file: ModelFile) -> Result<ModelFile, Failure> {
        match self.preferred_packs()? {
            None => Ok(file),
            Some(packs) => packed(file, packs),
        }
    }
}

/// `file` with its weights as `packs` says. Results and identity stay the same.
pub fn packed(file: ModelFile, packs: Packs) -> Result<ModelFile, Failure> {
    let model = file.model()?;
    let mut others = false;
    layouts(&model, |layout| others |= !layout.is_of(packs));
    if !others {
        return Ok(file);
    }
    let bytes = write(&repack(&Container::read(&model), packs)).map_err(Failure::convert(file.name()))?;
    Ok(ModelFile::from_bytes(file.name(), &bytes))
}

/// Number of instructions of `model` that compute something. Every command prints this number;
/// tile records, which say how the instructions behind them are cut into pieces, are not counted.
pub fn instructions(model: &Model<'_>) -> usize {
    model.instructions().filter(|instruction| !matches!(instruction.op, Op::Tile(_))).count()
}

/// The names of the distinct weight layouts of `model`.
pub fn packs(model: &Model<'_>) -> Vec<&'static str> {
    let mut found = Vec::new();
    layouts(model, |layout| {
        if !found.contains(&layout.name()) {
            found.push(layout.name());
        }
    });
    found
}

/// Calls `each` with the layout of every weight matrix of `model`.
fn layouts(model: &Model<'_>, mut each: impl FnMut(Layout)) {
    for instruction in model.instructions() {
        instruction.op.operands(&mut |operand| {
            if let Some(matrix) = operand.blob().and_then(|blob| blob.matrix) {
                each(matrix.layout);
            }
        });
    }
}

/// The logits of a classifier.
#[derive(Clone, Copy, Debug)]
pub struct Logits {
    /// Its output's index.
    pub output: usize,
    /// Number of classes.
    pub classes: usize,
    /// Real value of one unit.
    pub scale: f32,
}

impl Logits {
    /// The first output of `model` that holds logits; `name` is for messages.
    pub fn of(model: &Model<'_>, name: &str) -> Result<Self, Failure> {
        let found = model.outputs().enumerate().find(|(_, output)| output.kind == OutputKind::Logits);
        let Some((output, described)) = found else {
            return Err(Failure::new(format!("{name} has no output of logits"))
                .help("only classifiers can be evaluated"));
        };
        Ok(Self { output, classes: described.slot.len as usize, scale: f32::from_bits(described.scale.0) })
    }

    /// Runs `frame`; `name` is for messages.
    pub fn run(&self, engine: &mut dyn Engine, frame: &[u8], name: &str) -> Result<Vec<i32>, Failure> {
        let mut outputs = Vec::new();
        engine.run(frame, &mut outputs).map_err(|e| Failure::new(format!("{name}: {e}")))?;
        Ok(outputs.swap_remove(self.output))
    }
}
