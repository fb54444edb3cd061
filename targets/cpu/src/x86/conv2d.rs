//! Convolutions without groups, as products over the windows of output pixels.

use quant::Fault;
use quant::ops::{Clip, Conv2dArgs};
use quant::slice::window;

use super::source::{Source, copy};

/// The windows of output pixels from `args.first` on.
pub(super) struct Windows<'a> {
    pub(super) args: &'a Conv2dArgs<'a>,
    pub(super) x: &'a [i8],
}

impl Source for Windows<'_> {
    /// Padding is the integer 0.
    #[inline(always)]
    fn stage(&self, row: usize, first: usize, flip: u8, to: &mut [u8]) -> Result<(), Fault> {
        let Conv2dArgs { in_height, in_width, in_channels, kernel_h, kernel_w, .. } = *self.args;
        let index = self.args.first + row;
        let oy = index.checked_div(self.args.out_width).ok_or(Fault::Bounds)?;
        let ox = index - oy * self.args.out_width;
        let rows = Clip::new(oy, self.args.stride_h, self.args.pad_top, kernel_h, in_height);
        let columns = Clip::new(ox, self.args.stride_w, self.args.pad_left, kernel_w, in_width);
        let run = columns.taps.len() * in_channels;
        if rows.taps.len() * run < kernel_h * kernel_w * in_channels {
            to.fill(flip);
        }
        for (down, tap) in rows.taps.enumerate() {
            // A kernel row's inputs, of which `to` takes those from `first` on.
            let start = (tap * kernel_w + columns.taps.start) * in_channels;
            let (begin, end) = (start.max(first), (start + run).min(first + to.len()));
            if begin < end {
                let at = ((rows.at + down) * in_width + columns.at) * in_channels;
                let x = window(self.x, at + begin - start, end - begin)?;
                copy(x, flip, to.get_mut(begin - first..end - first).ok_or(Fault::Bounds)?);
            }
        }
        Ok(())
    }
}
