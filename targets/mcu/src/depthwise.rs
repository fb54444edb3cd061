//! Depthwise convolution: every channel has weights of its own.
//!
//! The weights of some channels are brought to blocks once, in which those of a tap lie beside each
//! other as the channels of the image do. Output pixels whose windows have the same taps inside
//! the image share a list of them.

use core::array;
use core::ops::Range;

use quant::Fault;
use quant::ops::{ChannelsRef, Clip, Conv2dArgs, LinearOut};
use quant::pack::Weights;
use quant::slice::{window, window_mut};

use crate::requantize::{look_up, requantize_i8};

/// Most channels whose weights are in blocks at once.
pub(crate) const CHANNELS: usize = 64;
/// Most taps of a kernel.
const TAPS: usize = 49;
/// Weights in blocks: 25 of each channel, or more of fewer channels.
const WEIGHTS: usize = 25 * CHANNELS;
/// Constants of a channel: bias, mantissa, and what its shift is more than 33.
const CONSTANTS: usize = 3;

/// What a core brings to depthwise convolutions.
pub(crate) trait Depthwise {
    /// Channels of a block: 4, or 16.
    const LANES: usize;
    /// A weight in a block.
    type Weight: Copy + From<i8> + Into<i32>;

    /// Where a tap of a block has the weight of its `lane`-th channel.
    #[inline(always)]
    fn lane(lane: usize) -> usize {
        lane
    }

    /// Where a block has the constants of its `lane`-th channel.
    #[inline(always)]
    fn place(lane: usize) -> usize {
        lane
    }

    /// What is kept of a shift of at least 33.
    #[inline(always)]
    fn shift(shift: u8) -> i32 {
        i32::from(shift) - 33
    }

    /// Results of a run of pixels, where all shifts are at least 33.
    #[inline(always)]
    fn results(
        x: &[i8],
        run: &Run<'_>,
        taps: &Taps,
        blocks: &Blocks<Self::Weight>,
        out: &mut [i8],
    ) -> Result<(), Fault> {
        results::<Self>(x, run, taps, blocks, out)
    }
}

/// Pixels of one row whose windows have the same taps. Their inputs are from that of the first of
/// the taps on.
pub(crate) struct Run<'a> {
    pub(crate) pixels: usize,
    /// From the window of a pixel to that of the next.
    pub(crate) x_step: usize,
    /// From the results of a pixel to those of the next.
    pub(crate) out_step: usize,
    pub(crate) constants: Constants<'a>,
}

/// A kernel position inside the image.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Tap {
    /// Where its input is, from that of the first tap inside on.
    x: usize,
    /// How many bytes into a block its weights are.
    w: usize,
}

/// Biases and multipliers of some channels.
#[derive(Clone, Copy)]
pub(crate) struct Constants<'a> {
    pub(crate) bias: &'a [i32],
    pub(crate) requant: ChannelsRef<'a>,
}

/// Weights of blocks of channels, and their constants in the same order.
#[repr(C)]
pub(crate) struct Blocks<W> {
    /// How many weights a block has; they are behind each other, tap by tap.
    stride: usize,
    /// Biases, then mantissas, then what is kept of shifts, of a block.
    constants: [i32; CONSTANTS * CHANNELS],
    /// Behind words, and so where words may be.
    weights: [W; WEIGHTS],
}

impl<W: Copy + From<i8> + Into<i32>> Blocks<W> {
    fn empty() -> Self {
        Self { stride: 0, weights: [W::from(0); WEIGHTS], constants: [0; CONSTANTS * CHANNELS] }
    }

