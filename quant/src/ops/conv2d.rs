//! Conv2d: `y = requantize(Σ x · w + bias)` over windows of an image, with the
//! epilogue of [`Destination`].
//!
//! The image is int8 in HWC order; padding is the integer 0, which is the real 0
//! because activations are symmetric. Output pixel `(oy, ox)` sees the rows
//! `oy·stride_h − pad_top ..+ kernel_h` and likewise columns. Bounds and rounding are
//! those of [`Linear`](super::Linear) with `k = kernel_h · kernel_w · in_channels / groups`:
//! `k ≤ 2¹⁶` and |bias| ≤ 2³⁰ keep the accumulator in int32; rounded half up once.

use core::ops::Range;

use serde::{Deserialize, Serialize};

use super::{ChannelsRef, Consts, Destination, LinearOut, MAX_K, PerChannel};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, Memory, Slot, Window};
use crate::operand::{Tiling, Visitor};
use crate::pack::{Pack, Weights};
use crate::slice::window;

/// A convolution, possibly grouped; its rows are output pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conv2d {
    /// Rows of the image.
    pub in_height: u32,
    /// Columns of the image.
    pub in_width: u32,
    /// Channels of the image, a multiple of `groups`.
    pub in_channels: u32,
    /// Output channels, a multiple of `groups`.
    pub out_channels: u32,
    /// Rows of the kernel.
    pub kernel_h: u32,
    /// Columns of the kernel.
    pub kernel_w: u32,
    /// Image rows from one output row to the next.
    pub stride_h: u32,
    /// Image columns from one output column to the next.
    pub stride_w: u32,
    /// Zero rows above the image, fewer than `kernel_h`.
    pub pad_top: u32,
    /// Zero columns left of the image, fewer than `kernel_w`.
    pub pad_left: u32,
    /// Output rows; they imply the padding below.
    pub out_height: u32,
    /// Output columns; they imply the padding on the right.
    pub out_width: u32,
    /// Groups: output channel `c` sees the `c / (out_channels / groups)`-th part of the input channels.
    pub groups: u32,
    /// Image, `in_height × in_width × in_channels`.
    pub x: Slot<i8>,
    /// Weights, `out_channels × k`, columns in the order (kernel row, kernel column,
    /// input channel of the group), −127..=127.
    pub weights: Blob<i8>,
    /// Their layout.
    pub pack: Pack,
    /// Bias in accumulator units, and multipliers, per output channel.
    pub requant: PerChannel,
    /// Output, `out_height × out_width × out_channels`.
    pub out: Destination,
}

impl Conv2d {
    /// Inputs of each output channel; `None` without groups or past 2³² − 1.
    pub const fn k(&self) -> Option<u32> {
        let Some(channels) = self.in_channels.checked_div(self.groups) else { return None };
        let Some(area) = self.kernel_h.checked_mul(self.kernel_w) else { return None };
        area.checked_mul(channels)
    }

    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        let k = self.k().unwrap_or(u32::MAX);
        visitor.read(&mut self.x, Tiling::Whole);
        visitor.weights(&mut self.weights, &mut self.pack, self.out_channels, k);
        self.requant.operands(visitor);
        self.out.operands(visitor, self.out_channels);
    }

    /// Output pixels.
    pub fn rows(&self) -> u32 {
        self.out_height.saturating_mul(self.out_width)
    }

    /// `out_height · out_width · out_channels · k`, padding included.
    pub fn macs(&self) -> u64 {
        let pixels = u64::from(self.out_height).saturating_mul(self.out_width.into());
        pixels.saturating_mul(self.out_channels.into()).saturating_mul(self.k().unwrap_or(u32::MAX).into())
    }

    /// Every window touches the image, groups divide the channels, and the bounds of
    /// [`Linear`](super::Linear).
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        let sizes = [self.in_height, self.in_width, self.in_channels, self.out_channels];
        let kernel = [self.kernel_h, self.kernel_w, self.stride_h, self.stride_w];
        if sizes.contains(&0) || kernel.contains(&0) {
            return Err(Reject::Dimension);
        }
        let grouped = |channels: u32| channels.checked_rem(self.groups) == Some(0);
        let vertical = touches(self.in_height, self.kernel_h, self.stride_h, self.pad_top, self.out_height);
        let horizontal = touches(self.in_width, self.kernel_w, self.stride_w, self.pad_left, self.out_width);
        if !(grouped(self.in_channels) && grouped(self.out_channels) && vertical && horizontal) {
            return Err(Reject::Dimension);
        }
        let k = self.k().filter(|&k| k <= MAX_K).ok_or(Reject::Dimension)?;
        self.out_height.checked_mul(self.out_width).ok_or(Reject::Dimension)?;
        let image = self.in_height.checked_mul(self.in_width).and_then(|p| p.checked_mul(self.in_channels));
        if self.x.len != image.ok_or(Reject::Dimension)? {
            return Err(Reject::SlotLength);
        }
        consts.check_weights(self.weights, self.pack, self.out_channels, k)?;
        self.requant.check(consts, self.out_channels)?;
        self.out.check(consts)
    }

    /// Runs the output pixels of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let k = self.k().ok_or(Fault::Instruction)? as usize;
        let n = self.out_channels as usize;
        let args = Conv2dArgs {
            in_height: self.in_height as usize,
            in_width: self.in_width as usize,
            in_channels: self.in_channels as usize,
            kernel_h: self.kernel_h as usize,
            kernel_w: self.kernel_w as usize,
            stride_h: self.stride_h as usize,
            stride_w: self.stride_w as usize,
            pad_top: self.pad_top as usize,
            pad_left: self.pad_left as usize,
            out_width: self.out_width as usize,
            groups: self.groups as usize,
            weights: Weights { data: memory.blob(self.weights)?, pack: self.pack, n, k },
            bias: memory.blob(self.requant.bias)?,
            requant: self.requant.scale.load(memory)?,
            first: window.start as usize,
        };
        self.out.with(memory, window, self.out_channels, |out, rest| {
            kernels.conv2d(&args, rest.read(self.x)?, out)
        })
    }
}

