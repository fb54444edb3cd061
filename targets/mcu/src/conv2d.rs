//! Convolution as a GEMM of gathered windows, or channel by channel where each has its own weights.

use quant::ops::{Clip, Conv2dArgs, LinearArgs, LinearOut};
use quant::pack::Weights;
use quant::slice::{rows_mut, window, window_mut};
use quant::{Fault, Kernels};

use crate::depthwise::{self, Depthwise};

/// Bytes of windows gathered at once.
const WINDOWS: usize = 2048;
/// Windows are gathered in multiples of this many: the rows that cores multiply at once.
const TOGETHER: usize = 3;
/// Results of a group that wait to be copied.
const RESULTS: usize = 2 * TOGETHER * CHANNELS;
/// Channels of a group that are computed at once.
const CHANNELS: usize = 64;

/// Whether convolutions have all their kernels: in builds of every op, and in those of one model,
/// which are short of flash, where `SHIFTFORMER_CONVOLUTIONS` is set when this is compiled.
const ALL: bool =
    option_env!("SHIFTFORMER_OPS").is_none() || option_env!("SHIFTFORMER_CONVOLUTIONS").is_some();

/// Convolutions whose windows fit the buffer, by `linear`, and those of single channels; others as
/// the reference.
pub(crate) fn conv2d<K: Kernels + Depthwise>(
    kernels: &mut K,
    args: &Conv2dArgs<'_>,
    x: &[i8],
    mut out: LinearOut<'_>,
) -> Result<(), Fault> {
    let (n, k) = (args.weights.n, args.weights.k);
    let pixels = out.len().checked_div(n).unwrap_or(0);
    if ALL && args.groups != 1 {
        return match depthwise::depthwise::<K>(args, x, &mut out) {
            Some(result) => result,
            None => grouped(kernels, args, x, out),
        };
    }
    let linear = LinearArgs { weights: args.weights, bias: args.bias, requant: args.requant };
    if ALL && is_pointwise(args) {
        return kernels.linear_i8(&linear, window(x, args.first * k, pixels * k)?, out);
    }
    let together = together(k);
    if args.groups != 1 || together == 0 {
        return quant::Reference.conv2d(args, x, out);
    }
    let mut windows = [0i8; WINDOWS];
    let mut first = 0;
    while first < pixels {
        let count = (pixels - first).min(together);
        let windows = window_mut(&mut windows, 0, count * k)?;
        for pixel in 0..count {
            gather(args, x, (args.first + first + pixel, 0), window_mut(windows, pixel * k, k)?)?;
        }
        kernels.linear_i8(&linear, windows, out.window(first * n, count * n)?)?;
        first += count;
    }
    Ok(())
}

/// Whether output pixels are the products of the pixels in their places.
fn is_pointwise(args: &Conv2dArgs<'_>) -> bool {
    args.weights.k == args.in_channels
        && args.stride_h == 1
        && args.stride_w == 1
        && args.out_width == args.in_width
}

/// Windows of `k` inputs that are gathered at once; 0 where there is no room for one.
fn together(k: usize) -> usize {
    let most = WINDOWS.checked_div(k).unwrap_or(0);
    if !ALL || most < TOGETHER { most } else { most - most % TOGETHER }
}

/// A group after another: results of its channels, and of those that share a panel of weights with
/// them, are computed apart and copied.
#[inline(never)]
fn grouped<K: Kernels>(
    kernels: &mut K,
    args: &Conv2dArgs<'_>,
    x: &[i8],
    mut out: LinearOut<'_>,
) -> Result<(), Fault> {
    let Weights { n, k, pack, .. } = args.weights;
    let (panel, step) = pack.panel();
    let per_group = n.checked_div(args.groups).ok_or(Fault::Bounds)?;
    // Panels that are shared with other groups are computed whole.
    let shared = if per_group & (panel - 1) == 0 { 0 } else { 2 * (panel - 1) };
    let most = RESULTS.checked_div((per_group + shared).min(CHANNELS)).unwrap_or(0);
    let together = together(k).min(most - most % TOGETHER);
    if together == 0 {
        return quant::Reference.conv2d(args, x, out);
    }
    let pixels = out.len().checked_div(n).unwrap_or(0);
    let mut windows = [0i8; WINDOWS];
    let mut first = 0;
    while first < pixels {
        let count = (pixels - first).min(together);
        for group in 0..args.groups {
            let windows = window_mut(&mut windows, 0, count * k)?;
            for pixel in 0..count {
                let index = args.first + first + pixel;
                gather(args, x, (index, group), window_mut(windows, pixel * k, k)?)?;
            }
            let (mut channel, end) = (group * per_group, (group + 1) * per_group);
            while channel < end {
                let start = channel & !(panel - 1);
                let width = ((end - start + panel - 1) & !(panel - 1)).min(CHANNELS).min(n - start);
                let taken = (start + width).min(end) - channel;
                let data = args.weights.data.get(start * ((k + step - 1) & !(step - 1))..);
                let weights = Weights { data: data.ok_or(Fault::Bounds)?, pack, n: width, k };
                let linear = LinearArgs {
                    weights,
                    bias: window(args.bias, start, width)?,
                    requant: args.requant.window(start, width)?,
                };
                let place = Place { rows: (first, count), stride: n, first: channel, taken, width };
                let skip = channel - start;
                match &mut out {
                    LinearOut::I8 { out, table } => place.with(out, skip, false, |out| {
                        kernels.linear_i8(&linear, windows, LinearOut::I8 { out, table: *table })
                    })?,
                    LinearOut::I16 { out, residual } => place.with(out, skip, residual.is_some(), |out| {
                        kernels.linear_i8(&linear, windows, LinearOut::I16 { out, residual: *residual })
                    })?,
                    LinearOut::I32 { out } => place.with(out, skip, false, |out| {
                        kernels.linear_i8(&linear, windows, LinearOut::I32 { out })
                    })?,
                }
                channel += taken;
            }
        }
        first += count;
    }
    Ok(())
}

