//! Rows of int8 activations by weights, multiplied by cooperative matrices: tiles of
//! `cooperative/gemm.comp`.

use std::borrow::Cow;

use quant::bits::{BitWeights, WORD};
use quant::mem::Blob;
use quant::ops::{Act, BinaryLinear, BinaryOut, BitAct, Conv2d, Destination, Linear, PerChannel};

use super::conv2d::Runs;
use super::tile::{Cut, Row, Shape, spread};
use super::{set, whole_words, with};
use crate::matrices::{MOST_THREADS, MatrixShape, PIECE, whole};
use crate::ops::epilogue;
use crate::plan::{Dispatch, Hardware, Planner};
use crate::source::Source;

/// The kernel; `cargo xtask shaders` writes it.
const GEMM: &[u8] = include_bytes!("../../../cooperative/gemm.spv");

/// How results are divided among workgroups and their subgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Rows of a workgroup.
    pub rows: u32,
    /// Columns of a workgroup.
    pub columns: u32,
    /// Bytes of each row and column that a workgroup holds at a time, a divisor of [`DEEPEST`].
    pub depth: u32,
    /// Subgroups from top to bottom.
    pub down: u32,
    /// Subgroups from left to right.
    pub across: u32,
}

/// Weights of a channel are filled with zeros to a multiple of this many bytes.
const DEEPEST: usize = 128;

/// Bytes of the memory of a workgroup that a table takes.
const TABLE_BYTES: u32 = 256;

impl Cut for Block {
    fn sides(&self) -> [u32; 3] {
        [self.rows, self.columns, self.depth / 4]
    }
}

impl Block {
    /// Whether `hardware` has matrices of which the part of each subgroup is made, and the memory.
    pub(super) fn fits(self, hardware: &Hardware) -> bool {
        let Some(shape) = hardware.matrices else { return false };
        let (rows, columns) = (self.rows / self.down, self.columns / self.across);
        let fours = columns / 4;
        whole(rows, shape.rows)
            && whole(columns, shape.columns)
            && whole(self.depth, shape.depth)
            && whole(shape.depth, PIECE)
            && whole(shape.columns, 4)
            && whole(shape.subgroup, fours)
            && whole(shape.rows, shape.subgroup / fours)
            && [self.rows, self.columns].iter().all(|side| whole(side * self.pieces(), self.threads(shape)))
            && self.threads(shape) <= MOST_THREADS
            && self.shared(shape) * PIECE + TABLE_BYTES <= hardware.workgroup_bytes
    }

    /// Pieces of a row or column that a workgroup holds at a time.
    const fn pieces(self) -> u32 {
        self.depth / PIECE
    }

    /// Invocations of a workgroup.
    const fn threads(self, shape: MatrixShape) -> u32 {
        self.down * self.across * shape.subgroup
    }

    /// Pieces of shared memory: for the operands, and later for one matrix of sums after another of
    /// every subgroup.
    fn shared(self, shape: MatrixShape) -> u32 {
        let operands = (self.rows + self.columns) * (self.pieces() + 1);
        let sums = self.down * self.across * shape.rows * (self.columns / self.across / 4 + 1);
        operands.max(sums)
    }

    fn settings(self, shape: MatrixShape) -> [(&'static str, u32); 7] {
        [
            ("ROWS", self.rows),
            ("COLUMNS", self.columns),
            ("DEPTH", self.depth),
            ("DOWN", self.down),
            ("ACROSS", self.across),
            ("THREADS", self.threads(shape)),
            ("SHARED", self.shared(shape)),
        ]
    }
}

/// A product: rows of activations by rows of weights.
struct Product<'o> {
    name: &'static str,
    rows: u32,
    n: u32,
    /// Weights of a channel, a run after another.
    k: u32,
    /// Bytes of a run: what lies side by side of a row of activations.
    run: u32,
    /// The first byte of the activations.
    x: u32,
    /// Distances in bytes at which runs begin.
    distances: [u32; 3],
    /// The convolution of whose windows a row is what lies below; of none where it is one run.
    windows: Option<(&'o Conv2d, &'o Runs)>,
    weights: Weights<'o>,
    requant: &'o PerChannel,
    out: &'o Destination,
}

