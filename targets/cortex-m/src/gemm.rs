//! int8 GEMM over blocks of rows and pairs of channels, for any core.

use core::ops::Range;

use quant::Fault;
use quant::ops::{ChannelsRef, LinearArgs, LinearOut};
use quant::slice::{window, window_mut};

use crate::requantize::{Sum, requantize_i16};

/// Channels whose sums are held at once.
pub(crate) const CHANNELS: usize = 64;
/// Inputs of a row that are multiplied at once; longer rows are cut into such chunks.
pub(crate) const CHUNK: usize = 512;

/// What a core brings to the GEMM.
pub(crate) trait Core {
    /// Rows multiplied at once.
    const ROWS: usize;
    /// Consecutive inputs of a channel in its pack, whose panels are two channels wide.
    const GROUP: usize;
    /// A chunk of [`ROWS`](Self::ROWS) rows in the form the core multiplies.
    type Block;
    /// Sums of [`CHANNELS`] channels of each row.
    type Sums;

    /// Room for a chunk.
    fn block() -> Self::Block;
    /// Sums of zero.
    fn zero() -> Self::Sums;
    /// The sums of the first channels of a row with their bias.
    fn biased(sums: &Self::Sums, row: usize, bias: &[i32], out: &mut [i32]);
    /// Brings the inputs `start ..` of `count ≤ ROWS` rows of `k` to the core's form. Inputs up
    /// to the next multiple of the group, and rows past `count`, may be anything finite: the
    /// weights there are zero, and the sums there are not used.
    fn load(
        block: &mut Self::Block,
        x: &[i8],
        k: usize,
        start: usize,
        len: usize,
        count: usize,
    ) -> Result<(), Fault>;
    /// Adds the products of `len` inputs of the block with panels, `at = (stride, pairs)`: `pairs`
    /// of them, `stride` bytes apart; to zero if `fresh`.
    fn multiply(
        block: &Self::Block,
        len: usize,
        panels: &[i8],
        at: (usize, usize),
        fresh: bool,
        sums: &mut Self::Sums,
    ) -> Result<(), Fault>;
    /// Requantizes the first channels of `row` to int8, with shifts of at least 33.
    fn finish(sums: &Self::Sums, row: usize, bias: &[i32], mantissa: &[i32], shift: &[u8], out: &mut [i8]);
}

/// A whole GEMM with weights in the panels of `C`.
pub(crate) fn gemm<C: Core>(args: &LinearArgs<'_>, x: &[i8], mut out: LinearOut<'_>) -> Result<(), Fault> {
    let (n, k) = (args.weights.n, args.weights.k);
    let rows = x.len().checked_div(k).unwrap_or(0);
    let stride = 2 * k.next_multiple_of(C::GROUP);
    let up = headroom(args);
    let mut block = C::block();
    let mut sums = C::zero();
    let mut row = 0;
    while row < rows {
        let count = (rows - row).min(C::ROWS);
        let x = window(x, row * k, count * k)?;
        if k <= CHUNK {
            C::load(&mut block, x, k, 0, k, count)?;
        }
        let mut channel = 0;
        while channel < n {
            let width = (n - channel).min(CHANNELS);
            let pairs = width.div_ceil(2);
            let panels = args.weights.data.get(channel / 2 * stride..).ok_or(Fault::Bounds)?;
            let mut start = 0;
            while start < k {
                let len = (k - start).min(CHUNK);
                if k > CHUNK {
                    C::load(&mut block, x, k, start, len, count)?;
                }
                let panels = panels.get(2 * start..).ok_or(Fault::Bounds)?;
                C::multiply(&block, len, panels, (stride, pairs), start == 0, &mut sums)?;
                start += len;
            }
            for r in 0..count {
                let at = (row + r) * n + channel;
                finish::<C>(args, channel..channel + width, (&sums, r), at, up, &mut out)?;
            }
            channel += width;
        }
        row += count;
    }
    Ok(())
}

/// The bits by which accumulators with their bias have to be shifted up for every shift to be at
/// least 33, so that the upper half of a product holds the result. `None` where they have no
/// room for it.
fn headroom(args: &LinearArgs<'_>) -> Option<u32> {
    let shifts = args.requant.shift;
    let (least, most) = (shifts.iter().min()?, shifts.iter().max()?);
    let up = u32::from(33u8.saturating_sub(*least));
    let bias = args.bias.iter().map(|b| u64::from(b.unsigned_abs())).max()?;
    let largest = args.weights.k as u64 * (128 * 127) + bias;
    (up < 32 && largest << up <= i32::MAX as u64 && u32::from(*most) + up <= 64).then_some(up)
}

/// Bias, multiplier and epilogue of consecutive channels of one row.
#[inline(always)]
fn finish<C: Core>(
    args: &LinearArgs<'_>,
    channels: Range<usize>,
    (sums, row): (&C::Sums, usize),
    at: usize,
    up: Option<u32>,
    out: &mut LinearOut<'_>,
) -> Result<(), Fault> {
    let width = channels.len();
    let bias = window(args.bias, channels.start, width)?;
    let requant = args.requant.window(channels.start, width)?;
    if let (Some(0), LinearOut::I8 { out, table }) = (up, &mut *out) {
        let out = window_mut(out, at, width)?;
        C::finish(sums, row, bias, requant.mantissa, requant.shift, out);
        if let Some(table) = table {
            for y in out {
                *y = table[usize::from((*y as u8).wrapping_add(128))];
            }
        }
        return Ok(());
    }
    let mut biased = [0i32; CHANNELS];
    let biased = window_mut(&mut biased, 0, width)?;
    C::biased(sums, row, bias, biased);
    if let (Some(up), LinearOut::I16 { out, residual }) = (up, &mut *out) {
        let sum = residual.map(|r| Sum::new(r.stream, r.branch));
        if let None | Some(Some(_)) = sum {
            finish_i16(biased, up, &requant, sum.flatten(), window_mut(out, at, width)?);
            return Ok(());
        }
    }
    out.store(at, biased, &requant)
}

/// Requantizes sums with their bias to int16, and adds them to what `out` holds where there is a
/// `residual`. Short loops: each keeps its constants in registers.
#[inline(always)]
fn finish_i16(biased: &mut [i32], up: u32, requant: &ChannelsRef<'_>, residual: Option<Sum>, out: &mut [i16]) {
    for (z, (&m, &e)) in biased.iter_mut().zip(requant.mantissa.iter().zip(requant.shift)) {
        *z = requantize_i16(*z << up, m, e.wrapping_add(up as u8)).into();
    }
    match residual {
        Some(sum) => out.iter_mut().zip(biased).for_each(|(y, t)| *y = sum.apply(*y, *t as i16)),
        None => out.iter_mut().zip(biased).for_each(|(y, t)| *y = *t as i16),
    }
}
