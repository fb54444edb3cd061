//! Convolutions of each channel by a kernel of its own of three rows and columns, as products of four bytes:
//! those of a column of the kernel. [`windows`] has those of all other sizes.

use core::arch::x86_64::{
    _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_maskz_loadu_epi8, _mm512_set1_epi8, _mm512_xor_si512,
};

use quant::Fault;
use quant::ops::{Clip, Conv2dArgs, LinearOut};
use quant::slice::{window, window_mut};

use super::constants::{Channels, Constants};
use super::lookup::Bytes;
use super::windows::windows;
use super::{Avx512, WIDTH, first, interleave};
use crate::vector::isa::Depthwise;

/// Rows and columns of a kernel.
const SIZE: usize = 3;

// SAFETY: every instruction is one of AVX-512 F, BW or VNNI, and every access is masked to the length
// of its slice.
unsafe impl Depthwise for Avx512 {
    #[inline(always)]
    unsafe fn depthwise(args: &Conv2dArgs<'_>, x: &[i8], out: &mut LinearOut<'_>) -> Result<bool, Fault> {
        let LinearOut::I8 { out, table } = out else { return Ok(false) };
        let size = (args.kernel_h, args.kernel_w);
        if size != (SIZE, SIZE) || !(1..=2).contains(&args.stride_w) {
            // SAFETY: as the caller vouches.
            unsafe { windows(args, x, out, *table)? };
            return Ok(true);
        }
        for channel in (0..args.weights.n).step_by(WIDTH) {
            // SAFETY: as the caller vouches.
            unsafe {
                let block = Block::new(args, channel)?;
                if args.stride_w == 1 {
                    block.pixels::<1>(args, x, out, *table)?;
                } else {
                    block.pixels::<2>(args, x, out, *table)?;
                }
            }
        }
        Ok(true)
    }
}

/// Channels, and their weights.
struct Block {
    /// Of each column.
    weights: [Channels; SIZE],
    constants: Constants,
}

impl Block {
    /// # Safety
    ///
    /// Where AVX-512 BW is.
    #[inline(always)]
    unsafe fn new(args: &Conv2dArgs<'_>, channel: usize) -> Result<Self, Fault> {
        // SAFETY: 64 bytes are read, of arrays of as many.
        unsafe {
            let constants = Constants::new(args, channel)?;
            let mut taps = [[[0i8; WIDTH]; 4]; SIZE];
            for (column, taps) in taps.iter_mut().enumerate() {
                for (row, taps) in taps.iter_mut().enumerate().take(SIZE) {
                    for (lane, tap) in taps.iter_mut().enumerate().take(constants.count) {
                        *tap = args.weights.get(channel + lane, row * SIZE + column);
                    }
                }
            }
            let weights =
                taps.map(|rows| interleave(rows.map(|row| _mm512_loadu_si512(row.as_ptr().cast()))));
            Ok(Self { weights, constants })
        }
    }

    /// All pixels of the block's channels, `STRIDE` columns of the input apart.
    ///
    /// # Safety
    ///
    /// Where AVX-512 BW and VNNI are.
    #[inline(always)]
    unsafe fn pixels<const STRIDE: usize>(
        &self,
        args: &Conv2dArgs<'_>,
        x: &[i8],
        out: &mut [i8],
        table: Option<&[i8; 256]>,
    ) -> Result<(), Fault> {
        let (n, &Constants { channel, count: channels, .. }) = (args.weights.n, &self.constants);
        // SAFETY: as the caller vouches.
        let table = table.map(|table| unsafe { Bytes::new(bytemuck::cast_ref(table)) });
        let (mut pixel, pixels) = (0, out.len().checked_div(n).unwrap_or(0));
        while pixel < pixels {
            let oy = (args.first + pixel).checked_div(args.out_width).ok_or(Fault::Bounds)?;
            let ox = args.first + pixel - oy * args.out_width;
            let count = (args.out_width - ox).min(pixels - pixel);
            let rows = Rows::new(self, args, x, oy)?;
            // SAFETY: as the caller vouches.
            unsafe {
                let mut at = ox * STRIDE;
                let mut columns = [rows.column(at)?, rows.column(at + 1)?, rows.column(at + 2)?];
                for number in 0..count {
                    if number > 0 {
                        at += STRIDE;
                        columns = match STRIDE {
                            1 => [columns[1], columns[2], rows.column(at + 2)?],
                            _ => [columns[2], rows.column(at + 1)?, rows.column(at + 2)?],
                        };
                    }
                    let out = window_mut(out, (pixel + number) * n + channel, channels)?;
                    self.store(&columns, table, out);
                }
            }
            pixel += count;
        }
        Ok(())
    }

    /// The values of one window.
    ///
    /// # Safety
    ///
    /// Where AVX-512 BW, VBMI and VNNI are.
    #[inline(always)]
    unsafe fn store(&self, columns: &[Channels; SIZE], table: Option<Bytes>, out: &mut [i8]) {
        let mut sums = self.constants.start;
        // SAFETY: as the caller vouches.
        unsafe {
            for (x, w) in columns.iter().zip(&self.weights) {
                for (sums, (x, w)) in sums.iter_mut().zip(x.iter().zip(w)) {
                    *sums = _mm512_dpbusd_epi32(*sums, *x, *w);
                }
            }
            self.constants.put(sums, table, out);
        }
    }
}

