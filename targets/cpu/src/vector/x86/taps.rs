//! Where the inputs of the windows of single channels lie.

use quant::Fault;
use quant::ops::Conv2dArgs;

pub(super) use crate::portable::depthwise::MAX_TAPS;

/// Inputs of a tap in the padding.
static PADDING: [i8; 64] = [0; 64];

/// `WIDTH` channels from `channel` on of each tap of a window; those behind the last channel are anything.
pub(super) struct Taps<'a, const WIDTH: usize> {
    args: &'a Conv2dArgs<'a>,
    x: &'a [i8],
    channel: usize,
    /// `WIDTH` readable bytes each: in `x`, in `spare`, or in the padding, as those behind the last tap.
    at: [*const i8; MAX_TAPS],
    /// What lies too near to the end of `x`.
    spare: [[i8; WIDTH]; MAX_TAPS],
    /// The window to which `at` leads, where all of it lies in `x`.
    inner: Option<(usize, usize)>,
}

impl<'a, const WIDTH: usize> Taps<'a, WIDTH> {
    /// For windows of at most [`MAX_TAPS`] taps.
    #[inline(always)]
    pub(super) fn new(args: &'a Conv2dArgs<'a>, x: &'a [i8], channel: usize) -> Self {
        const { assert!(WIDTH <= PADDING.len()) };
        let (at, spare) = ([PADDING.as_ptr(); MAX_TAPS], [[0; WIDTH]; MAX_TAPS]);
        Self { args, x, channel, at, spare, inner: None }
    }

    /// `WIDTH` readable bytes for each tap of the window of output pixel `(oy, ox)`, and for those behind.
    #[inline(always)]
    pub(super) fn window(&mut self, oy: usize, ox: usize) -> Result<&[*const i8; MAX_TAPS], Fault> {
        let is_inner = self.is_inner(oy, ox);
        if is_inner && ox > 0 && self.inner == Some((oy, ox - 1)) {
            let step = self.args.stride_w * self.args.in_channels;
            for at in self.at.iter_mut().take(self.args.weights.k) {
                *at = at.wrapping_add(step);
            }
        } else {
            self.find(oy, ox)?;
        }
        self.inner = is_inner.then_some((oy, ox));
        Ok(&self.at)
    }

    /// Whether all bytes of a window lie in the image.
    #[inline(always)]
    fn is_inner(&self, oy: usize, ox: usize) -> bool {
        let Conv2dArgs { in_height, in_width, in_channels, kernel_h, kernel_w, .. } = *self.args;
        let (top, left) = (oy * self.args.stride_h, ox * self.args.stride_w);
        if top < self.args.pad_top || left < self.args.pad_left {
            return false;
        }
        let (bottom, right) = (top - self.args.pad_top + kernel_h, left - self.args.pad_left + kernel_w);
        let end = ((bottom - 1) * in_width + right - 1) * in_channels + self.channel + WIDTH;
        bottom <= in_height && right <= in_width && end <= self.x.len()
    }

    /// Finds the inputs of any window.
    #[inline(never)]
    fn find(&mut self, oy: usize, ox: usize) -> Result<(), Fault> {
        let Conv2dArgs { in_height, in_width, in_channels, kernel_h, kernel_w, .. } = *self.args;
        for down in 0..kernel_h {
            let row = (oy * self.args.stride_h + down).wrapping_sub(self.args.pad_top);
            for across in 0..kernel_w {
                let column = (ox * self.args.stride_w + across).wrapping_sub(self.args.pad_left);
                let tap = down * kernel_w + across;
                let mut found = PADDING.as_ptr();
                if row < in_height && column < in_width {
                    let from = (row * in_width + column) * in_channels + self.channel;
                    let x = self.x.get(from..).ok_or(Fault::Bounds)?;
                    found = x.as_ptr();
                    if x.len() < WIDTH {
                        let spare = self.spare.get_mut(tap).ok_or(Fault::Bounds)?;
                        spare[..x.len()].copy_from_slice(x);
                        found = spare.as_ptr();
                    }
                }
                *self.at.get_mut(tap).ok_or(Fault::Bounds)? = found;
            }
        }
        Ok(())
    }
}
