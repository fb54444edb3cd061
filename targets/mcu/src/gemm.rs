//! int8 GEMM over blocks of rows and pairs of channels, for any core.

use core::ops::Range;

use quant::Fault;
use quant::ops::{ChannelsRef, LinearArgs, LinearOut};
use quant::slice::{window, window_mut};

use crate::requantize::{Sum, look_up, requantize_i16};

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
    /// The sums of the first channels of a row, in place or copied to `buffer`.
    fn row<'s>(sums: &'s Self::Sums, row: usize, width: usize, buffer: &'s mut Row) -> &'s [i32];
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
    /// As [`finish_i16`].
    #[inline(always)]
    fn finish_i16(
        sums: (&[i32], &[i32]),
        up: u32,
        requant: &ChannelsRef<'_>,
        residual: Option<Sum>,
        out: &mut [i16],
    ) {
        finish_i16(sums, up, requant, residual, out);
    }
}

/// Requantizes sums with their bias, `up` bits higher, to int16, and adds them to what `out`
/// holds where there is a `residual`. Two loops: each keeps its constants in registers.
#[inline(always)]
pub(crate) fn finish_i16(
    (sums, bias): (&[i32], &[i32]),
    up: u32,
    requant: &ChannelsRef<'_>,
    residual: Option<Sum>,
    out: &mut [i16],
) {
    let mut scaled = [0i16; CHANNELS];
    let constants = requant.mantissa.iter().zip(requant.shift);
    for ((t, (&z, &b)), (&m, &e)) in scaled.iter_mut().zip(sums.iter().zip(bias)).zip(constants) {
        *t = requantize_i16((z + b) << up, m, e.wrapping_add(up as u8));
    }
    match residual {
        Some(sum) => out.iter_mut().zip(&scaled).for_each(|(y, &t)| *y = sum.apply(*y, t)),
        None => out.iter_mut().zip(&scaled).for_each(|(y, &t)| *y = t),
    }
}

/// Room for the sums of a row.
pub(crate) type Row = [[i32; 2]; CHANNELS / 2];

/// A whole GEMM with weights in the panels of `C`.
pub(crate) fn gemm<C: Core>(args: &LinearArgs<'_>, x: &[i8], mut out: LinearOut<'_>) -> Result<(), Fault> {
    let (n, k) = (args.weights.n, args.weights.k);
    let rows = x.len().checked_div(k).unwrap_or(0);
    let stride = 2 * k.next_multiple_of(C::GROUP);
    let up = headroom(args.bias, args.requant.shift, k as u64 * (128 * 127));
    let mut block = C::block();
    let mut sums = C::zero();
    let mut buffer = [[0; 2]; CHANNELS / 2];
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
                finish::<C>(args, channel..channel + width, (&sums, r, &mut buffer), at, up, &mut out)?;
            }
            channel += width;
        }
        row += count;
    }
    Ok(())
}

/// The bits by which sums with their bias have to be shifted up for every shift to be at least
/// 33, so that the upper half of a product holds the result. `None` where they have no room
/// for it; `largest` is the largest magnitude of a sum.
pub(crate) fn headroom(bias: &[i32], shifts: &[u8], largest: u64) -> Option<u32> {
    let up = u32::from(33u8.saturating_sub(*shifts.iter().min()?));
    if up == 0 {
        return Some(0);
    }
    let most = u32::from(*shifts.iter().max()?);
    let bias = bias.iter().map(|b| u64::from(b.unsigned_abs())).max()?;
    let largest = largest + bias;
    (up < 32 && largest << up <= i32::MAX as u64 && most + up <= 62).then_some(up)
}

/// Bias, multiplier and epilogue of consecutive channels of one row.
#[inline(always)]
fn finish<C: Core>(
    args: &LinearArgs<'_>,
    channels: Range<usize>,
    (sums, row, buffer): (&C::Sums, usize, &mut Row),
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
            look_up(table, out);
        }
        return Ok(());
    }
    let z = C::row(sums, row, width, buffer);
    if let (Some(up), LinearOut::I16 { out, residual }) = (up, &mut *out) {
        let sum = residual.map(|r| Sum::new(r.stream, r.branch));
        if let None | Some(Some(_)) = sum {
            C::finish_i16((z, bias), up, &requant, sum.flatten(), window_mut(out, at, width)?);
            return Ok(());
        }
    }
    let mut biased = [0i32; CHANNELS];
    for (biased, (&z, &b)) in biased.iter_mut().zip(z.iter().zip(bias)) {
        *biased = z + b;
    }
    out.store(at, window(&biased, 0, width)?, &requant)
}
