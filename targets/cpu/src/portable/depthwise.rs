//! Convolutions of each channel by a kernel of its own, a block of channels at a time.

use quant::Fault;
use quant::ops::{Clip, Conv2dArgs, LinearOut};
use quant::slice::window;

use super::epilogue::store;
use super::requantize::Multipliers;

/// Channels of a block.
const CHANNELS: usize = 64;
/// Taps of the largest kernel that is computed here.
pub(crate) const MAX_TAPS: usize = 128;

/// Whether [`depthwise`] computes it.
pub(crate) fn is_depthwise(args: &Conv2dArgs<'_>) -> bool {
    args.groups == args.in_channels && args.groups == args.weights.n && args.weights.k <= MAX_TAPS
}

/// As many pixels as `out` holds, from `args.first` on. The table of `out` is left to the caller.
#[inline(always)]
pub(crate) fn depthwise(args: &Conv2dArgs<'_>, x: &[i8], out: &mut LinearOut<'_>) -> Result<(), Fault> {
    for channel in (0..args.weights.n).step_by(CHANNELS) {
        Block::new(args, channel)?.pixels(args, x, out)?;
    }
    Ok(())
}

/// Channels `channel .. channel + count`, and their constants; those of lanes behind them are 0.
struct Block {
    channel: usize,
    count: usize,
    weights: [[i16; CHANNELS]; MAX_TAPS],
    bias: [i32; CHANNELS],
    multipliers: Multipliers<CHANNELS>,
}

impl Block {
    #[inline(always)]
    fn new(args: &Conv2dArgs<'_>, channel: usize) -> Result<Self, Fault> {
        let count = CHANNELS.min(args.weights.n - channel);
        let mut weights = [[0; CHANNELS]; MAX_TAPS];
        for (tap, weights) in weights.iter_mut().enumerate().take(args.weights.k) {
            for (lane, weight) in weights.iter_mut().enumerate().take(count) {
                *weight = args.weights.get(channel + lane, tap).into();
            }
        }
        let mut bias = [0; CHANNELS];
        bias[..count].copy_from_slice(window(args.bias, channel, count)?);
        let multipliers = Multipliers::new(&args.requant, channel, count)?;
        Ok(Self { channel, count, weights, bias, multipliers })
    }

    /// All pixels of the block's channels.
    #[inline(always)]
    fn pixels(&self, args: &Conv2dArgs<'_>, x: &[i8], out: &mut LinearOut<'_>) -> Result<(), Fault> {
        let n = args.weights.n;
        let mut oy = args.first.checked_div(args.out_width).ok_or(Fault::Bounds)?;
        let mut ox = args.first - oy * args.out_width;
        for pixel in 0..out.len().checked_div(n).unwrap_or(0) {
            let rows = Clip::new(oy, args.stride_h, args.pad_top, args.kernel_h, args.in_height);
            let columns = Clip::new(ox, args.stride_w, args.pad_left, args.kernel_w, args.in_width);
            let sums = self.sums(args, x, &rows, &columns)?;
            store(&self.multipliers.apply(&sums), &mut out.window(pixel * n + self.channel, self.count)?);
            ox += 1;
            if ox == args.out_width {
                (oy, ox) = (oy + 1, 0);
            }
        }
        Ok(())
    }

    /// The sums of one window.
    #[inline(always)]
    fn sums(
        &self,
        args: &Conv2dArgs<'_>,
        x: &[i8],
        rows: &Clip,
        columns: &Clip,
    ) -> Result<[i32; CHANNELS], Fault> {
        let mut sums = self.bias;
        for (down, tap) in rows.taps.clone().enumerate() {
            let at = ((rows.at + down) * args.in_width + columns.at) * args.in_channels + self.channel;
            let taps = tap * args.kernel_w + columns.taps.start..tap * args.kernel_w + columns.taps.end;
            let weights = self.weights.get(taps).ok_or(Fault::Bounds)?;
            let mut across = 0;
            while let Some([first, second]) = weights.get(across..across + 2) {
                let x0 = self.inputs(x, at + across * args.in_channels)?;
                let x1 = self.inputs(x, at + (across + 1) * args.in_channels)?;
                for c in 0..CHANNELS {
                    // Weights exclude −128, so two products stay within 2 · 128 · 127 < 2¹⁵.
                    sums[c] += i32::from(x0[c] * first[c] + x1[c] * second[c]);
                }
                across += 2;
            }
            if let Some(weights) = weights.get(across) {
                let x = self.inputs(x, at + across * args.in_channels)?;
                for c in 0..CHANNELS {
                    sums[c] += i32::from(x[c] * weights[c]);
                }
            }
        }
        Ok(sums)
    }

    /// The inputs of one pixel from `at` on; lanes behind the last channel hold anything.
    #[inline(always)]
    fn inputs(&self, x: &[i8], at: usize) -> Result<[i16; CHANNELS], Fault> {
        let mut inputs = [0; CHANNELS];
        let rest = x.get(at..).ok_or(Fault::Bounds)?;
        if let Some(bytes) = rest.first_chunk::<CHANNELS>() {
            for c in 0..CHANNELS {
                inputs[c] = bytes[c].into();
            }
        } else {
            for (to, &from) in inputs.iter_mut().zip(window(rest, 0, self.count)?) {
                *to = from.into();
            }
        }
        Ok(inputs)
    }
}
