//! Attention by vectors, 16 inputs of a score or eight probabilities each.

use quant::Fault;
use quant::slice::window;

use super::isa;
use super::linear::{LANES, ROWS, Sums};
use crate::gemm::{CHANNELS, Panels, Tile};
use crate::tiles::{KEYS, Tiles, With};

/// Probabilities of a vector.
pub(super) const TERMS: usize = 8;
/// Largest stride, eight of which have 16 bits.
pub(super) const MOST_STRIDE: usize = 8191;

/// Vectors of the rows, which take turns, and the sums of a call.
pub(super) struct Rows {
    block: [[isa::Room; ROWS]; KEYS / TERMS],
    sums: Sums,
}

impl Tiles for Rows {
    const INPUTS: usize = LANES;
    const TERMS: usize = TERMS;
    const STRIDE: usize = MOST_STRIDE;

    fn new() -> Self {
        Self { block: [[isa::ROOM; ROWS]; KEYS / TERMS], sums: [[0; CHANNELS]; ROWS] }
    }

    fn load(&mut self, q: &[i8], stride: usize, len: usize, count: usize) -> Result<(), Fault> {
        for row in 0..count {
            isa::load(&mut self.block, row, window(q, row * stride, len)?);
        }
        Ok(())
    }

    fn weigh(
        &mut self,
        row: usize,
        scores: &mut [i8],
        exp: &[u32; 256],
        probabilities: &mut [i16],
    ) -> Result<(), Fault> {
        isa::probabilities(window(scores, 0, probabilities.len())?, exp, probabilities);
        isa::load_wide(&mut self.block, row, probabilities);
        Ok(())
    }

    fn pack(
        with: With,
        from: &[i8],
        stride: usize,
        len: usize,
        count: usize,
        to: &mut [i8],
    ) -> Result<(), Fault> {
        match with {
            With::Keys => isa::pack_keys(from, stride, len, count, to),
            With::Values => isa::pack_values(from, stride, len, to),
        }
    }

    fn multiply(
        &mut self,
        with: With,
        len: usize,
        panels: &Panels<'_>,
        bias: &[i32],
        tile: Tile<'_>,
    ) -> Result<(), Fault> {
        match with {
            With::Keys => isa::multiply(&self.block, len / LANES, panels, true, &mut self.sums)?,
            With::Values => isa::multiply_wide(&self.block, len.div_ceil(TERMS), panels, &mut self.sums)?,
        }
        isa::finish_rows(&self.sums, bias, tile)
    }
}