    /// Brings `count` channels from `first` on to blocks.
    fn load<D: Depthwise<Weight = W> + ?Sized>(
        &mut self,
        weights: &Weights<'_>,
        first: usize,
        count: usize,
        constants: &Constants<'_>,
    ) -> Result<(), Fault> {
        let (panel, step) = weights.pack.panel();
        let padded = (weights.k + step - 1) & !(step - 1);
        self.stride = weights.k * D::LANES;
        for channel in 0..count {
            let row = first + channel;
            let mut group = (row & !(panel - 1)) * padded + (row & (panel - 1)) * step;
            let (mut at, mut left) = (self.at::<D>(channel), weights.k);
            while left > 0 {
                let taps = left.min(step);
                let to = window_mut(&mut self.weights, at, (taps - 1) * D::LANES + 1)?;
                let from = window(weights.data, group, taps)?;
                to.iter_mut().step_by(D::LANES).zip(from).for_each(|(to, &weight)| *to = weight.into());
                at += taps * D::LANES;
                group += panel * step;
                left -= taps;
            }
        }
        let Constants { bias, requant } = constants;
        let constants = bias.iter().zip(requant.mantissa.iter().zip(requant.shift));
        for (channel, (&bias, (&mantissa, &shift))) in constants.enumerate() {
            let (block, lane) = (channel / D::LANES, channel % D::LANES);
            let at = block * CONSTANTS * D::LANES + D::place(lane);
            for (list, value) in [bias, mantissa, D::shift(shift)].into_iter().enumerate() {
                if let Some(to) = self.constants.get_mut(at + list * D::LANES) {
                    *to = value;
                }
            }
        }
        Ok(())
    }

    /// Whether whole blocks of `count` channels of all pixels have weights, and inputs in `x`, at all
    /// taps, and `out` has room for the results.
    #[cfg(all(target_arch = "arm", any(feature = "dsp", feature = "mve")))]
    pub(crate) fn hold<D: Depthwise<Weight = W>>(
        &self,
        x: &[i8],
        run: &Run<'_>,
        taps: &Taps,
        count: usize,
        out: &[i8],
    ) -> bool {
        let (Some(last), Some(pixels)) = (taps.list().last(), run.pixels.checked_sub(1)) else {
            return false;
        };
        let end = |step: usize, len: usize| pixels.checked_mul(step)?.checked_add(len);
        let weights = (count / D::LANES).checked_mul(self.stride);
        (1..=CHANNELS).contains(&count)
            && count % D::LANES == 0
            && last
                .x
                .checked_add(count)
                .and_then(|len| end(run.x_step, len))
                .is_some_and(|end| end <= x.len())
            && end(run.out_step, run.constants.bias.len()).is_some_and(|end| end <= out.len())
            && last.w + D::LANES * size_of::<W>() <= self.stride * size_of::<W>()
            && weights.is_some_and(|end| end <= WEIGHTS)
    }

    /// Weights of a block, those of all, and all constants.
    #[cfg(all(target_arch = "arm", any(feature = "dsp", feature = "mve")))]
    pub(crate) fn parts(&self) -> (usize, *const W, *const i32) {
        (self.stride, self.weights.as_ptr(), self.constants.as_ptr())
    }

    /// Where a channel has the first of its weights.
    #[inline(always)]
    fn at<D: Depthwise<Weight = W> + ?Sized>(&self, channel: usize) -> usize {
        channel / D::LANES * self.stride + D::lane(channel % D::LANES)
    }

    /// Sums with bias of as many channels as there is room for.
    #[inline(always)]
    fn sums<D: Depthwise<Weight = W> + ?Sized>(
        &self,
        x: &[i8],
        taps: &Taps,
        bias: &[i32],
        sums: &mut [i32],
    ) -> Result<(), Fault> {
        let (mut channel, count, taps) = (0, sums.len(), taps.list());
        while channel < count {
            let x = x.get(channel..).ok_or(Fault::Bounds)?;
            let w = self.weights.get(channel / D::LANES * self.stride..).ok_or(Fault::Bounds)?;
            let lanes = array::from_fn(|lane| D::lane(channel % D::LANES + lane));
            let width = (count - channel).min(4);
            let four = products(x, taps, w, lanes).unwrap_or_else(|| {
                array::from_fn(|lane| if lane < width { product(x, taps, w, (lane, lanes[lane])) } else { 0 })
            });
            let bias = window(bias, channel, width)?;
            for (to, (z, b)) in window_mut(sums, channel, width)?.iter_mut().zip(four.iter().zip(bias)) {
                *to = z + b;
            }
            channel += 4;
        }
        Ok(())
    }
}

