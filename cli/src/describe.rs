//! What a container holds, for `inspect`.

use std::collections::{BTreeMap, BTreeSet};

use boards::{BOARDS, Board};
use converter::import::fit;
use facts::Facts;
use program::{Container, ProductBits, identity};
use serde::Serialize;
use shiftformer::quant::Op;
use shiftformer::quant::operand::{BlobOperand, Layout, Operand, SlotOperand, Tiling};
use shiftformer::runtime::{Ending, FloatBits, Input, InputKind, Output};
use shiftformer::{Model, OutputInfo};

use crate::failure::Failure;
use crate::model::{instructions, packs};

/// A container in numbers. Bytes are bytes.
#[derive(Debug, Serialize)]
pub struct Description {
    pub file: String,
    /// SHA-256 of the canonical content.
    pub identity: String,
    /// Whether the stored identity is that of the content.
    pub identity_verified: bool,
    pub flash_bytes: u64,
    pub weight_bytes: u64,
    pub constant_bytes: u64,
    pub arena_bytes: u64,
    /// Multiply-accumulates of one run.
    pub macs: u64,
    /// Instructions that compute something: the rows of `ops`. Tile records are not counted.
    pub instructions: usize,
    pub packs: Vec<&'static str>,
    pub activation_types: Vec<&'static str>,
    pub weight_types: Vec<&'static str>,
    pub inputs: Vec<InputRow>,
    pub outputs: Vec<OutputRow>,
    /// Names of the classes, empty ones where a class has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    pub tile_groups: Vec<TileGroup>,
    pub ops: Vec<OpRow>,
    /// The kinds of its instructions: what firmware for this container alone has to include.
    pub op_kinds: Vec<&'static str>,
    /// Boards, and the bytes that stay free there; negative where it does not fit.
    pub boards: Vec<BoardRow>,
    /// What is known of the conversion, from the file beside the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversion: Option<Facts>,
}

/// Room on a board.
#[derive(Debug, Serialize)]
pub struct BoardRow {
    pub name: &'static str,
    /// Whether it is an emulator's.
    pub emulated: bool,
    pub fits: bool,
    pub flash_left: i64,
    pub ram_left: i64,
}

/// An input.
#[derive(Debug, Serialize)]
pub struct InputRow {
    pub name: String,
    pub dtype: &'static str,
    /// Height, width, channels for an image.
    pub shape: Vec<u32>,
    /// How other frames are brought to this size; absent for tensors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mean: Vec<f32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub std: Vec<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<f32>,
}

/// An output.
#[derive(Debug, Serialize)]
pub struct OutputRow {
    pub name: String,
    pub kind: &'static str,
    pub dtype: &'static str,
    pub shape: Vec<u32>,
    /// Real value of one unit.
    pub scale: f32,
    /// What the model computes at the end, such as `softmax`, which the program leaves out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending: Option<&'static str>,
    /// How `run` reads it: `shares`, `chances`, `class`, `values`, `vector` or `map`.
    pub answer: &'static str,
}

/// Instructions that run tile by tile.
#[derive(Debug, Serialize)]
pub struct TileGroup {
    pub first: u32,
    pub last: u32,
    pub rows: u32,
    pub tile: u32,
}

/// An instruction.
#[derive(Debug, Serialize)]
pub struct OpRow {
    /// Its position in the container, where tile records have positions, too.
    pub index: u32,
    pub name: String,
    pub op: &'static str,
    /// Bits of weights and activations of a product, such as `W1A16`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits: Option<String>,
    /// Type and rows × width of what it writes.
    pub dtype: &'static str,
    pub shape: Vec<u32>,
    pub macs: u64,
    pub weight_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pack: Option<&'static str>,
}

/// Describes the container of `file`.
pub fn describe(file: &Model) -> Result<Description, Failure> {
    let (model, outputs) = (file.container(), file.outputs());
    let classes = outputs.iter().map(OutputInfo::channels).max().unwrap_or(0);
    let mut tally = Tally::default();
    let (mut ops, mut tile_groups, mut kinds) = (Vec::new(), Vec::new(), BTreeSet::new());
    for instruction in model.instructions() {
        let index = instruction.index;
        kinds.insert(instruction.op.kind().name());
        match instruction.op {
            Op::Tile(t) => {
                let last = index + u32::from(t.count);
                tile_groups.push(TileGroup { first: index + 1, last, rows: t.rows, tile: t.tile });
            }
            op => ops.push(tally.op(index, instruction.name, &op)),
        }
    }
    Ok(Description {
        file: file.name().to_owned(),
        identity: model.identity().iter().map(|byte| format!("{byte:02x}")).collect(),
        identity_verified: identity_is_right(file)?,
        flash_bytes: file.bytes().len() as u64,
        weight_bytes: tally.weights.values().sum(),
        constant_bytes: model.blobs().len() as u64,
        arena_bytes: model.arena_len() as u64,
        macs: ops.iter().map(|op| op.macs).sum(),
        instructions: instructions(&model),
        packs: packs(file),
        activation_types: tally.activations.into_iter().collect(),
        weight_types: tally.weight_types.into_iter().collect(),
        inputs: model.inputs().map(input).collect(),
        outputs: outputs.iter().zip(model.outputs()).map(output).collect(),
        labels: file.labels(classes).into_iter().map(str::to_owned).collect(),
        tile_groups,
        op_kinds: kinds.into_iter().collect(),
        ops,
        boards: BOARDS.iter().map(|board| room(board, file)).collect(),
        conversion: None,
    })
}