/// Whether each of `out` windows along one axis covers at least one of `size` positions.
const fn touches(size: u32, kernel: u32, stride: u32, pad: u32, out: u32) -> bool {
    let Some(last) = out.checked_sub(1) else { return false };
    // The first window ends after position 0; the last one starts before `size`.
    pad < kernel && (last as u64 * stride as u64) < size as u64 + pad as u64
}

/// Dimensions and constants of a [`Conv2d`]; its output channels are `weights.n`.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dArgs<'a> {
    /// Rows of the image.
    pub in_height: usize,
    /// Columns of the image.
    pub in_width: usize,
    /// Channels of the image.
    pub in_channels: usize,
    /// Rows of the kernel.
    pub kernel_h: usize,
    /// Columns of the kernel.
    pub kernel_w: usize,
    /// Image rows from one output row to the next.
    pub stride_h: usize,
    /// Image columns from one output column to the next.
    pub stride_w: usize,
    /// Zero rows above the image.
    pub pad_top: usize,
    /// Zero columns left of the image.
    pub pad_left: usize,
    /// Output columns.
    pub out_width: usize,
    /// Groups.
    pub groups: usize,
    /// Weights.
    pub weights: Weights<'a>,
    /// Bias of each output channel.
    pub bias: &'a [i32],
    /// Multiplier of each output channel.
    pub requant: ChannelsRef<'a>,
    /// Index of the first output pixel to compute.
    pub first: usize,
}

/// The part of a window along one axis that lies inside the image.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Kernel positions inside.
    pub taps: Range<usize>,
    /// Image position under the first of them.
    pub at: usize,
}

impl Clip {
    /// Window `index` along an axis of `size` positions.
    #[inline(always)]
    pub fn new(index: usize, stride: usize, pad: usize, kernel: usize, size: usize) -> Self {
        let start = index * stride;
        let (skip, at) = (pad.saturating_sub(start), start.saturating_sub(pad));
        Self { taps: skip..kernel.min(skip + size.saturating_sub(at)), at }
    }
}

/// Channels finished together by the reference.
const BLOCK: usize = 16;