/// The sums of four channels, whose weights are in `lanes`; `None` where `x` ends before.
#[inline(always)]
fn products<W: Copy + Into<i32>>(x: &[i8], taps: &[Tap], w: &[W], lanes: [usize; 4]) -> Option<[i32; 4]> {
    let mut z = [0; 4];
    for tap in taps {
        let x = x.get(tap.x..)?.first_chunk::<4>()?;
        let w = w.get(tap.w / size_of::<W>()..)?;
        for (z, (&x, lane)) in z.iter_mut().zip(x.iter().zip(lanes)) {
            *z += i32::from(x) * (*w.get(lane)?).into();
        }
    }
    Some(z)
}

/// The sum of one channel, from its place among the inputs and among the weights.
fn product<W: Copy + Into<i32>>(x: &[i8], taps: &[Tap], w: &[W], (from, lane): (usize, usize)) -> i32 {
    let x = |tap: &Tap| x.get(tap.x + from).map_or(0, |&x| i32::from(x));
    let w = |tap: &Tap| w.get(tap.w / size_of::<W>() + lane).map_or(0, |&w| w.into());
    taps.iter().map(|tap| x(tap) * w(tap)).sum()
}

/// As [`Depthwise::results`].
pub(crate) fn results<D: Depthwise + ?Sized>(
    x: &[i8],
    run: &Run<'_>,
    taps: &Taps,
    blocks: &Blocks<D::Weight>,
    out: &mut [i8],
) -> Result<(), Fault> {
    let Constants { bias, requant } = run.constants;
    let mut sums = [0; CHANNELS];
    let sums = window_mut(&mut sums, 0, bias.len())?;
    for pixel in 0..run.pixels {
        let x = x.get(pixel * run.x_step..).ok_or(Fault::Bounds)?;
        blocks.sums::<D>(x, taps, bias, sums)?;
        let out = window_mut(out, pixel * run.out_step, bias.len())?;
        let multipliers = requant.mantissa.iter().zip(requant.shift);
        for (y, (&z, (&m, &e))) in out.iter_mut().zip(sums.iter().zip(multipliers)) {
            *y = requantize_i8(z, m, e);
        }
    }
    Ok(())
}

/// The convolution; `None` where it is not depthwise, or has too many taps.
pub(crate) fn depthwise<D: Depthwise>(
    args: &Conv2dArgs<'_>,
    x: &[i8],
    out: &mut LinearOut<'_>,
) -> Option<Result<(), Fault>> {
    let Weights { n, k, .. } = args.weights;
    let fits = args.groups == n && args.in_channels == n && (1..=TAPS).contains(&k);
    fits.then(|| all_channels::<D>(args, x, out))
}

#[inline(never)]
fn all_channels<D: Depthwise>(args: &Conv2dArgs<'_>, x: &[i8], out: &mut LinearOut<'_>) -> Result<(), Fault> {
    let Weights { n, k, .. } = args.weights;
    let most = (WEIGHTS.checked_div(k).unwrap_or(0) & !15).min(CHANNELS);
    let mut blocks = Blocks::empty();
    let mut first = 0;
    while first < n {
        let count = (n - first).min(most);
        let (bias, requant) = (window(args.bias, first, count)?, args.requant.window(first, count)?);
        let constants = Constants { bias, requant };
        blocks.load::<D>(&args.weights, first, count, &constants)?;
        pixels::<D>(args, x.get(first..).ok_or(Fault::Bounds)?, &blocks, constants, first, out)?;
        first += count;
    }
    Ok(())
}

