//! Convolutions: of single channels by [`Depthwise`] or the portable loop, and all others as products over
//! the windows of output pixels, a group or a panel of several groups at a time.

use core::ops::Range;

use quant::ops::{Clip, Conv2dArgs, LinearArgs, LinearOut};
use quant::pack::{Pack, Weights};
use quant::slice::window;
use quant::{Fault, Kernels};

use super::isa::{Depthwise, GROUP, Isa, LANES, Lookup, Requantize};
use super::linear::channels;
use super::source::{Bytes, Source, copy};
use crate::portable::depthwise::{depthwise, is_depthwise};

/// As many pixels as `out` holds, from `args.first` on.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
pub(super) unsafe fn conv2d<I, const R: usize, const P: usize, const C: usize>(
    args: &Conv2dArgs<'_>,
    x: &[i8],
    mut out: LinearOut<'_>,
) -> Result<(), Fault>
where
    I: Isa + Lookup + Requantize + Depthwise,
{
    let Conv2dArgs { weights, bias, requant, groups, .. } = *args;
    if is_depthwise(args) {
        // SAFETY: as the caller vouches.
        if unsafe { I::depthwise(args, x, &mut out)? } {
            return Ok(());
        }
        depthwise(args, x, &mut out)?;
        if let LinearOut::I8 { out, table: Some(table) } = out {
            // SAFETY: as the caller vouches.
            unsafe { I::table(table, out) };
        }
        return Ok(());
    }
    let filters = weights.n.checked_div(groups).ok_or(Fault::Bounds)?;
    let depth = args.in_channels.checked_div(groups).ok_or(Fault::Bounds)?;
    let Some(way) = Way::of(args, (depth, filters), &out) else {
        return quant::Reference.conv2d(args, x, out);
    };
    let pixels = out.len().checked_div(weights.n).unwrap_or(0);
    let mut laid_out = [[0; LANES * GROUP]; ROOM / GROUP];
    // Groups from the last one on: a panel that begins in the group before has that one's results last.
    let mut end = weights.n;
    while end > 0 {
        let (begin, first, windows, layer) = match way {
            Way::Panels => {
                let group = (end - 1) / filters;
                let windows = Windows { from: group * depth, depth, ..Windows::whole(args, x) };
                (group * filters, 0, windows, LinearArgs { weights, bias, requant })
            }
            Way::LaidOut => {
                let first = (end - 1) / LANES * LANES;
                let from = first / filters * depth;
                let width = ((end - 1) / filters + 1) * depth - from;
                let windows = Windows { from, depth: width, ..Windows::whole(args, x) };
                lay_out(&weights, (depth, filters), first..end, width, &mut laid_out);
                let k = weights.k / depth * width;
                let weights = Weights { data: laid_out.as_flattened(), k, ..weights };
                let (bias, requant) =
                    (window(bias, first, end - first)?, requant.window(first, end - first)?);
                (first, first, windows, LinearArgs { weights, bias, requant })
            }
        };
        let rest = out.len().checked_sub(first).ok_or(Fault::Bounds)?;
        let mut out = out.window(first, rest)?;
        let channels_of_it = (begin - first) / LANES * LANES..end - first;
        // SAFETY: as the caller vouches.
        unsafe { channels::<I, R, P, C>(&layer, channels_of_it, &Bytes(windows), pixels, &mut out)? };
        end = begin;
    }
    Ok(())
}

/// Inputs of the weights that are laid out, of a panel.
const ROOM: usize = 512;

/// How groups become products of panels.
#[derive(Clone, Copy)]
enum Way {
    /// The panels as they are, a group at a time.
    Panels,
    /// One panel at a time over all inputs that its groups have, with zeros where a channel has none.
    LaidOut,
}

impl Way {
    /// For groups of `depth` inputs of a tap and `filters` channels; `None` is the reference.
    #[inline(always)]
    fn of(args: &Conv2dArgs<'_>, (depth, filters): (usize, usize), out: &LinearOut<'_>) -> Option<Self> {
        if args.weights.pack != Pack::Panel16x4 || depth == 0 || filters == 0 {
            return None;
        }
        if args.groups == 1 || filters.is_multiple_of(LANES) {
            return Some(Self::Panels);
        }
        // Channels that do not fill panels may lie across one group more than they fill.
        let most = if LANES.is_multiple_of(filters) { LANES / filters } else { LANES.div_ceil(filters) + 1 };
        if args.weights.k.saturating_mul(most.min(args.groups)) <= ROOM {
            return Some(Self::LaidOut);
        }
        // A result that is added to what is there can not be put twice.
        let adds = matches!(out, LinearOut::I16 { residual: Some(_), .. });
        (!adds).then_some(Self::Panels)
    }
}