/// Weights of a product, a row of bytes for each channel.
enum Weights<'o> {
    Bytes(Blob<i8>),
    /// 1 and -1.
    Signs(&'o BinaryLinear),
}

impl Weights<'_> {
    fn bytes<'m>(&self, planner: &Planner<'m>) -> Cow<'m, [i8]> {
        let op = match self {
            Weights::Bytes(blob) => return planner.blob(*blob).into(),
            Weights::Signs(op) => op,
        };
        let words = op.k.div_ceil(WORD) as usize;
        let (n, pack) = (op.n as usize, op.pack);
        let bits = BitWeights { data: planner.blob(op.weights), pack, n, words };
        let one = |channel, at: u32| bits.get(channel, (at / WORD) as usize) >> (at % WORD) & 1;
        let row = |channel| (0..op.k).map(move |at| if one(channel, at) == 1 { 1 } else { -1 });
        (0..n).flat_map(row).collect()
    }
}

/// Plans `op` where there are matrices for it: whether it did.
pub(super) fn linear(op: &Linear, planner: &mut Planner<'_>) -> bool {
    let Act::I8(x) = op.x else { return false };
    let sizes = [op.rows, op.n, op.k];
    plan(&dense(sizes, x.offset, Weights::Bytes(op.weights), &op.requant, &op.out), planner)
}

/// The same for weights of one bit, where int8 activations become requantized sums.
pub(in crate::ops) fn binary_linear(op: &BinaryLinear, planner: &mut Planner<'_>) -> bool {
    let (BitAct::I8(x), BinaryOut::Dense { requant, out }) = (&op.x, &op.out) else { return false };
    plan(&dense([op.rows, op.n, op.k], x.offset, Weights::Signs(op), requant, out), planner)
}

/// The product of a dense layer, whose rows of `k` inputs lie one after the other from `x` on.
fn dense<'o>(
    [rows, n, k]: [u32; 3],
    x: u32,
    weights: Weights<'o>,
    requant: &'o PerChannel,
    out: &'o Destination,
) -> Product<'o> {
    Product { name: "linear", rows, n, k, run: k, x, distances: [k; 3], windows: None, weights, requant, out }
}

/// The same for a convolution of one group, whose windows fall into `runs`.
pub(super) fn conv2d(op: &Conv2d, runs: &Runs, planner: &mut Planner<'_>) -> bool {
    let image_row = op.in_width.saturating_mul(op.in_channels);
    let step = op.stride_w.saturating_mul(op.in_channels);
    let product = Product {
        name: "conv2d",
        rows: op.out_height * op.out_width,
        n: op.out_channels,
        k: op.kernel_h * op.kernel_w * op.in_channels,
        run: runs.bytes,
        x: op.x.offset,
        // A window that begins left of the image begins with another pixel.
        distances: [image_row, step, if runs.across > 1 { op.in_channels } else { step }],
        windows: Some((op, runs)),
        weights: Weights::Bytes(op.weights),
        requant: &op.requant,
        out: &op.out,
    };
    plan(&product, planner)
}

