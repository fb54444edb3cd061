//! What convolutions of each channel by a kernel of its own have of 64 channels, and how their sums become
//! bytes.

use core::arch::x86_64::{
    __m512i, _mm512_loadu_si512, _mm512_mask_storeu_epi8, _mm512_set1_epi8, _mm512_storeu_si512,
    _mm512_xor_si512,
};

use quant::Fault;
use quant::ops::{ChannelsRef, Conv2dArgs};
use quant::slice::window;

use super::lookup::Bytes;
use super::{Avx512, WIDTH, first, narrow};
use crate::portable::requantize::{HIGH, Multipliers};
use crate::vector::isa::{LANES, Requantize};

/// 64 channels in four registers of int32, or of four bytes each, in the order of
/// [`interleave`](super::interleave).
pub(super) type Channels = [__m512i; WIDTH / LANES];

/// Constants of channels `channel .. channel + count`; those of lanes behind them are 0.
pub(super) struct Constants {
    pub(super) channel: usize,
    pub(super) count: usize,
    /// The bias, less what the turned sign of activations adds.
    pub(super) start: Channels,
    multipliers: Multipliers<WIDTH>,
}

impl Constants {
    /// # Safety
    ///
    /// Where AVX-512 F is.
    #[inline(always)]
    pub(super) unsafe fn new(args: &Conv2dArgs<'_>, channel: usize) -> Result<Self, Fault> {
        let count = WIDTH.min(args.weights.n - channel);
        let (mut start, mut mantissa, mut shift) = ([0i32; WIDTH], [0; WIDTH], [HIGH; WIDTH]);
        start[..count].copy_from_slice(window(args.bias, channel, count)?);
        mantissa[..count].copy_from_slice(window(args.requant.mantissa, channel, count)?);
        shift[..count].copy_from_slice(window(args.requant.shift, channel, count)?);
        for (lane, start) in start.iter_mut().enumerate().take(count) {
            for tap in 0..args.weights.k {
                *start = start.wrapping_sub(128 * i32::from(args.weights.get(channel + lane, tap)));
            }
        }
        let (mantissa, shift) = (interleaved(&mantissa), interleaved(&shift));
        let requant = ChannelsRef { mantissa: &mantissa, shift: &shift };
        let multipliers = Multipliers::new(&requant, 0, WIDTH)?;
        // SAFETY: as the caller vouches.
        let start = unsafe { load(&interleaved(&start)) };
        Ok(Self { channel, count, start, multipliers })
    }

    /// Puts sums through the epilogue, as many as `out` takes.
    ///
    /// # Safety
    ///
    /// Where AVX-512 BW and VBMI are.
    #[inline(always)]
    pub(super) unsafe fn put(&self, sums: Channels, table: Option<Bytes>, out: &mut [i8]) {
        // SAFETY: `out` has as many bytes as the mask has ones.
        unsafe {
            let values = Avx512::requantize(&self.multipliers, &stored(sums));
            let mut values = narrow(load(&values));
            if let Some(table) = table {
                values = table.get(_mm512_xor_si512(values, _mm512_set1_epi8(i8::MIN)));
            }
            _mm512_mask_storeu_epi8(out.as_mut_ptr(), first(out.len()), values);
        }
    }
}

/// `values` in the order of [`interleave`](super::interleave).
fn interleaved<T: Copy + Default>(values: &[T; WIDTH]) -> [T; WIDTH] {
    let mut to = [T::default(); WIDTH];
    for (place, to) in to.iter_mut().enumerate() {
        let (register, lane, byte) = (place / 16, place / 4 % 4, place % 4);
        *to = values[16 * lane + 4 * register + byte];
    }
    to
}

/// # Safety
///
/// Where AVX-512 F is.
#[inline(always)]
unsafe fn load(values: &[i32; WIDTH]) -> Channels {
    // SAFETY: four times 64 bytes are read, from an array of as many.
    core::array::from_fn(|part| unsafe { _mm512_loadu_si512(values.as_ptr().add(LANES * part).cast()) })
}

/// # Safety
///
/// Where AVX-512 F is.
#[inline(always)]
unsafe fn stored(channels: Channels) -> [i32; WIDTH] {
    let mut values = [0; WIDTH];
    for (part, channels) in values.as_chunks_mut::<LANES>().0.iter_mut().zip(channels) {
        // SAFETY: 64 bytes are written, to an array of as many.
        unsafe { _mm512_storeu_si512(part.as_mut_ptr().cast(), channels) };
    }
    values
}
