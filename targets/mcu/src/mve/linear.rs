//! Three rows with pairs of channels, by vectors of 16 inputs.

use quant::Fault;
use quant::slice::window;

use super::isa;
use crate::gemm::{CHANNELS, CHUNK, Core, Panels, Row, Tile};

/// Rows multiplied at once: with pairs of channels as many sums as there are registers for.
pub(super) const ROWS: usize = 3;
/// Inputs of a vector.
pub(super) const LANES: usize = 16;

/// A chunk of the rows, vectors of which take turns.
pub(super) type Block = [[isa::Room; ROWS]; CHUNK / LANES];
/// The sums of all channels, row by row.
pub(super) type Sums = [[i32; CHANNELS]; ROWS];

pub(super) struct Vectors;

impl Core for Vectors {
    const ROWS: usize = ROWS;
    const GROUP: usize = LANES;
    type Block = Block;
    type Sums = Sums;

    fn block() -> Block {
        [[isa::ROOM; ROWS]; CHUNK / LANES]
    }

    fn zero() -> Sums {
        [[0; CHANNELS]; ROWS]
    }

    fn load(
        block: &mut Block,
        x: &[i8],
        k: usize,
        start: usize,
        len: usize,
        count: usize,
    ) -> Result<(), Fault> {
        for r in 0..count {
            isa::load(block, r, window(x, r * k + start, len)?);
        }
        Ok(())
    }

    fn multiply(
        block: &Block,
        len: usize,
        panels: &Panels<'_>,
        _: &[i32],
        fresh: bool,
        sums: &mut Sums,
    ) -> Result<(), Fault> {
        isa::multiply(block, len.div_ceil(LANES), panels, fresh, sums)
    }

    fn multiply_into(
        block: &Block,
        len: usize,
        panels: &Panels<'_>,
        bias: &[i32],
        fresh: bool,
        sums: &mut Sums,
        mut tile: Tile<'_>,
    ) -> Result<(), Fault> {
        let mut first = 0;
        while first < panels.pairs {
            let part = panels.part(first, CHANNELS / 2)?;
            isa::multiply(block, len.div_ceil(LANES), &part, fresh, sums)?;
            let (channel, width) = (2 * first, 2 * part.pairs);
            isa::finish_rows(sums, window(bias, channel, width)?, tile.part(channel, width)?)?;
            first += part.pairs;
        }
        Ok(())
    }

    #[inline(always)]
    fn row<'s>(sums: &Sums, row: usize, bias: &[i32], buffer: &'s mut Row) -> &'s [i32] {
        let buffer = buffer.as_flattened_mut();
        for (to, (&z, &b)) in buffer.iter_mut().zip(sums.get(row).into_iter().flatten().zip(bias)) {
            *to = z + b;
        }
        buffer.get(..bias.len()).unwrap_or(&[])
    }
}