fn plan(product: &Product<'_>, planner: &mut Planner<'_>) -> bool {
    let hardware = planner.means.hardware;
    let tiles = planner.means.tiles.of_matrices(&hardware);
    let (Some(shape), out) = (hardware.matrices, epilogue::place(product.out)) else { return false };
    let begin_at = |unit| {
        product.x.is_multiple_of(unit) && product.distances.iter().all(|bytes| bytes.is_multiple_of(unit))
    };
    if tiles.is_empty() || !begin_at(4) || !whole_words(out, product.n) {
        return false;
    }
    let mut dispatch = Dispatch::new(product.name, Source::of_module(GEMM).with("OUT_BYTES", out.bytes()));
    let fours = product.n.is_multiple_of(4) && out.offset.is_multiple_of(8);
    with(&mut dispatch, &[("ALIGNED", begin_at(PIECE).into()), ("WHOLE_FOURS", fours.into())]);
    with(&mut dispatch, &[("WINDOWS", product.windows.is_some().into())]);
    with(&mut dispatch, &shape.settings());
    // Of windows every run takes whole pieces.
    let pieces = product.k / product.run * product.run.div_ceil(PIECE);
    let k = if product.windows.is_some() { pieces * PIECE } else { product.k };
    set(
        &mut dispatch,
        &[("result", out.offset), ("x", product.x), ("rows", product.rows), ("n", product.n), ("k", k)],
    );
    set(&mut dispatch, &windows(product));
    epilogue::set(&mut dispatch, planner, product.out);
    epilogue::channels(&mut dispatch, planner, product.requant, |_| 0);
    let weights = product.weights.bytes(planner);
    dispatch.constants("weights", pieces_of(&weights, product.n, [product.k, product.run]));
    let results =
        Shape { products: 1, joined: true, rows: product.rows, columns: product.n, inner: product.k };
    let source = |source: Source, row: &Row<Block>| source.for_row(row.name, &row.tile.settings(shape));
    let dispatch = spread(dispatch, &planner.means.tiles, &tiles, results, source);
    planner.push(dispatch);
    true
}

/// The parameters that say where windows lie, zeros where there are none.
fn windows(product: &Product<'_>) -> [(&'static str, u32); 10] {
    let of = |value: fn(&Conv2d, &Runs) -> u32| product.windows.map_or(0, |(op, runs)| value(op, runs));
    [
        ("in_height", of(|op, _| op.in_height)),
        ("in_width", of(|op, _| op.in_width)),
        ("in_channels", of(|op, _| op.in_channels)),
        ("stride_h", of(|op, _| op.stride_h)),
        ("stride_w", of(|op, _| op.stride_w)),
        ("pad_top", of(|op, _| op.pad_top)),
        ("pad_left", of(|op, _| op.pad_left)),
        ("out_width", of(|op, _| op.out_width)),
        ("runs", of(|_, runs| runs.across)),
        ("run_pieces", of(|_, runs| runs.bytes.div_ceil(PIECE))),
    ]
}