/// The weights of `channels`, which are of one panel, over the `width` inputs of a tap that their groups have.
#[inline(always)]
fn lay_out(
    weights: &Weights<'_>,
    (depth, filters): (usize, usize),
    channels: Range<usize>,
    width: usize,
    to: &mut [[i8; LANES * GROUP]; ROOM / GROUP],
) {
    to.as_flattened_mut().fill(0);
    for (lane, channel) in channels.clone().enumerate() {
        let inputs = (channel / filters - channels.start / filters) * depth;
        for input in 0..weights.k {
            let at = input / depth * width + inputs + input % depth;
            if let Some(group) = to.get_mut(at / GROUP) {
                group[lane * GROUP + at % GROUP] = weights.get(channel, input);
            }
        }
    }
}

/// The windows of output pixels from `args.first` on, of some channels of the image.
pub(super) struct Windows<'a> {
    pub(super) args: &'a Conv2dArgs<'a>,
    pub(super) x: &'a [i8],
    /// The first of them, and how many.
    pub(super) from: usize,
    pub(super) depth: usize,
}

impl<'a> Windows<'a> {
    /// Of all channels.
    #[inline(always)]
    pub(super) fn whole(args: &'a Conv2dArgs<'a>, x: &'a [i8]) -> Self {
        Self { args, x, from: 0, depth: args.in_channels }
    }
}

impl Source for Windows<'_> {
    /// Padding is the integer 0.
    #[inline(always)]
    fn stage(&self, row: usize, first: usize, flip: u8, to: &mut [u8]) -> Result<(), Fault> {
        let Self { args, x: image, from, depth } = *self;
        let Conv2dArgs { in_height, in_width, in_channels, kernel_h, kernel_w, .. } = *args;
        let index = args.first + row;
        let oy = index.checked_div(args.out_width).ok_or(Fault::Bounds)?;
        let ox = index - oy * args.out_width;
        let rows = Clip::new(oy, args.stride_h, args.pad_top, kernel_h, in_height);
        let columns = Clip::new(ox, args.stride_w, args.pad_left, kernel_w, in_width);
        if rows.taps.len() * columns.taps.len() < kernel_h * kernel_w {
            to.fill(flip);
        } else if first == 0 && to.len() == kernel_h * kernel_w * depth {
            // All of a window inside, without a question about each run.
            let (runs, run) = if depth == in_channels { (1, kernel_w * depth) } else { (kernel_w, depth) };
            let mut row_at = (rows.at * in_width + columns.at) * in_channels + from;
            for row in to.chunks_exact_mut(kernel_w * depth) {
                for across in 0..runs {
                    let x = window(image, row_at + across * in_channels, run)?;
                    copy(x, flip, row.get_mut(across * run..(across + 1) * run).ok_or(Fault::Bounds)?);
                }
                row_at += in_width * in_channels;
            }
            return Ok(());
        }
        // Inputs that lie together: of a kernel row, or of one tap where there are other channels between.
        let taps = columns.taps.len();
        let (runs, run) = if depth == in_channels { (1, taps * depth) } else { (taps, depth) };
        for (down, tap) in rows.taps.enumerate() {
            let first_tap = tap * kernel_w + columns.taps.start;
            let first_pixel = (rows.at + down) * in_width + columns.at;
            for across in 0..runs {
                // `to` takes those from `first` on.
                let start = (first_tap + across) * depth;
                let (begin, end) = (start.max(first), (start + run).min(first + to.len()));
                if begin < end {
                    let at = (first_pixel + across) * in_channels + from;
                    let x = window(image, at + begin - start, end - begin)?;
                    copy(x, flip, to.get_mut(begin - first..end - first).ok_or(Fault::Bounds)?);
                }
            }
        }
        Ok(())
    }
}
