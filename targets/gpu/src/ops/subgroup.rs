//! Ops that reduce rows, a row a subgroup: where a GPU has cooperative matrices, its subgroups have one
//! size, and kernels in SPIR-V may use them.

use crate::matrices::{MOST_THREADS, PIECE};
use crate::plan::{Dispatch, Planner};
use crate::source::Source;

/// What these kernels are called among the rows of tiles.
pub(super) const ROW: &str = "subgroups";

/// Rows of a workgroup.
const ROWS: u32 = 4;

/// Most pieces of a row that an invocation keeps in registers.
const MOST_PIECES: u32 = 8;

/// Whether subgroups can take rows of `bytes` bytes.
pub(super) fn takes(planner: &Planner<'_>, bytes: u32) -> bool {
    let shape = planner.means.hardware.matrices.filter(|_| planner.means.tiles.subgroups);
    shape.is_some_and(|shape| {
        ROWS * shape.subgroup <= MOST_THREADS && bytes <= MOST_PIECES * PIECE * shape.subgroup
    })
}

/// A dispatch of `module` over `rows` rows of `width` elements, which `takes` has admitted, with
/// `memory` pieces of memory for each row at hand.
pub(super) fn dispatch(
    planner: &Planner<'_>,
    (name, module): (&'static str, &'static [u8]),
    [rows, width, memory]: [u32; 3],
) -> Dispatch {
    let subgroup = planner.means.hardware.matrices.map_or(0, |shape| shape.subgroup);
    let settings = [
        ("SUBGROUP", subgroup),
        ("THREADS", ROWS * subgroup),
        ("SHARED", (ROWS * memory).max(1)),
        ("WIDTH", width),
    ];
    let mut dispatch = Dispatch::new(name, Source::of_module(module).for_row(ROW, &settings));
    dispatch.workgroups(rows.div_ceil(ROWS));
    dispatch
}

#[cfg(test)]
mod tests {
    use quant::Op;
    use quant::arith::Multiplier;
    use quant::mem::{Blob, Slot};
    use quant::ops::{Act, Channels, LayerNorm, RmsNorm, ShiftGelu};

    use super::*;
    use crate::matrices::MatrixShape;
    use crate::ops::Tiles;
    use crate::plan::{Hardware, Means};
    use crate::source::Text;

    const SHAPE: MatrixShape = MatrixShape { rows: 16, columns: 16, depth: 32, subgroup: 32 };

    /// Whether `op`, whose constants are shifts of 33, takes a kernel of subgroups where there are
    /// some, and never otherwise. Without a GPU this finds constants and parameters that the module
    /// does not have by the names that are set.
    fn is_taken(op: Op) -> bool {
        let constants = [0x2121_2121u32; 4096];
        let kernels = |tiles| {
            let hardware = Hardware { workgroup_bytes: 48 << 10, matrices: Some(SHAPE) };
            let means = Means { tiles, hardware };
            let mut planner = Planner::over(bytemuck::cast_slice(&constants), 1 << 20, means);
            planner.steps(0, &op).expect("a kernel");
            planner.finish().kernels
        };
        assert!(kernels(Tiles::none()).iter().all(|kernel| matches!(kernel.text, Text::Wgsl(_))));
        let kernels = kernels(Tiles::default());
        let taken = matches!(kernels[0].text, Text::Spirv(_));
        assert_eq!(kernels[0].row == Some(ROW), taken);
        taken
    }

    fn norm(width: u32, out: Act) -> LayerNorm {
        let scale = Channels { mantissa: Blob::new(0, width), shift: Blob::new(8192, width) };
        let (x, offset) = (Slot::new(0, 3 * width), Blob::new(0, width));
        LayerNorm { rows: 3, width, eps: 1, x, scale, offset, out }
    }

    #[test]
    fn norms_of_whole_fours_are_taken() {
        let bytes = |at, width| Act::I8(Slot::new(at, 3 * width));
        for width in [4, 384, 1024] {
            let op = norm(width, bytes(16384, width));
            assert!(is_taken(Op::LayerNorm(op)) && is_taken(Op::RmsNorm(RmsNorm(op))), "{width}");
        }
        assert!(!is_taken(Op::LayerNorm(norm(1028, bytes(16384, 1028)))), "too wide");
        assert!(!is_taken(Op::LayerNorm(norm(386, bytes(16384, 386)))), "not whole fours");
        assert!(!is_taken(Op::LayerNorm(norm(384, bytes(16385, 384)))), "within a word");
        assert!(!is_taken(Op::LayerNorm(norm(384, Act::I16(Slot::new(16384, 3 * 384))))), "to 16 bits");
    }

    #[test]
    fn gelus_of_whole_pieces_are_taken() {
        let out = Multiplier { mantissa: 1 << 30, shift: 33 };
        let gelu = |at, width| {
            let (x, exp) = (Slot::new(at, 3 * width), Blob::new(0, 256));
            is_taken(Op::ShiftGelu(ShiftGelu { rows: 3, width, x, exp, out }))
        };
        assert!([16, 1536, 4096].iter().all(|&width| gelu(0, width)));
        assert!(!gelu(0, 4112) && !gelu(0, 1540) && !gelu(8, 1536));
    }
}