fn room(board: &Board, file: &Model) -> BoardRow {
    let fit = board.fit(file.bytes().len() as u64, file.container().arena_len() as u64);
    let (flash_left, ram_left) = (fit.flash_left, fit.ram_left);
    BoardRow { name: board.name, emulated: board.is_emulated(), fits: fit.fits(), flash_left, ram_left }
}

/// Whether the canonical content hashes to the stored identity.
pub fn identity_is_right(model: &Model) -> Result<bool, Failure> {
    let found = identity(&Container::read(&model.container())).map_err(Failure::convert(model.name()))?;
    Ok(found == model.identity())
}

/// What is gathered over all instructions.
#[derive(Default)]
struct Tally {
    activations: BTreeSet<&'static str>,
    weight_types: BTreeSet<&'static str>,
    /// Bytes of every weight matrix by its offset: shared ones count once.
    weights: BTreeMap<u32, u64>,
}

impl Tally {
    fn op(&mut self, index: u32, name: &str, op: &Op) -> OpRow {
        let mut row = OpRow {
            index,
            name: name.to_owned(),
            op: op.kind().name(),
            bits: ProductBits::of(op).map(|bits| bits.to_string()),
            dtype: "",
            shape: Vec::new(),
            macs: op.macs(),
            weight_bytes: 0,
            pack: None,
        };
        op.operands(&mut |operand| match operand {
            Operand::Slot(slot) => self.slot(slot, op.rows(), &mut row),
            Operand::Blob(blob) => self.blob(blob, &mut row),
        });
        row
    }

    fn slot(&mut self, slot: SlotOperand, rows: u32, row: &mut OpRow) {
        self.activations.insert(slot.dtype.name());
        let Some(written) = slot.written() else { return };
        row.dtype = written.name();
        row.shape = match slot.tiling {
            Tiling::Rows { width, .. } => vec![rows, width],
            Tiling::Whole | Tiling::All { .. } => vec![slot.len],
        };
    }

    fn blob(&mut self, blob: BlobOperand, row: &mut OpRow) {
        let Some(matrix) = blob.matrix else { return };
        row.pack = Some(matrix.layout.name());
        row.weight_bytes += blob.bytes();
        self.weight_types.insert(match matrix.layout {
            Layout::Int8(_) => "i8",
            Layout::Bits(_) => "1 bit",
        });
        self.weights.insert(blob.offset, blob.bytes());
    }
}

fn input(input: Input<'_>) -> InputRow {
    let (name, dtype) = (input.name.to_owned(), input.slot.dtype.name());
    match input.kind {
        InputKind::Image(image) => {
            let normal = |bits: [FloatBits; 4]| {
                let values = bits.into_iter().take(usize::from(image.channels));
                values.map(|bits| f32::from_bits(bits.0)).collect()
            };
            let shape = vec![image.height.into(), image.width.into(), image.channels.into()];
            InputRow {
                name,
                dtype,
                shape,
                fit: Some(fit::words(&image)),
                mean: normal(image.mean),
                std: normal(image.std),
                scale: None,
            }
        }
        InputKind::Tensor { shape, scale } => {
            let scale = Some(f32::from_bits(scale.0));
            InputRow {
                name,
                dtype,
                shape: trimmed(shape),
                fit: None,
                mean: Vec::new(),
                std: Vec::new(),
                scale,
            }
        }
    }
}

fn output((info, output): (&OutputInfo<'_>, Output<'_>)) -> OutputRow {
    OutputRow {
        name: info.name.to_owned(),
        kind: info.kind.name(),
        dtype: output.slot.dtype.name(),
        shape: trimmed(info.shape),
        scale: info.scale,
        ending: info.ending.map(Ending::name),
        answer: info.reading().name(),
    }
}

/// Without the ones that pad it.
fn trimmed(shape: [u32; 4]) -> Vec<u32> {
    let kept = shape.iter().rposition(|&d| d != 1).map_or(1, |last| last + 1);
    shape[..kept].to_vec()
}
