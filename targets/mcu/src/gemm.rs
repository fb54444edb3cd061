//! int8 GEMM over blocks of rows and pairs of channels, for any core.

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
    /// Adds the products of `len` inputs of the block with panels to the sums, to those of nothing
    /// if `fresh`. A core adds the `bias` here, once, or wherever it takes sums.
    fn multiply(
        block: &Self::Block,
        len: usize,
        panels: &Panels<'_>,
        bias: &[i32],
        fresh: bool,
        sums: &mut Self::Sums,
    ) -> Result<(), Fault>;
    /// The same for an even number of channels, whose sums are requantized to int8.
    fn multiply_i8(
        block: &Self::Block,
        len: usize,
        panels: &Panels<'_>,
        bias: &[i32],
        fresh: bool,
        sums: &mut Self::Sums,
        tile: Tile<'_>,
    ) -> Result<(), Fault>;
    /// Copies the sums of the first channels of a row, with their bias.
    fn row<'s>(sums: &Self::Sums, row: usize, bias: &[i32], buffer: &'s mut Row) -> &'s [i32];
    /// [`row`](Self::row), requantized by [`finish_i16`].
    #[inline(always)]
    fn finish_i16(
        (sums, row, bias): (&Self::Sums, usize, &[i32]),
        up: u32,
        requant: &ChannelsRef<'_>,
        residual: Option<Sum>,
        out: &mut [i16],
    ) {
        finish_i16(Self::row(sums, row, bias, &mut [[0; 2]; CHANNELS / 2]), up, requant, residual, out);
    }
}

/// Weights of pairs of channels.
pub(crate) struct Panels<'a> {
    pub(crate) data: &'a [i8],
    /// Bytes from a pair to the next.
    pub(crate) stride: usize,
    pub(crate) pairs: usize,
}

impl<'a> Panels<'a> {
    /// The weights, whose last pair holds at least `len` bytes.
    pub(crate) fn holding(&self, len: usize) -> Result<&'a [i8], Fault> {
        let last = self.pairs.checked_sub(1).ok_or(Fault::Bounds)?;
        window(self.data, 0, last * self.stride + len)
    }
}

/// Where the int8 results of a block of rows go: `requant.shift.len()` channels of `count` rows,
/// `stride` apart. All shifts are at least 33.
pub(crate) struct Tile<'a> {
    pub(crate) requant: ChannelsRef<'a>,
    pub(crate) out: &'a mut [i8],
    pub(crate) stride: usize,
    pub(crate) count: usize,
}

#[cfg(all(target_arch = "arm", any(feature = "dsp", feature = "mve")))]
impl Tile<'_> {
    /// From the first row to each of `R`, the first again for those past the last: what is
    /// written there before the first row is written over.
    pub(crate) fn rows<const R: usize>(&self) -> [usize; R] {
        core::array::from_fn(|row| if row < self.count { row * self.stride } else { 0 })
    }

    /// Whether `2 · pairs` channels of every row have constants and places.
    pub(crate) fn holds(&self, pairs: usize) -> bool {
        let (width, requant) = (2 * pairs, &self.requant);
        let end = self.count.wrapping_sub(1).checked_mul(self.stride);
        let end = end.and_then(|last| last.checked_add(width));
        requant.mantissa.len().min(requant.shift.len()) >= width
            && end.is_some_and(|end| end <= self.out.len())
    }
}

/// Requantizes sums, `up` bits higher, to int16, and adds them to what `out` holds where there
/// is a `residual`. Two loops: each keeps its constants in registers.
#[inline(always)]
pub(crate) fn finish_i16(
    sums: &[i32],
    up: u32,
    requant: &ChannelsRef<'_>,
    residual: Option<Sum>,
    out: &mut [i16],
) {
    let mut scaled = [0i16; CHANNELS];
    let constants = requant.mantissa.iter().zip(requant.shift);
    for ((t, &z), (&m, &e)) in scaled.iter_mut().zip(sums).zip(constants) {
        *t = requantize_i16(z << up, m, e.wrapping_add(up as u8));
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
    let mut row = 0;
    while row < rows {
        let count = (rows - row).min(C::ROWS);
        let x = window(x, row * k, count * k)?;
        if k <= CHUNK {
            C::load(&mut block, x, k, 0, k, count)?;
        }
        let mut channel = 0;
        while channel < n {
            let mut width = (n - channel).min(CHANNELS);
            // Channels that come in pairs are requantized while their sums are in registers.
            let narrow = width > 1 && up == Some(0) && matches!(out, LinearOut::I8 { .. });
            if narrow {
                width &= !1;
            }
            let bias = window(args.bias, channel, width)?;
            let data = args.weights.data.get(channel / 2 * stride..).ok_or(Fault::Bounds)?;
            let mut start = 0;
            while start < k {
                let len = (k - start).min(CHUNK);
                if k > CHUNK {
                    C::load(&mut block, x, k, start, len, count)?;
                }
                let data = data.get(2 * start..).ok_or(Fault::Bounds)?;
                let panels = Panels { data, stride, pairs: width.div_ceil(2) };
                let fresh = start == 0;
                start += len;
                match &mut out {
                    LinearOut::I8 { out, .. } if narrow && start == k => {
                        let requant = args.requant.window(channel, width)?;
                        let out = window_mut(out, row * n + channel, (count - 1) * n + width)?;
                        let tile = Tile { requant, out, stride: n, count };
                        C::multiply_i8(&block, len, &panels, bias, fresh, &mut sums, tile)?;
                    }
                    _ => C::multiply(&block, len, &panels, bias, fresh, &mut sums)?,
                }
            }
            for r in 0..count {
                let at = (row + r) * n + channel;
                match &mut out {
                    LinearOut::I8 { out, table } if narrow => {
                        if let Some(table) = table {
                            look_up(table, window_mut(out, at, width)?);
                        }
                    }
                    out => finish::<C>(args, channel, (&sums, r, bias), at, up, out)?,
                }
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

/// Multiplier and epilogue of consecutive channels of one row.
#[inline(always)]
fn finish<C: Core>(
    args: &LinearArgs<'_>,
    channel: usize,
    sums: (&C::Sums, usize, &[i32]),
    at: usize,
    up: Option<u32>,
    out: &mut LinearOut<'_>,
) -> Result<(), Fault> {
    let (sums_of_rows, row, bias) = sums;
    let width = bias.len();
    let requant = args.requant.window(channel, width)?;
    if let (Some(up), LinearOut::I16 { out, residual }) = (up, &mut *out) {
        let sum = residual.map(|r| Sum::new(r.stream, r.branch));
        if let None | Some(Some(_)) = sum {
            C::finish_i16(sums, up, &requant, sum.flatten(), window_mut(out, at, width)?);
            return Ok(());
        }
    }
    out.store(at, C::row(sums_of_rows, row, bias, &mut [[0; 2]; CHANNELS / 2]), &requant)
}
