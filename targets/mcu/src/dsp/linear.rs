//! Three rows, widened to 16 bits, with pairs of channels.

use quant::Fault;
use quant::slice::{chunks, window};

use super::isa;
use crate::gemm::{CHANNELS, CHUNK, Core, Panels, Row, Tile};

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
    type Block = [isa::Room; CHUNK / 4];
    type Sums = [Pair; CHANNELS / 2];

    fn block() -> Self::Block {
        [isa::ROOM; CHUNK / 4]
    }

    fn zero() -> Self::Sums {
        [[[0; 2]; ROWS]; CHANNELS / 2]
    }

    fn load(
        block: &mut Self::Block,
        x: &[i8],
        k: usize,
        start: usize,
        len: usize,
        count: usize,
    ) -> Result<(), Fault> {
        load(block, x, k, start, len, count)
    }

    fn multiply(
        block: &Self::Block,
        len: usize,
        panels: &Panels<'_>,
        bias: &[i32],
        fresh: bool,
        sums: &mut Self::Sums,
    ) -> Result<(), Fault> {
        let quads = block.get(..len.div_ceil(4)).ok_or(Fault::Bounds)?;
        // A channel without a partner has a pair of sums all the same.
        let pairs = bias.len() % 2 == 0;
        if fresh && !pairs {
            start(sums, bias);
        }
        isa::multiply(quads, panels, (fresh && pairs).then_some(bias), sums)
    }

    fn multiply_into(
        block: &Self::Block,
        len: usize,
        panels: &Panels<'_>,
        bias: &[i32],
        fresh: bool,
        sums: &mut Self::Sums,
        tile: Tile<'_>,
    ) -> Result<(), Fault> {
        let quads = block.get(..len.div_ceil(4)).ok_or(Fault::Bounds)?;
        isa::multiply_into(quads, panels, fresh.then_some(bias), sums, tile)
    }

    #[inline(always)]
    fn row<'s>(sums: &Self::Sums, row: usize, bias: &[i32], buffer: &'s mut Row) -> &'s [i32] {
        for (to, from) in buffer.iter_mut().zip(sums).take(bias.len().div_ceil(2)) {
            *to = from.get(row).copied().unwrap_or_default();
        }
        buffer.as_flattened().get(..bias.len()).unwrap_or(&[])
    }
}

/// Widens the inputs `start ..` of `count` rows of `k`; see [`Core::load`].
pub(super) fn load(
    block: &mut [isa::Room],
    x: &[i8],
    k: usize,
    start: usize,
    len: usize,
    count: usize,
) -> Result<(), Fault> {
    let mut rows = [&[][..]; ROWS];
    for (r, row) in rows.iter_mut().enumerate() {
        *row = window(x, if r < count { r * k + start } else { start }, len)?;
    }
    isa::widen_rows(block, rows.map(|row| chunks::<4, _>(row).0));
    if let (Some(place), false) = (block.get_mut(len / 4..), len % 4 == 0) {
        let last = rows.map(|row| {
            let mut last = [0; 4];
            for (to, &from) in last.iter_mut().zip(chunks::<4, _>(row).1) {
                *to = from;
            }
            [last]
        });
        isa::widen_rows(place, last.each_ref().map(|last| &last[..]));
    }
    Ok(())
}

/// Begins the sums of every row with the bias.
pub(super) fn start(sums: &mut [Pair], bias: &[i32]) {
    for (channel, &b) in bias.iter().enumerate() {
        for row in sums.get_mut(channel / 2).into_iter().flatten() {
            if let Some(z) = row.get_mut(channel % 2) {
                *z = b;
            }
        }
    }
}