/// Every output pixel, in the channels from `first` on, with which `x` begins.
fn pixels<D: Depthwise>(
    args: &Conv2dArgs<'_>,
    x: &[i8],
    blocks: &Blocks<D::Weight>,
    constants: Constants<'_>,
    first: usize,
    out: &mut LinearOut<'_>,
) -> Result<(), Fault> {
    let (n, count) = (args.weights.n, constants.bias.len());
    let direct = constants.requant.shift.iter().all(|&shift| shift >= 33);
    let mut left = out.len().checked_div(n).unwrap_or(0);
    let oy = args.first.checked_div(args.out_width).ok_or(Fault::Bounds)?;
    let (mut oy, mut ox, mut at) = (oy, args.first - oy * args.out_width, first);
    // Pixels of a row before this one have windows that end inside.
    let inside = (args.in_width + args.pad_left).checked_sub(args.kernel_w);
    let inside = inside.map_or(Some(0), |last| Some(last.checked_div(args.stride_w)? + 1));
    let inside = inside.ok_or(Fault::Bounds)?.min(args.out_width);
    let mut taps = Taps::NOTHING;
    while left > 0 {
        let rows = Clip::new(oy, args.stride_h, args.pad_top, args.kernel_h, args.in_height);
        let columns = Clip::new(ox, args.stride_w, args.pad_left, args.kernel_w, args.in_width);
        let whole = columns.taps.len() == args.kernel_w;
        let pixels = if whole { inside.saturating_sub(ox).min(left).max(1) } else { 1 };
        let run = Run { pixels, x_step: args.stride_w * n, out_step: n, constants };
        let x = x.get((rows.at * args.in_width + columns.at) * n..).ok_or(Fault::Bounds)?;
        taps.bring(args, rows.taps, columns.taps, D::LANES * size_of::<D::Weight>())?;
        match &mut *out {
            LinearOut::I8 { out, table } if direct => {
                let out = window_mut(out, at, (pixels - 1) * n + count)?;
                D::results(x, &run, &taps, blocks, out)?;
                if let Some(table) = table {
                    for pixel in 0..pixels {
                        look_up(table, window_mut(out, pixel * n, count)?);
                    }
                }
            }
            out => {
                let mut sums = [0; CHANNELS];
                let sums = window_mut(&mut sums, 0, count)?;
                for pixel in 0..pixels {
                    let x = x.get(pixel * run.x_step..).ok_or(Fault::Bounds)?;
                    blocks.sums::<D>(x, &taps, constants.bias, sums)?;
                    out.store(at + pixel * n, sums, &constants.requant)?;
                }
            }
        }
        at += pixels * n;
        left -= pixels;
        ox += pixels;
        if ox == args.out_width {
            (ox, oy) = (0, oy + 1);
        }
    }
    Ok(())
}

/// The taps of a window that are inside the image, in ascending order of inputs and of weights.
pub(crate) struct Taps {
    rows: Range<usize>,
    columns: Range<usize>,
    count: usize,
    taps: [Tap; TAPS],
}

impl Taps {
    const NOTHING: Self = Self { rows: 0..0, columns: 0..0, count: 0, taps: [Tap { x: 0, w: 0 }; TAPS] };

    /// Those there are.
    #[inline(always)]
    pub(crate) fn list(&self) -> &[Tap] {
        self.taps.get(..self.count).unwrap_or(&[])
    }

    /// Lists those of `rows` and `columns`, where they are not the ones before; the weights of a tap
    /// take `bytes`.
    #[inline(always)]
    fn bring(
        &mut self,
        args: &Conv2dArgs<'_>,
        rows: Range<usize>,
        columns: Range<usize>,
        bytes: usize,
    ) -> Result<(), Fault> {
        if self.rows != rows || self.columns != columns {
            (self.rows, self.columns) = (rows, columns);
            self.fill(args, bytes)?;
        }
        Ok(())
    }

    #[inline(never)]
    fn fill(&mut self, args: &Conv2dArgs<'_>, bytes: usize) -> Result<(), Fault> {
        self.count = 0;
        for (down, row) in self.rows.clone().enumerate() {
            for (right, column) in self.columns.clone().enumerate() {
                let tap = self.taps.get_mut(self.count).ok_or(Fault::Bounds)?;
                tap.x = (down * args.in_width + right) * args.in_channels;
                tap.w = (row * args.kernel_w + column) * bytes;
                self.count += 1;
            }
        }
        Ok(())
    }
}
