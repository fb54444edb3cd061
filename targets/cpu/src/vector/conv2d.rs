//! Convolutions: of single channels by [`Depthwise`] or the portable loop, and all others as products over
//! the windows of output pixels, a group at a time.

use quant::ops::{Clip, Conv2dArgs, LinearArgs, LinearOut};
use quant::pack::Pack;
use quant::slice::window;
use quant::{Fault, Kernels};

use super::isa::{Depthwise, Isa, LANES, Lookup, Requantize};
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
    // A panel has to belong to one group.
    let filters = weights.n.checked_div(groups).ok_or(Fault::Bounds)?;
    if weights.pack != Pack::Panel16x4 || (groups > 1 && !filters.is_multiple_of(LANES)) {
        return quant::Reference.conv2d(args, x, out);
    }
    let linear = LinearArgs { weights, bias, requant };
    let pixels = out.len().checked_div(weights.n).unwrap_or(0);
    for group in 0..groups {
        let input = Bytes(Windows { args, x, group });
        let filters = group * filters..(group + 1) * filters;
        // SAFETY: as the caller vouches.
        unsafe { channels::<I, R, P, C>(&linear, filters, &input, pixels, &mut out)? };
    }
    Ok(())
}

/// The windows of output pixels from `args.first` on, as one group sees them.
pub(super) struct Windows<'a> {
    pub(super) args: &'a Conv2dArgs<'a>,
    pub(super) x: &'a [i8],
    pub(super) group: usize,
}

impl Source for Windows<'_> {
    /// Padding is the integer 0.
    #[inline(always)]
    fn stage(&self, row: usize, first: usize, flip: u8, to: &mut [u8]) -> Result<(), Fault> {
        let Conv2dArgs { in_height, in_width, in_channels, kernel_h, kernel_w, groups, .. } = *self.args;
        let index = self.args.first + row;
        let oy = index.checked_div(self.args.out_width).ok_or(Fault::Bounds)?;
        let ox = index - oy * self.args.out_width;
        let rows = Clip::new(oy, self.args.stride_h, self.args.pad_top, kernel_h, in_height);
        let columns = Clip::new(ox, self.args.stride_w, self.args.pad_left, kernel_w, in_width);
        let depth = in_channels.checked_div(groups).ok_or(Fault::Bounds)?;
        if rows.taps.len() * columns.taps.len() < kernel_h * kernel_w {
            to.fill(flip);
        }
        // Inputs that lie together: of a kernel row, or of one tap where there are other groups between.
        let taps = columns.taps.len();
        let (runs, run) = if groups == 1 { (1, taps * depth) } else { (taps, depth) };
        for (down, tap) in rows.taps.enumerate() {
            let first_tap = tap * kernel_w + columns.taps.start;
            let first_pixel = (rows.at + down) * in_width + columns.at;
            for across in 0..runs {
                // `to` takes those from `first` on.
                let start = (first_tap + across) * depth;
                let (begin, end) = (start.max(first), (start + run).min(first + to.len()));
                if begin < end {
                    let at = (first_pixel + across) * in_channels + self.group * depth;
                    let x = window(self.x, at + begin - start, end - begin)?;
                    copy(x, flip, to.get_mut(begin - first..end - first).ok_or(Fault::Bounds)?);
                }
            }
        }
        Ok(())
    }
}
