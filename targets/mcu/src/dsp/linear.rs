//! Three rows, widened to 16 bits, with pairs of channels.

use quant::Fault;
use quant::slice::{chunks, window};

use super::bytes::widen;
use super::isa;
use crate::gemm::{CHANNELS, CHUNK, Core, Row};

/// Rows multiplied at once.
pub(super) const ROWS: usize = 3;

/// Four inputs of each row: the even ones and the odd ones, two 16-bit halves each, in the
/// order in which `SXTB16` leaves them.
pub(super) type Quad = [[u32; 2]; ROWS];

pub(super) struct DualProducts;

/// The sums of a pair of channels, for each row.
pub(super) type Pair = [[i32; 2]; ROWS];

impl Core for DualProducts {
    const ROWS: usize = ROWS;
    const GROUP: usize = 4;
    type Block = [Quad; CHUNK / 4];
    type Sums = [Pair; CHANNELS / 2];

    fn block() -> Self::Block {
        [[[0; 2]; ROWS]; CHUNK / 4]
    }

    fn zero() -> Self::Sums {
        [[[0; 2]; ROWS]; CHANNELS / 2]
    }

    #[inline(always)]
    fn row<'s>(sums: &'s Self::Sums, row: usize, width: usize, buffer: &'s mut Row) -> &'s [i32] {
        for (to, from) in buffer.iter_mut().zip(sums).take(width.div_ceil(2)) {
            *to = from.get(row).copied().unwrap_or_default();
        }
        buffer.as_flattened().get(..width).unwrap_or(&[])
    }

    fn load(
        block: &mut Self::Block,
        x: &[i8],
        k: usize,
        start: usize,
        len: usize,
        count: usize,
    ) -> Result<(), Fault> {
        for r in 0..count {
            let row = window(x, r * k + start, len)?;
            let (quads, tail) = chunks::<4, _>(row);
            for (place, &quad) in block.iter_mut().zip(quads) {
                if let Some(place) = place.get_mut(r) {
                    *place = widen(quad);
                }
            }
            let mut places = block.iter_mut().skip(quads.len()).filter_map(|quad| quad.get_mut(r));
            if let (Some(place), false) = (places.next(), tail.is_empty()) {
                let mut last = [0; 4];
                for (to, &from) in last.iter_mut().zip(tail) {
                    *to = from;
                }
                *place = widen(last);
            }
        }
        Ok(())
    }

    fn multiply(
        block: &Self::Block,
        len: usize,
        panels: &[i8],
        (stride, pairs): (usize, usize),
        fresh: bool,
        sums: &mut Self::Sums,
    ) -> Result<(), Fault> {
        let quads = block.get(..len.div_ceil(4)).ok_or(Fault::Bounds)?;
        let sums = sums.get_mut(..pairs).ok_or(Fault::Bounds)?;
        let last = pairs.checked_sub(1).ok_or(Fault::Bounds)?;
        // Whole panels are `stride` apart; of the last one, what this chunk multiplies.
        let panels = window(panels, 0, last * stride + 8 * quads.len())?;
        isa::multiply(quads, panels, stride, fresh, sums)
    }

    #[inline(always)]
    fn finish(sums: &Self::Sums, row: usize, bias: &[i32], mantissa: &[i32], shift: &[u8], out: &mut [i8]) {
        isa::finish(sums, row, bias, mantissa, shift, out);
    }
}

/// The sum of one channel of one row; 0 outside.
#[inline(always)]
pub(super) fn sum(sums: &[Pair; CHANNELS / 2], row: usize, channel: usize) -> i32 {
    let pair = sums.get(channel / 2).and_then(|pair| pair.get(row));
    pair.map_or(0, |&[even, odd]| if channel % 2 == 0 { even } else { odd })
}
