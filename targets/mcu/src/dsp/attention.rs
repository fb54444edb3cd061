//! Attention by dual 16-bit products: probabilities are widened queries already.

use quant::Fault;
use quant::slice::window;

use super::isa;
use super::linear::load;
use crate::gemm::{Panels, Tile};
use crate::tiles::{KEYS, Tiles, With};

/// Inputs, or keys, of a quad.
pub(super) const QUAD: usize = 4;

/// Quads of the rows.
pub(super) struct Quads([isa::Room; KEYS / QUAD]);

impl Tiles for Quads {
    const INPUTS: usize = QUAD;
    const TERMS: usize = QUAD;
    const STRIDE: usize = usize::MAX;

    fn new() -> Self {
        Self([isa::ROOM; KEYS / QUAD])
    }

    fn load(&mut self, q: &[i8], stride: usize, len: usize, count: usize) -> Result<(), Fault> {
        load(&mut self.0, q, stride, 0, len, count)
    }

    fn weigh(
        &mut self,
        row: usize,
        scores: &mut [i8],
        exp: &[u32; 256],
        probabilities: &mut [i16],
    ) -> Result<(), Fault> {
        isa::weigh(&mut self.0, row, scores, probabilities.len(), exp)
    }

    fn pack(
        with: With,
        from: &[i8],
        stride: usize,
        len: usize,
        count: usize,
        to: &mut [i8],
    ) -> Result<(), Fault> {
        isa::pack(with, from, stride, len, count, to)
    }

    fn multiply(
        &mut self,
        _: With,
        len: usize,
        panels: &Panels<'_>,
        bias: &[i32],
        tile: Tile<'_>,
    ) -> Result<(), Fault> {
        let quads = window(&self.0, 0, len.div_ceil(QUAD))?;
        isa::multiply_into(quads, panels, Some(bias), &mut [], tile)
    }
}
