//! Two rows with pairs of channels, by vectors of 16 inputs.

use quant::Fault;
use quant::ops::ChannelsRef;
use quant::slice::{window, window_mut};

use super::isa;
use crate::gemm::{CHANNELS, CHUNK, Core, Row};
use crate::requantize::Sum;

/// Rows multiplied at once.
pub(super) const ROWS: usize = 2;
/// Inputs of a vector.
pub(super) const LANES: usize = 16;

/// A chunk of both rows.
pub(super) type Block = [[i8; CHUNK]; ROWS];
/// The sums of all channels, row by row.
pub(super) struct Sums([[i32; CHANNELS]; ROWS]);

pub(super) struct Vectors;

impl Core for Vectors {
    const ROWS: usize = ROWS;
    const GROUP: usize = LANES;
    type Block = Block;
    type Sums = Sums;

    fn block() -> Block {
        [[0; CHUNK]; ROWS]
    }

    fn zero() -> Sums {
        Sums([[0; CHANNELS]; ROWS])
    }

    #[inline(always)]
    fn row<'s>(sums: &'s Sums, row: usize, width: usize, _: &'s mut Row) -> &'s [i32] {
        sums.0.get(row).and_then(|sums| sums.get(..width)).unwrap_or(&[])
    }

    fn load(
        block: &mut Block,
        x: &[i8],
        k: usize,
        start: usize,
        len: usize,
        count: usize,
    ) -> Result<(), Fault> {
        for (r, row) in block.iter_mut().take(count).enumerate() {
            isa::copy(window_mut(row, 0, len)?, window(x, r * k + start, len)?);
        }
        Ok(())
    }

    fn multiply(
        block: &Block,
        len: usize,
        panels: &[i8],
        (stride, pairs): (usize, usize),
        fresh: bool,
        sums: &mut Sums,
    ) -> Result<(), Fault> {
        let vectors = len.div_ceil(LANES);
        let last = pairs.checked_sub(1).ok_or(Fault::Bounds)?;
        // Whole panels are `stride` apart; of the last one, what this chunk multiplies.
        let panels = window(panels, 0, last * stride + vectors * 2 * LANES)?;
        if vectors == 0 || vectors * LANES > CHUNK || pairs > CHANNELS / 2 {
            return Err(Fault::Bounds);
        }
        isa::multiply(block, vectors, panels, (stride, pairs), fresh, &mut sums.0)
    }

    #[inline(always)]
    fn finish(sums: &Sums, row: usize, bias: &[i32], mantissa: &[i32], shift: &[u8], out: &mut [i8]) {
        let Some(sums) = sums.0.get(row) else { return };
        isa::finish(sums, bias, mantissa, shift, out);
    }

    #[inline(always)]
    fn finish_i16(
        sums: (&[i32], &[i32]),
        up: u32,
        requant: &ChannelsRef<'_>,
        residual: Option<Sum>,
        out: &mut [i16],
    ) {
        isa::finish_i16(sums, up, requant, residual, out);
    }
}