/// The rows of the input under a row of windows: `None` is padding.
struct Rows<'a> {
    rows: [Option<&'a [i8]>; SIZE],
    channel: usize,
    count: usize,
    channels: usize,
    pad_left: usize,
    width: usize,
}

impl<'a> Rows<'a> {
    #[inline(always)]
    fn new(block: &Block, args: &Conv2dArgs<'_>, x: &'a [i8], oy: usize) -> Result<Self, Fault> {
        let clip = Clip::new(oy, args.stride_h, args.pad_top, SIZE, args.in_height);
        let len = args.in_width * args.in_channels;
        let mut rows = [None; SIZE];
        for (down, tap) in clip.taps.enumerate() {
            *rows.get_mut(tap).ok_or(Fault::Bounds)? = Some(window(x, (clip.at + down) * len, len)?);
        }
        let (channels, pad_left) = (args.in_channels, args.pad_left);
        Ok(Self {
            rows,
            channel: block.constants.channel,
            count: block.constants.count,
            channels,
            pad_left,
            width: args.in_width,
        })
    }

    /// The inputs of the column at `at`, counted with the padding, their signs turned.
    ///
    /// # Safety
    ///
    /// Where AVX-512 BW is.
    #[inline(always)]
    unsafe fn column(&self, at: usize) -> Result<Channels, Fault> {
        // SAFETY: a window has as many bytes as its mask has ones.
        unsafe {
            let flip = _mm512_set1_epi8(i8::MIN);
            let mut taps = [flip; 4];
            let at = at.wrapping_sub(self.pad_left);
            if at < self.width {
                for (tap, row) in taps.iter_mut().zip(self.rows) {
                    if let Some(row) = row {
                        let x = window(row, at * self.channels + self.channel, self.count)?;
                        let x = _mm512_maskz_loadu_epi8(first(self.count), x.as_ptr());
                        *tap = _mm512_xor_si512(x, flip);
                    }
                }
            }
            Ok(interleave(taps))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use quant::Kernels;
    use quant::ops::ChannelsRef;
    use quant::pack::{Pack, Weights};

    use super::*;
    use crate::vector::set::Set;
    use crate::vector::x86::Avx512Vnni;

    /// Channels of whole and ragged blocks, strides, padding on all sides, an image narrower than the
    /// kernel, from a later pixel on, with multipliers of both kinds.
    #[test]
    fn windows_are_the_reference() {
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 32) as i32
        };
        for (channels, height, width, stride, pad) in
            [(64, 9, 11, 1, 1), (70, 7, 9, 2, 1), (3, 6, 5, 1, 0), (130, 8, 8, 2, 0), (17, 4, 2, 1, 1)]
        {
            let len = Pack::Panel16x4.len(channels as u32, 9).unwrap() as usize;
            let mut data = vec![0i8; len];
            for channel in 0..channels {
                for tap in 0..9 {
                    data[Pack::Panel16x4.index(9, channel, tap)] = (random() as i8).max(-127);
                }
            }
            let x: Vec<i8> = (0..height * width * channels)
                .map(|i| if i % 7 == 0 { i8::MIN } else { random() as i8 })
                .collect();
            let bias: Vec<i32> = (0..channels).map(|_| random() >> 16).collect();
            let mantissa: Vec<i32> = (0..channels).map(|_| random() >> 1).collect();
            let table: [i8; 256] = core::array::from_fn(|i| (i as u8).wrapping_mul(37) as i8);
            for (least, table) in [(38, Some(&table)), (38, None), (30, None)] {
                let shift: Vec<u8> = (0..channels).map(|_| least + (random() & 3) as u8).collect();
                let (out_height, out_width) =
                    ((height + 2 * pad - SIZE) / stride + 1, (width + 2 * pad - SIZE) / stride + 1);
                let args = Conv2dArgs {
                    in_height: height,
                    in_width: width,
                    in_channels: channels,
                    kernel_h: SIZE,
                    kernel_w: SIZE,
                    stride_h: stride,
                    stride_w: stride,
                    pad_top: pad,
                    pad_left: pad,
                    out_width,
                    groups: channels,
                    weights: Weights { data: &data, pack: Pack::Panel16x4, n: channels, k: 9 },
                    bias: &bias,
                    requant: ChannelsRef { mantissa: &mantissa, shift: &shift },
                    first: 1,
                };
                let count = (out_height * out_width - 1) * channels;
                let (mut want, mut got) = (vec![0; count], vec![0; count]);
                quant::Reference.conv2d(&args, &x, LinearOut::I8 { out: &mut want, table }).unwrap();
                let mut set = Set::<Avx512Vnni>::default();
                set.conv2d(&args, &x, LinearOut::I8 { out: &mut got, table }).unwrap();
                assert!(got == want, "{channels} {height} {width} {stride} {pad} {least}");
                assert!(want.iter().any(|&v| v != want[0]));
            }
        }
    }
}
