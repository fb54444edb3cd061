//! int8 GEMM over blocks of rows and pairs of channels, for any core.

use core::ops::Range;

use quant::Fault;
use quant::ops::{LinearArgs, LinearOut};
use quant::slice::{window, window_mut};

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
    /// The sum of one channel of one row; 0 outside.
    fn sum(sums: &Self::Sums, row: usize, channel: usize) -> i32;
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
    let fast = args.requant.shift.iter().all(|&e| e >= 33);
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
                finish::<C>(args, channel..channel + width, (&sums, r), at, fast, &mut out)?;
            }
            channel += width;
        }
        row += count;
    }
    Ok(())
}

/// Bias, multiplier and epilogue of consecutive channels of one row.
#[inline(always)]
fn finish<C: Core>(
    args: &LinearArgs<'_>,
    channels: Range<usize>,
    (sums, row): (&C::Sums, usize),
    at: usize,
    fast: bool,
    out: &mut LinearOut<'_>,
) -> Result<(), Fault> {
    let width = channels.len();
    let bias = window(args.bias, channels.start, width)?;
    let requant = args.requant.window(channels.start, width)?;
    if let (true, LinearOut::I8 { out, table }) = (fast, &mut *out) {
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
    for (channel, (z, &b)) in biased.iter_mut().zip(bias).enumerate() {
        *z = C::sum(sums, row, channel) + b;
    }
    out.store(at, window(&biased, 0, width)?, &requant)
}

/// `saturate((z · m + 2^(e−1)) >> e)` with `e ≥ 33`: a truncated high product and one
/// rounding shift.
#[inline(always)]
pub(crate) fn requantize(z: i32, mantissa: i32, shift: u8) -> i8 {
    let high = ((i64::from(z) * i64::from(mantissa)) >> 32) as i32;
    // Shifting by one less, then halving upwards, cannot overflow.
    let twice = high >> (shift.wrapping_sub(33) & 31);
    ((twice >> 1) + (twice & 1)).clamp(-128, 127) as i8
}
