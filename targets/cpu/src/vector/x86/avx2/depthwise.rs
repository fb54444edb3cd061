//! Convolutions of each channel by a kernel of its own, as products of two words: those of two taps of the
//! kernel, of 32 channels at a time.

use core::arch::x86_64::{
    _mm_loadu_si128, _mm_unpackhi_epi8, _mm_unpacklo_epi8, _mm256_add_epi32, _mm256_cvtepi8_epi16,
    _mm256_loadu_si256, _mm256_madd_epi16,
};

use quant::Fault;
use quant::ops::{Conv2dArgs, LinearOut};
use quant::slice::window;

use super::output::{Added, Int8, Int16, Int32, Looked, Output};
use super::requantize::{CHANNELS, HighHalf, by_any, load, values};
use super::tile::Row;
use crate::portable::requantize::Multipliers;
use crate::vector::x86::taps::{MAX_TAPS, Taps};

/// As many pixels as `out` holds, the table included, where there is such an output: says whether there is.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
pub(super) unsafe fn depthwise(
    args: &Conv2dArgs<'_>,
    x: &[i8],
    out: &mut LinearOut<'_>,
) -> Result<bool, Fault> {
    // SAFETY: as the caller vouches.
    unsafe {
        match out {
            LinearOut::I8 { table: Some(_), .. } => blocks::<Looked>(args, x, out),
            LinearOut::I8 { table: None, .. } => blocks::<Int8>(args, x, out),
            LinearOut::I16 { residual: Some(_), .. } => blocks::<Added>(args, x, out),
            LinearOut::I16 { residual: None, .. } => blocks::<Int16>(args, x, out),
            LinearOut::I32 { .. } => blocks::<Int32>(args, x, out),
        }
    }
}

/// All blocks of channels. One copy for all sets.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(never)]
#[target_feature(enable = "avx2")]
unsafe fn blocks<O: Output>(args: &Conv2dArgs<'_>, x: &[i8], out: &mut LinearOut<'_>) -> Result<bool, Fault> {
    let n = args.weights.n;
    let pixels = out.len().checked_div(n).unwrap_or(0);
    // SAFETY: as the caller vouches.
    let Some(to) = (unsafe { O::new(out) }) else { return Ok(false) };
    for channel in (0..n).step_by(CHANNELS) {
        let block = Block::new(args, channel)?;
        let mut taps = Taps::<CHANNELS>::new(args, x, channel);
        let mut oy = args.first.checked_div(args.out_width).ok_or(Fault::Bounds)?;
        let mut ox = args.first - oy * args.out_width;
        // SAFETY: `out` is borrowed until the end and has the pixels; and as the caller vouches.
        unsafe {
            let by = HighHalf::of(&block.by);
            for pixel in 0..pixels {
                let mut sums = block.sums(taps.window(oy, ox)?);
                if block.by.is_high {
                    for part in 0..4 {
                        sums[part] = by[part].apply(sums[part]);
                    }
                } else {
                    sums = load(&by_any(&block.by, &values(sums)));
                }
                to.put(pixel * n + channel, block.count, sums);
                ox += 1;
                if ox == args.out_width {
                    (oy, ox) = (oy + 1, 0);
                }
            }
        }
    }
    Ok(true)
}

/// Channels from one on, and their constants; those of lanes behind the last one are 0.
#[repr(align(32))]
struct Block {
    /// Of two taps of each channel.
    weights: [[[i16; 2]; CHANNELS]; MAX_TAPS / 2],
    /// Pairs of taps that there are.
    pairs: usize,
    bias: [i32; CHANNELS],
    by: Multipliers<CHANNELS>,
    count: usize,
}

impl Block {
    #[inline(always)]
    fn new(args: &Conv2dArgs<'_>, channel: usize) -> Result<Self, Fault> {
        let count = CHANNELS.min(args.weights.n - channel);
        let mut weights = [[[0; 2]; CHANNELS]; MAX_TAPS / 2];
        for tap in 0..args.weights.k {
            let pair = weights.get_mut(tap / 2).ok_or(Fault::Bounds)?;
            for (lane, pair) in pair.iter_mut().enumerate().take(count) {
                pair[tap % 2] = args.weights.get(channel + lane, tap).into();
            }
        }
        let mut bias = [0; CHANNELS];
        bias[..count].copy_from_slice(window(args.bias, channel, count)?);
        let by = Multipliers::new(&args.requant, channel, count)?;
        Ok(Self { weights, pairs: args.weights.k.div_ceil(2), bias, by, count })
    }

    /// The sums of a window.
    ///
    /// # Safety
    ///
    /// Each tap has 32 readable bytes; where AVX2 is.
    #[inline(always)]
    unsafe fn sums(&self, taps: &[*const i8; MAX_TAPS]) -> Row {
        // SAFETY: 32 bytes are read of each tap, and as many of an array of 128, four times.
        unsafe {
            let mut sums = load(&self.bias);
            for (taps, weights) in taps.as_chunks::<2>().0.iter().zip(&self.weights).take(self.pairs) {
                for half in 0..2 {
                    let first = _mm_loadu_si128(taps[0].add(16 * half).cast());
                    let second = _mm_loadu_si128(taps[1].add(16 * half).cast());
                    let pairs = [_mm_unpacklo_epi8(first, second), _mm_unpackhi_epi8(first, second)];
                    for part in 0..2 {
                        let sum = &mut sums[2 * half + part];
                        let weights = weights.as_ptr().add(16 * half + 8 * part);
                        let weights = _mm256_loadu_si256(weights.cast());
                        let products = _mm256_madd_epi16(_mm256_cvtepi8_epi16(pairs[part]), weights);
                        *sum = _mm256_add_epi32(*sum, products);
                    }
                }
            }
            sums
        }
    }
}
