//! int8 GEMM over blocks of rows and pairs of channels, for any core.

use quant::Fault;
use quant::ops::{ChannelsRef, LinearArgs, LinearOut};
use quant::slice::{window, window_mut};

use crate::requantize::{Sum, look_up, requantize_i8, requantize_i16};

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
    /// The same for an even number of channels, whose sums become results: for any number where
    /// they are `fresh`, otherwise for at most [`CHANNELS`].
    fn multiply_into(
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

    /// At most `most` of the pairs, from `first` on.
    #[inline(always)]
    pub(crate) fn part(&self, first: usize, most: usize) -> Result<Self, Fault> {
        let data = self.data.get(first * self.stride..).ok_or(Fault::Bounds)?;
        Ok(Self { data, stride: self.stride, pairs: self.pairs.saturating_sub(first).min(most) })
    }
}

/// Where the results of a block of rows go: `requant.shift.len()` channels of `count` rows,
/// `stride` apart.
pub(crate) struct Tile<'a> {
    pub(crate) requant: ChannelsRef<'a>,
    pub(crate) out: Results<'a>,
    pub(crate) stride: usize,
    pub(crate) count: usize,
}

/// The first of the results. All shifts are at least 33: those of int16 once the sums are `up`
/// bits higher. With a `residual` the results are added to what is there.
pub(crate) enum Results<'a> {
    I8(&'a mut [i8]),
    I16 { out: &'a mut [i16], up: u32, residual: Option<Sum> },
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
        let len = match &self.out {
            Results::I8(out) => out.len(),
            Results::I16 { out, .. } => out.len(),
        };
        requant.mantissa.len().min(requant.shift.len()) >= width && end.is_some_and(|end| end <= len)
    }
}

impl Tile<'_> {
    /// `width` of the channels, from `channel` on.
    #[inline(always)]
    pub(crate) fn part(&mut self, channel: usize, width: usize) -> Result<Tile<'_>, Fault> {
        let requant = self.requant.window(channel, width)?;
        let out = match &mut self.out {
            Results::I8(out) => Results::I8(out.get_mut(channel..).ok_or(Fault::Bounds)?),
            Results::I16 { out, up, residual } => {
                let out = out.get_mut(channel..).ok_or(Fault::Bounds)?;
                Results::I16 { out, up: *up, residual: *residual }
            }
        };
        Ok(Tile { requant, out, stride: self.stride, count: self.count })
    }

    /// The results of `sums`, which have their bias, of consecutive channels of a row.
    pub(crate) fn finish(&mut self, row: usize, channel: usize, sums: &[i32]) -> Result<(), Fault> {
        let requant = self.requant.window(channel, sums.len())?;
        let at = row * self.stride + channel;
        let sums = sums.iter().zip(requant.mantissa.iter().zip(requant.shift));
        match &mut self.out {
            Results::I8(out) => {
                for (y, (&z, (&m, &e))) in window_mut(out, at, requant.shift.len())?.iter_mut().zip(sums) {
                    *y = requantize_i8(z, m, e);
                }
            }
            Results::I16 { out, up, residual } => {
                for (y, (&z, (&m, &e))) in window_mut(out, at, requant.shift.len())?.iter_mut().zip(sums) {
                    let t = requantize_i16(z << *up, m, e.wrapping_add(*up as u8));
                    *y = residual.map_or(t, |sum| sum.apply(*y, t));
                }
            }
        }
        Ok(())
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
    let direct = Direct::new(up, &out);
    // Sums that wait for the next chunk of their rows are in memory.
    let most = if direct.is_some() && k <= CHUNK { n } else { CHANNELS };
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
            let mut width = (n - channel).min(most);
            // Channels that come in pairs are requantized where their sums are.
            let direct = direct.filter(|_| width > 1);
            if direct.is_some() {
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
                match direct {
                    Some(direct) if start == k => {
                        let requant = args.requant.window(channel, width)?;
                        let out = direct.results(&mut out, row * n + channel, (count - 1) * n + width)?;
                        let tile = Tile { requant, out, stride: n, count };
                        C::multiply_into(&block, len, &panels, bias, fresh, &mut sums, tile)?;
                    }
                    _ => C::multiply(&block, len, &panels, bias, fresh, &mut sums)?,
                }
            }
            for r in 0..count {
                let at = (row + r) * n + channel;
                match (&mut out, direct) {
                    (LinearOut::I8 { out, table: Some(table) }, Some(_)) => {
                        look_up(table, window_mut(out, at, width)?);
                    }
                    (_, Some(_)) => {}
                    (out, None) => {
                        let requant = args.requant.window(channel, width)?;
                        let buffer = &mut [[0; 2]; CHANNELS / 2];
                        out.store(at, C::row(&sums, r, bias, buffer), &requant)?;
                    }
                }
            }
            channel += width;
        }
        row += count;
    }
    Ok(())
}

/// What 32-bit registers need to make results of sums.
#[derive(Clone, Copy)]
pub(crate) struct Direct {
    up: u32,
    residual: Option<Sum>,
}

impl Direct {
    /// `None` where they have no room for it.
    pub(crate) fn new(up: Option<u32>, out: &LinearOut<'_>) -> Option<Self> {
        let (up, residual) = match (up?, out) {
            (0, LinearOut::I8 { .. }) => (0, None),
            (_, LinearOut::I8 { .. } | LinearOut::I32 { .. }) => return None,
            (up, LinearOut::I16 { residual: None, .. }) => (up, None),
            (up, LinearOut::I16 { residual: Some(r), .. }) => (up, Some(Sum::new(r.stream, r.branch)?)),
        };
        Some(Self { up, residual })
    }

    /// The `len` results from `at` on.
    pub(crate) fn results<'o>(
        &self,
        out: &'o mut LinearOut<'_>,
        at: usize,
        len: usize,
    ) -> Result<Results<'o>, Fault> {
        Ok(match out {
            LinearOut::I8 { out, .. } => Results::I8(window_mut(out, at, len)?),
            LinearOut::I16 { out, .. } => {
                Results::I16 { out: window_mut(out, at, len)?, up: self.up, residual: self.residual }
            }
            LinearOut::I32 { .. } => return Err(Fault::Bounds),
        })
    }
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
    let bias = bias.iter().map(|b| b.unsigned_abs()).max()?;
    let largest = largest + u64::from(bias);
    (up < 32 && largest << up <= i32::MAX as u64 && most + up <= 62).then_some(up)
}