/// `n` rows of `k` weights, in runs of `run` that each begin a piece: the first 16 bytes of all channels
/// lie before the second 16 of all.
fn pieces_of(weights: &[i8], n: u32, [k, run]: [u32; 2]) -> Vec<u32> {
    let (n, k, run, piece) = (n as usize, k as usize, run as usize, PIECE as usize);
    let of_run = run.div_ceil(piece);
    let pieces = (k / run * of_run).next_multiple_of(DEEPEST / piece);
    let mut words = vec![0; pieces * n * 4];
    let bytes: &mut [i8] = bytemuck::cast_slice_mut(&mut words);
    // In the order in which they are written.
    for (at, all) in bytes.chunks_mut(n * piece).enumerate() {
        let begin = at % of_run * piece;
        let len = (run - begin).min(piece);
        for (to, row) in all.chunks_mut(piece).zip(weights.chunks(k)) {
            let part = row.get(at / of_run * run + begin..).unwrap_or_default();
            let len = part.len().min(len);
            to[..len].copy_from_slice(&part[..len]);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use quant::Op;
    use quant::arith::Multiplier;
    use quant::mem::Slot;
    use quant::ops::{Channels, Residual};
    use quant::pack::Pack;

    use super::super::tile::MATRIX_TILES;
    use super::*;
    use crate::ops::Tiles;
    use crate::plan::Means;
    use crate::source::Text;

    const SHAPE: MatrixShape = MatrixShape { rows: 16, columns: 16, depth: 32, subgroup: 32 };

    #[test]
    fn pieces_of_channels_lie_side_by_side() {
        let words = pieces_of(&(1..=40).collect::<Vec<i8>>(), 2, [20, 20]);
        assert_eq!(words.len(), 8 * 2 * 4);
        assert_eq!(words[..5], [0x0403_0201, 0x0807_0605, 0x0c0b_0a09, 0x100f_0e0d, 0x1817_1615]);
        assert_eq!(words[8..14], [0x1413_1211, 0, 0, 0, 0x2827_2625, 0]);
    }

    #[test]
    fn every_run_of_a_window_begins_a_piece() {
        let words = pieces_of(&(1..=40).collect::<Vec<i8>>(), 2, [20, 4]);
        assert_eq!(words.len(), 8 * 2 * 4);
        for run in 0..5 {
            let word = |channel: u32| 0x0403_0201 + (run * 4 + channel * 20) * 0x0101_0101;
            assert_eq!(words[run as usize * 8..][..8], [word(0), 0, 0, 0, word(1), 0, 0, 0]);
        }
    }

    /// 24 rows of `k` by 8 channels, whose constants are zeros, to `out` behind the input.
    fn product(k: u32, out: Destination) -> Op {
        let scale = Channels { mantissa: Blob::new(512, 8), shift: Blob::new(544, 8) };
        Op::Linear(Linear {
            rows: 24,
            k,
            n: 8,
            x: Act::I8(Slot::new(0, 24 * k)),
            weights: Blob::new(0, 8 * k),
            pack: Pack::RowMajor,
            requant: PerChannel { bias: Blob::new(480, 8), scale },
            out,
        })
    }

    /// Without a GPU this finds constants and parameters that the module does not have by the names
    /// that are set.
    #[test]
    fn every_end_of_a_product_is_a_module_of_its_own() {
        let (constants, at) = (vec![0u32; 256], 2048);
        let residual = |shift| Multiplier { mantissa: 1 << 30, shift };
        let residual = |shift| Residual { branch: residual(shift), stream: residual(shift) };
        let ends = [
            Destination::I8 { out: Slot::new(at, 192), table: None },
            Destination::I8 { out: Slot::new(at, 192), table: Some(Blob::new(560, 256)) },
            Destination::I16 { out: Slot::new(at, 192), residual: None },
            Destination::I16 { out: Slot::new(at, 192), residual: Some(residual(30)) },
            Destination::I16 { out: Slot::new(at, 192), residual: Some(residual(50)) },
            Destination::I32 { out: Slot::new(at, 192) },
        ];
        let hardware = Hardware { workgroup_bytes: 48 << 10, matrices: Some(SHAPE) };
        let mut planner = Planner::over(
            bytemuck::cast_slice(&constants),
            4096,
            Means { tiles: Tiles::default(), hardware },
        );
        for end in ends {
            for k in [40, 48] {
                planner.steps(0, &product(k, end)).expect("a kernel");
            }
        }
        let plan = planner.finish();
        assert_eq!((plan.steps.len(), plan.kernels.len()), (12, 12));
        for kernel in &plan.kernels {
            assert_eq!(kernel.row, Some("matrices 32x32"));
            assert!(matches!(kernel.text, Text::Spirv(_)));
        }
    }

    #[test]
    fn every_tile_fits_common_matrices() {
        for row in MATRIX_TILES {
            let hardware = Hardware { workgroup_bytes: 48 << 10, matrices: Some(SHAPE) };
            assert!(row.tile.fits(&hardware), "{}", row.name);
            assert_eq!(DEEPEST as u32 % row.tile.depth, 0, "{}", row.name);
            assert!(!row.tile.fits(&Hardware { matrices: None, ..hardware }));
        }
        let fits = |workgroup_bytes, shape| {
            let hardware = Hardware { workgroup_bytes, matrices: Some(shape) };
            MATRIX_TILES.iter().filter(|row| row.tile.fits(&hardware)).count()
        };
        assert!(fits(16 << 10, SHAPE) > 0, "one for the memory that WebGPU guarantees");
        assert!(fits(48 << 10, MatrixShape { columns: 8, ..SHAPE }) > 0);
        assert_eq!(fits(48 << 10, MatrixShape { depth: 8, ..SHAPE }), 0);
    }
}
