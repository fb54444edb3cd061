//! Rows of int8 activations by weights, multiplied by cooperative matrices: tiles of
//! `cooperative/gemm.comp`.

use quant::ops::{Act, Linear};

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

/// Plans `op` where there are matrices for it: whether it did.
pub(super) fn linear(op: &Linear, planner: &mut Planner<'_>) -> bool {
    let hardware = planner.means.hardware;
    let rows = planner.means.tiles.of_matrices(&hardware);
    let (Some(shape), Act::I8(x), out) = (hardware.matrices, op.x, epilogue::place(&op.out)) else {
        return false;
    };
    let words = x.offset.is_multiple_of(4) && op.k.is_multiple_of(4) && whole_words(out, op.n);
    if rows.is_empty() || !words {
        return false;
    }
    let mut dispatch = Dispatch::new("linear", Source::of_module(GEMM).with("OUT_BYTES", out.bytes()));
    let aligned = x.offset.is_multiple_of(PIECE) && op.k.is_multiple_of(PIECE);
    let fours = op.n.is_multiple_of(4) && out.offset.is_multiple_of(8);
    with(&mut dispatch, &[("ALIGNED", aligned.into()), ("WHOLE_FOURS", fours.into())]);
    with(&mut dispatch, &shape.settings());
    set(
        &mut dispatch,
        &[("result", out.offset), ("x", x.offset), ("rows", op.rows), ("n", op.n), ("k", op.k)],
    );
    epilogue::set(&mut dispatch, planner, &op.out);
    epilogue::channels(&mut dispatch, planner, &op.requant, |_| 0);
    dispatch.constants("weights", pieces(planner.blob(op.weights), op.n, op.k));
    let results = Shape { products: 1, joined: true, rows: op.rows, columns: op.n, inner: op.k };
    let source = |source: Source, row: &Row<Block>| source.for_row(row.name, &row.tile.settings(shape));
    let dispatch = spread(dispatch, &planner.means.tiles, &rows, results, source);
    planner.push(dispatch);
    true
}

/// `n` rows of `k` weights: the first 16 bytes of all channels lie before the second 16 of all.
fn pieces(weights: &[i8], n: u32, k: u32) -> Vec<u32> {
    let (n, piece) = (n as usize, PIECE as usize);
    let pieces = (k as usize).next_multiple_of(DEEPEST) / piece;
    let mut words = vec![0; pieces * n * 4];
    let bytes: &mut [i8] = bytemuck::cast_slice_mut(&mut words);
    // In the order in which they are written.
    for (at, all) in bytes.chunks_mut(n * piece).enumerate() {
        for (to, row) in all.chunks_mut(piece).zip(weights.chunks(k as usize)) {
            let part = row.get(at * piece..).unwrap_or_default();
            let len = part.len().min(piece);
            to[..len].copy_from_slice(&part[..len]);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use quant::Op;
    use quant::arith::Multiplier;
    use quant::mem::{Blob, Slot};
    use quant::ops::{Channels, Destination, PerChannel, Residual};
    use quant::pack::Pack;

    use super::super::tile::MATRIX_TILES;
    use super::*;
    use crate::ops::Tiles;
    use crate::plan::Means;
    use crate::source::Text;

    const SHAPE: MatrixShape = MatrixShape { rows: 16, columns: 16, depth: 32, subgroup: 32 };

    #[test]
    fn pieces_of_channels_lie_side_by_side() {
        let words = pieces(&(1..=40).collect::<Vec<i8>>(), 2, 20);
        assert_eq!(words.len(), 8 * 2 * 4);
        assert_eq!(words[..5], [0x0403_0201, 0x0807_0605, 0x0c0b_0a09, 0x100f_0e0d, 0x1817_1615]);
        assert_eq!(words[8..14], [0x1413_1211, 0, 0, 0, 0x2827_2625, 0]);
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