/// Where results of some channels belong.
struct Place {
    /// The first row, and how many there are.
    rows: (usize, usize),
    /// From a row to the next.
    stride: usize,
    /// The first channel.
    first: usize,
    /// Channels.
    taken: usize,
    /// Channels that are computed.
    width: usize,
}

impl Place {
    /// Takes from what `body` makes the results, which begin `skip` channels into each row of it.
    /// It finds there what was in their places if `updates`.
    fn with<T: Copy + Default>(
        &self,
        out: &mut [T],
        skip: usize,
        updates: bool,
        body: impl FnOnce(&mut [T]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let (first, count) = self.rows;
        let out = window_mut(out, first * self.stride, count * self.stride)?;
        let mut results = [T::default(); RESULTS];
        let results = window_mut(&mut results, 0, count * self.width)?;
        for row in 0..if updates { count } else { 0 } {
            let from = window(out, row * self.stride + self.first, self.taken)?;
            copy(window_mut(results, row * self.width + skip, self.taken)?, from);
        }
        body(results)?;
        for row in 0..count {
            let to = window_mut(out, row * self.stride + self.first, self.taken)?;
            copy(to, window(results, row * self.width + skip, self.taken)?);
        }
        Ok(())
    }
}

fn copy<T: Copy>(to: &mut [T], from: &[T]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
}

/// Copies some bytes; fewer than 32 without a loop, which would become a call.
#[inline(always)]
fn copy_few(to: &mut [i8], from: &[i8]) {
    if from.len() >= 32 {
        return copy(to, from);
    }
    let mut at = 0;
    at += copy_part::<16>(to, from, at);
    at += copy_part::<8>(to, from, at);
    at += copy_part::<4>(to, from, at);
    at += copy_part::<2>(to, from, at);
    copy_part::<1>(to, from, at);
}

/// Copies 8, 16 or 24 bytes, the first of `from`.
#[inline(always)]
fn copy_eights(to: &mut [i8], from: &[i8]) {
    let at = copy_part::<16>(to, from, 0);
    copy_part::<8>(to, from, at);
}

/// Copies `LEN` bytes from `at` on where their number has this bit; how many it copied.
#[inline(always)]
fn copy_part<const LEN: usize>(to: &mut [i8], from: &[i8], at: usize) -> usize {
    if to.len() & LEN == 0 {
        return 0;
    }
    let to = to.get_mut(at..).and_then(|to| to.first_chunk_mut::<LEN>());
    if let (Some(to), Some(from)) = (to, from.get(at..).and_then(|from| from.first_chunk::<LEN>())) {
        *to = *from;
    }
    LEN
}

/// The window of output pixel `index` in the channels of a group, kernel rows behind each other;
/// zero outside the image.
fn gather(
    args: &Conv2dArgs<'_>,
    x: &[i8],
    (index, group): (usize, usize),
    to: &mut [i8],
) -> Result<(), Fault> {
    // Without kernels for several there is one.
    let groups = if ALL { args.groups } else { 1 };
    let depth = args.in_channels.checked_div(groups).ok_or(Fault::Bounds)?;
    let oy = index.checked_div(args.out_width).ok_or(Fault::Bounds)?;
    let ox = index - oy * args.out_width;
    let rows = Clip::new(oy, args.stride_h, args.pad_top, args.kernel_h, args.in_height);
    let columns = Clip::new(ox, args.stride_w, args.pad_left, args.kernel_w, args.in_width);
    let taps = columns.taps.len();
    if rows.taps.len() * taps * depth < to.len() {
        to.fill(0);
    }
    for (down, tap) in rows.taps.clone().enumerate() {
        let mut from = ((rows.at + down) * args.in_width + columns.at) * args.in_channels + group * depth;
        let mut column = (tap * args.kernel_w + columns.taps.start) * depth;
        if groups == 1 {
            copy(window_mut(to, column, taps * depth)?, window(x, from, taps * depth)?);
            continue;
        }
        if matches!(depth, 8 | 16 | 24) {
            for to in rows_mut(window_mut(to, column, taps * depth)?, depth) {
                copy_eights(to, x.get(from..).ok_or(Fault::Bounds)?);
                from += args.in_channels;
            }
            continue;
        }
        for _ in 0..taps {
            copy_few(window_mut(to, column, depth)?, window(x, from, depth)?);
            from += args.in_channels;
            column += depth;
        }
    }
    Ok(())
}