/// Scalar reference: as many pixels as `out` holds, from `args.first` on.
pub fn conv2d(args: &Conv2dArgs<'_>, x: &[i8], mut out: LinearOut<'_>) -> Result<(), Fault> {
    let n = args.weights.n;
    let pixels = out.len().checked_div(n).unwrap_or(0);
    for pixel in 0..pixels {
        let index = args.first + pixel;
        let oy = index.checked_div(args.out_width).ok_or(Fault::Bounds)?;
        let ox = index - oy * args.out_width;
        let rows = Clip::new(oy, args.stride_h, args.pad_top, args.kernel_h, args.in_height);
        let columns = Clip::new(ox, args.stride_w, args.pad_left, args.kernel_w, args.in_width);
        let mut start = 0;
        while start < n {
            let count = (n - start).min(BLOCK);
            let mut acc = [0i32; BLOCK];
            for (lane, z) in acc.iter_mut().take(count).enumerate() {
                let bias = args.bias.get(start + lane).copied().unwrap_or(0);
                *z = dot(args, x, &rows, &columns, start + lane)? + bias;
            }
            out.store(pixel * n + start, window(&acc, 0, count)?, &args.requant.window(start, count)?)?;
            start += count;
        }
    }
    Ok(())
}

/// One output channel over the clipped window: a sum over runs that are contiguous in
/// both image and weights, whole kernel rows when there is one group.
#[inline(always)]
fn dot(args: &Conv2dArgs<'_>, x: &[i8], rows: &Clip, columns: &Clip, channel: usize) -> Result<i32, Fault> {
    let Conv2dArgs { weights, in_channels, groups, .. } = *args;
    let depth = in_channels.checked_div(groups).ok_or(Fault::Bounds)?;
    let group = weights.n.checked_div(groups).and_then(|n| channel.checked_div(n)).ok_or(Fault::Bounds)?;
    let taps = columns.taps.len();
    let (runs, len) = if groups == 1 { (1, taps * depth) } else { (taps, depth) };
    let row = weights.row(channel);
    let mut sum = 0;
    for (down, tap) in rows.taps.clone().enumerate() {
        let mut at = ((rows.at + down) * args.in_width + columns.at) * in_channels + group * depth;
        let mut column = (tap * args.kernel_w + columns.taps.start) * depth;
        for _ in 0..runs {
            let image = window(x, at, len)?;
            sum += match row {
                Some(row) => {
                    let w = window(row, column, len)?;
                    image.iter().zip(w).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>()
                }
                None => {
                    let w = |i| i32::from(weights.get(channel, column + i));
                    image.iter().enumerate().map(|(i, &a)| i32::from(a) * w(i)).sum::<i32>()
                }
            };
            at += in_channels;
            column += depth;
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Channels;
    use crate::ops::testing::{Buffer, run};
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    /// The definition, over explicitly padded coordinates.
    fn exact(op: &Conv2d, x: &[i8], w: &[i8], bias: &[i32], m: &[i32], e: &[u8]) -> Vec<i128> {
        let depth = op.in_channels / op.groups;
        let mut out = vec![];
        for oy in 0..op.out_height {
            for ox in 0..op.out_width {
                for c in 0..op.out_channels {
                    let mut z = i128::from(bias[c as usize]);
                    for kh in 0..op.kernel_h {
                        for kw in 0..op.kernel_w {
                            for d in 0..depth {
                                let y = i64::from(oy * op.stride_h + kh) - i64::from(op.pad_top);
                                let column = i64::from(ox * op.stride_w + kw) - i64::from(op.pad_left);
                                let inside = (0..op.in_height.into()).contains(&y)
                                    && (0..op.in_width.into()).contains(&column);
                                if !inside {
                                    continue;
                                }
                                let channel = c / (op.out_channels / op.groups) * depth + d;
                                let at = (y as u32 * op.in_width + column as u32) * op.in_channels + channel;
                                let k = op.kernel_h * op.kernel_w * depth;
                                let weight = c * k + (kh * op.kernel_w + kw) * depth + d;
                                z += i128::from(x[at as usize]) * i128::from(w[weight as usize]);
                            }
                        }
                    }
                    let (m, e) = (i128::from(m[c as usize]), e[c as usize]);
                    out.push((2 * z * m + (1 << e)).div_euclid(1 << (e + 1)));
                }
            }
        }
        out
    }

    fn geometry() -> impl Strategy<Value = Conv2d> {
        let axis = (1u32..8, 1u32..5, 1u32..4)
            .prop_flat_map(|(size, kernel, stride)| (Just((size, kernel, stride)), 0..kernel))
            .prop_flat_map(|((size, kernel, stride), pad)| {
                let most = (size + pad - 1) / stride + 1;
                (Just((size, kernel, stride, pad)), 1..=most)
            });
        (axis.clone(), axis, 1u32..4, 1u32..4, 1u32..8).prop_map(|(v, h, groups, depth, channels)| Conv2d {
            in_height: v.0.0,
            in_width: h.0.0,
            in_channels: groups * depth,
            out_channels: groups * channels,
            kernel_h: v.0.1,
            kernel_w: h.0.1,
            stride_h: v.0.2,
            stride_w: h.0.2,
            pad_top: v.0.3,
            pad_left: h.0.3,
            out_height: v.1,
            out_width: h.1,
            groups,
            x: Slot::new(0, 0),
            weights: Blob::new(0, 0),
            pack: Pack::RowMajor,
            requant: PerChannel {
                bias: Blob::new(0, 0),
                scale: Channels { mantissa: Blob::new(0, 0), shift: Blob::new(0, 0) },
            },
            out: Destination::I32 { out: Slot::new(0, 0) },
        })
    }

    fn pseudo(seed: u64) -> impl FnMut() -> u64 {
        let mut index = 0u32;
        move || {
            index += 1;
            crate::hash::mix(index, seed as i32)
        }
    }

    proptest! {
        #[test]
        fn equals_the_definition_in_every_pack_and_tile(op in geometry(), seed: u64, tile in 1u32..9, extreme: bool) {
            let mut next = pseudo(seed);
            let n = op.out_channels as usize;
            let k = op.k().unwrap() as usize;
            let image = (op.in_height * op.in_width * op.in_channels) as usize;
            let x: Vec<i8> = (0..image).map(|_| if extreme { i8::MIN } else { next() as i8 }).collect();
            let w: Vec<i8> = (0..n * k).map(|_| (next() as i8).max(-127)).collect();
            let bias: Vec<i32> = (0..n).map(|_| next() as i32 >> 1).collect();
            let m: Vec<i32> = (0..n).map(|_| next() as i32).collect();
            let e: Vec<u8> = (0..n).map(|_| (next() % 62 + 1) as u8).collect();
            let want: Vec<i32> = exact(&op, &x, &w, &bias, &m, &e)
                .iter()
                .map(|&v| v.clamp(i32::MIN.into(), i32::MAX.into()) as i32)
                .collect();
            for pack in Pack::ALL {
                let mut packed = vec![0i8; pack.len(n as u32, k as u32).unwrap() as usize];
                for (at, place) in packed.iter_mut().enumerate() {
                    if let Some((row, column)) = pack.locate(n, k, at) {
                        *place = w[row * k + column];
                    }
                }
                let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
                let out = arena.slot(&vec![0i32; want.len()]);
                let op = Conv2d {
                    x: arena.slot(&x),
                    weights: consts.blob(&packed),
                    pack,
                    requant: PerChannel {
                        bias: consts.blob(&bias),
                        scale: Channels { mantissa: consts.blob(&m), shift: consts.blob(&e) },
                    },
                    out: Destination::I32 { out },
                    ..op
                };
                prop_assert_eq!(op.check(&Consts::new(consts.bytes())), Ok(()));
                prop_assert_eq!(run(op, &arena, &consts, tile).unwrap().get(out), want.clone());
            }
        }

        #[test]
        fn hostile_records_are_refused_without_overflow(fields in prop::array::uniform13(prop_oneof![any::<u32>(), 0u32..4])) {
            let [in_height, in_width, in_channels, out_channels, kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left, out_height, out_width, groups] = fields;
            let scale = Channels { mantissa: Blob::new(0, 1), shift: Blob::new(0, 1) };
            let op = Conv2d {
                in_height, in_width, in_channels, out_channels, kernel_h, kernel_w, stride_h, stride_w,
                pad_top, pad_left, out_height, out_width, groups,
                x: Slot::new(0, 1),
                weights: Blob::new(u32::MAX, 1),
                pack: Pack::Panel16x4,
                requant: PerChannel { bias: Blob::new(0, 1), scale },
                out: Destination::I32 { out: Slot::new(0, 1) },
            };
            prop_assert!(op.check(&Consts::new(&[])).is_err());
            let _ = (op.rows(), op.macs());
        }
    }

    #[test]
    fn windows_outside_the_image_are_refused() {
        assert!(touches(4, 3, 1, 1, 4));
        assert!(touches(4, 3, 1, 1, 5), "the last window holds one column and implies padding");
        assert!(!touches(4, 3, 1, 1, 6), "the last window would hold none");
        assert!(!touches(4, 3, 1, 3, 4), "the first window would hold none");
        assert!(!touches(4, 3, 1, 1, 0));
        assert!(!touches(4, u32::MAX, u32::MAX, u32::MAX - 1, u32::MAX));
    }
}
