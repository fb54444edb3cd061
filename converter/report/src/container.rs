//! What a container holds, in numbers.

use std::collections::BTreeMap;

use program::ProductBits;
use quant::Op;
use quant::mem::DType;
use quant::operand::{Operand, SlotOperand, Tiling};
use runtime::{LoadError, Model};

use super::lifetimes::{Buffer, Lifetimes, TileGroup, Use};

/// A container in numbers. Bytes are bytes.
#[derive(Clone, Debug)]
pub struct ProgramFacts {
    /// Identity of the container, in hexadecimal.
    pub identity: String,
    /// Bytes of the container.
    pub flash_bytes: u64,
    /// Bytes of weight matrices; shared ones count once.
    pub weight_bytes: u64,
    /// Bytes of the arena.
    pub arena_bytes: u64,
    /// Multiply-accumulates of one run.
    pub macs: u64,
    /// The inputs, in words.
    pub inputs: Vec<String>,
    /// The outputs, in words.
    pub outputs: Vec<String>,
    /// Instructions in order, without control records.
    pub instructions: Vec<InstructionFacts>,
    /// Runs of instructions that are executed tile by tile.
    pub tile_groups: Vec<TileGroup>,
    /// What lies in the arena, and when.
    pub buffers: Vec<Buffer>,
}

/// An instruction.
#[derive(Clone, Debug)]
pub struct InstructionFacts {
    /// Its index in the container, control records counted.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its op.
    pub op: &'static str,
    /// Bits of weights and activations of a product, such as `W1A16`.
    pub bits: Option<String>,
    /// Type of what it writes.
    pub dtype: &'static str,
    /// Rows and width of what it writes.
    pub shape: [u64; 2],
    /// Multiply-accumulates.
    pub macs: u64,
    /// Bytes of its weight matrix.
    pub weight_bytes: u64,
}

impl ProgramFacts {
    /// Reads `container`.
    ///
    /// # Errors
    ///
    /// The checker's reason to refuse it.
    pub fn new(container: &[u8]) -> Result<Self, LoadError> {
        // The runtime reads a container at multiples of 4.
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(container);
        let model = Model::new(&bytemuck::cast_slice(&words)[..container.len()])?;
        let (mut reader, mut tile_groups) = (Reader::default(), Vec::new());
        for instruction in model.instructions() {
            let position = reader.instructions.len();
            match instruction.op {
                Op::Tile(t) => tile_groups.push(TileGroup {
                    first: position,
                    last: position + usize::from(t.count).max(1) - 1,
                    rows: t.rows,
                    tile: t.tile,
                }),
                op => reader.instruction(instruction.index as usize, instruction.name, &op),
            }
        }
        let mut lifetimes = Lifetimes::default();
        for input in model.inputs() {
            lifetimes.input(input.name, input.slot.offset.into(), input.slot.bytes());
        }
        for (position, uses) in reader.uses.iter().enumerate() {
            lifetimes.instruction(position, &reader.instructions[position].name, uses);
        }
        let end = reader.instructions.len().saturating_sub(1);
        for output in model.outputs() {
            lifetimes.output(end, output.slot.offset.into(), output.slot.bytes());
        }
        Ok(Self {
            identity: model.identity().iter().map(|byte| format!("{byte:02x}")).collect(),
            flash_bytes: container.len() as u64,
            weight_bytes: reader.weights.values().sum(),
            arena_bytes: model.arena_len() as u64,
            macs: reader.instructions.iter().fold(0, |sum, i| i.macs.saturating_add(sum)),
            inputs: model.inputs().map(|i| described(i.name, i.slot.dtype, i.slot.len)).collect(),
            outputs: model.outputs().map(|o| described(o.name, o.slot.dtype, o.slot.len)).collect(),
            instructions: reader.instructions,
            buffers: lifetimes.finish(&tile_groups),
            tile_groups,
        })
    }
}

fn described(name: &str, dtype: DType, len: u32) -> String {
    format!("{name}: {len} × {}", dtype.name())
}

/// What is gathered over all instructions.
#[derive(Default)]
struct Reader {
    instructions: Vec<InstructionFacts>,
    uses: Vec<Vec<Use>>,
    /// Bytes of every weight matrix by its offset.
    weights: BTreeMap<u32, u64>,
}

impl Reader {
    fn instruction(&mut self, index: usize, name: &str, op: &Op) {
        let mut facts = InstructionFacts {
            index,
            name: name.to_owned(),
            op: op.kind().name(),
            bits: ProductBits::of(op).map(|bits| bits.to_string()),
            dtype: "",
            shape: [u64::from(op.rows()), 0],
            macs: op.macs(),
            weight_bytes: 0,
        };
        let mut uses = Vec::new();
        op.operands(&mut |operand| match operand {
            Operand::Slot(slot) => uses.push(facts.slot(slot)),
            Operand::Blob(blob) if blob.matrix.is_some() => {
                facts.weight_bytes += blob.bytes();
                self.weights.insert(blob.offset, blob.bytes());
            }
            Operand::Blob(_) => {}
        });
        self.instructions.push(facts);
        self.uses.push(uses);
    }
}

impl InstructionFacts {
    /// Takes the result's type and shape from `slot`, where it is a result.
    fn slot(&mut self, slot: SlotOperand) -> Use {
        let dtype = slot.written().unwrap_or(slot.dtype);
        if slot.written().is_some() {
            self.dtype = dtype.name();
            self.shape = match slot.tiling {
                Tiling::Rows { width, .. } => [self.shape[0], width.into()],
                Tiling::Whole | Tiling::All { .. } => [1, slot.len.into()],
            };
        }
        Use { role: slot.role, dtype, offset: slot.offset.into(), bytes: slot.bytes() }
    }
}
