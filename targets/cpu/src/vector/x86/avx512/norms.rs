//! LayerNorm and RMSNorm: statistics of several rows, whose roots are taken together, then those rows, of
//! which 64 channels share their constants in registers.

use core::arch::x86_64::{
    __m512i, _mm_maskz_loadu_epi8, _mm256_maskz_loadu_epi16, _mm512_add_epi32, _mm512_add_epi64,
    _mm512_and_si512, _mm512_cmple_epu64_mask, _mm512_cvtepi16_epi32, _mm512_cvtepu8_epi32,
    _mm512_dpwssd_epi32, _mm512_loadu_si512, _mm512_madd_epi16, _mm512_mask_mov_epi64,
    _mm512_maskz_loadu_epi16, _mm512_maskz_loadu_epi32, _mm512_mul_epu32, _mm512_mullo_epi32,
    _mm512_or_si512, _mm512_reduce_add_epi32, _mm512_reduce_add_epi64, _mm512_set1_epi16, _mm512_set1_epi32,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_slli_epi64, _mm512_srli_epi64, _mm512_storeu_si512,
    _mm512_sub_epi32, _mm512_sub_epi64,
};
use core::array;

use quant::ops::{AddArgs, LayerNormArgs, LinearOut, Residual, RowStatistics, TensorMut};
use quant::slice::rows;
use quant::{Fault, Kernels};

use super::output::{Int8, Int16, Output};
use super::requantize::HighHalf;
use super::words::Sum;
use super::{Avx512, WIDTH, first, image};
use crate::portable;
use crate::vector::isa::LANES;
use crate::vector::x86::norms::Norms;

/// Rows whose statistics are found together.
const ROWS: usize = 16;
/// Values of int16 in a register.
const WORDS: usize = WIDTH / 2;
/// Values of int64 in a register.
const LONGS: usize = WIDTH / 8;

// SAFETY: every instruction is one of AVX-512 F, BW, VL or VNNI, and every access is masked to the length
// of its slice.
unsafe impl Norms for Avx512 {
    #[inline(always)]
    unsafe fn layer_norm(args: &LayerNormArgs<'_>, x: &[i16], out: &mut TensorMut<'_>) -> Result<(), Fault> {
        // SAFETY: as the caller vouches.
        unsafe {
            match out {
                TensorMut::I8(out) => norm::<Int8, true>(args, x, LinearOut::I8 { out, table: None }),
                TensorMut::I16(out) => norm::<Int16, true>(args, x, LinearOut::I16 { out, residual: None }),
                TensorMut::I32(_) => return quant::Reference.layer_norm(args, x, out),
            }
        }
        Ok(())
    }

    #[inline(always)]
    unsafe fn rms_norm(args: &LayerNormArgs<'_>, x: &[i16], out: &mut TensorMut<'_>) -> Result<(), Fault> {
        // SAFETY: as the caller vouches.
        unsafe {
            match out {
                TensorMut::I8(out) => norm::<Int8, false>(args, x, LinearOut::I8 { out, table: None }),
                TensorMut::I16(out) => norm::<Int16, false>(args, x, LinearOut::I16 { out, residual: None }),
                TensorMut::I32(_) => return quant::Reference.rms_norm(args, x, out),
            }
        }
        Ok(())
    }

    #[inline(always)]
    unsafe fn add(args: &AddArgs, x: &mut [i16], y: &[i16]) -> Result<(), Fault> {
        let scales = Residual { stream: args.x_scale, branch: args.y_scale };
        // SAFETY: as the caller vouches.
        unsafe {
            let Some(sum) = Sum::new(&scales) else { return portable::add(args, x, y) };
            if y.is_empty() {
                return Err(Fault::Bounds);
            }
            for row in x.chunks_mut(y.len()) {
                sum.add(row, y);
            }
        }
        Ok(())
    }

    #[inline(always)]
    unsafe fn quantize_image(tables: &[i8], channels: usize, x: &mut [u8]) -> Result<(), Fault> {
        // SAFETY: as the caller vouches.
        unsafe {
            match channels {
                1 => image::quantize::<1>(tables, x),
                3 => image::quantize::<3>(tables, x),
                _ => portable::quantize_image(tables, channels, x),
            }
        }
    }
}

/// All rows that `x` and `out` have, about their means where they are `CENTRED`.
///
/// # Safety
///
/// Where AVX-512 BW, VL and VNNI are.
#[inline(always)]
unsafe fn norm<O: Output, const CENTRED: bool>(args: &LayerNormArgs<'_>, x: &[i16], mut out: LinearOut<'_>) {
    let width = args.width;
    let len = x.len().min(out.len());
    // SAFETY: `out` is borrowed until the end, and has `len` elements.
    unsafe {
        let Some(to) = O::new(&mut out) else { return };
        let mut at = 0;
        for x in x[..len].chunks(ROWS * width.max(1)) {
            let statistics = statistics::<CENTRED>(x, width, args.eps);
            put(args, x, &statistics, &to, at);
            at += x.len();
        }
    }
}

/// The statistics of the rows of `x`, at most [`ROWS`].
///
/// # Safety
///
/// Where AVX-512 BW and VNNI are.
#[inline(always)]
unsafe fn statistics<const CENTRED: bool>(x: &[i16], width: usize, eps: u64) -> [RowStatistics; ROWS] {
    let (mut means, mut energies) = ([0; ROWS], [0; ROWS]);
    let count = width as i32;
    for ((row, mean), energy) in rows(x, width).zip(&mut means).zip(&mut energies) {
        // SAFETY: as the caller vouches.
        let (sum, squares) = unsafe { sums::<CENTRED>(row) };
        *mean = (2 * sum + count).checked_div_euclid(2 * count).unwrap_or(0);
        let shift = i64::from(*mean) * (i64::from(count) * i64::from(*mean) - 2 * i64::from(sum));
        *energy = (squares + shift) as u64 + eps;
    }
    // SAFETY: as the caller vouches.
    let factors = unsafe { factors(&energies) };
    array::from_fn(|row| RowStatistics { mean: means[row], factor: factors[row] })
}

/// The sum of a row's values, which is 0 where they are not `CENTRED`, and that of their squares.
///
/// # Safety
///
/// Where AVX-512 BW and VNNI are.
#[inline(always)]
unsafe fn sums<const CENTRED: bool>(row: &[i16]) -> (i32, i64) {
    // SAFETY: 64 bytes are read, of arrays of as many, or those of `rest`.
    unsafe {
        let mut sums =
            Sums { sum: _mm512_setzero_si512(), both: _mm512_setzero_si512(), upper: _mm512_setzero_si512() };
        let (whole, rest) = row.as_chunks::<WORDS>();
        for x in whole {
            sums.add::<CENTRED>(_mm512_loadu_si512(x.as_ptr().cast()));
        }
        sums.add::<CENTRED>(_mm512_maskz_loadu_epi16(first(rest.len()) as u32, rest.as_ptr()));
        let lower = _mm512_sub_epi64(sums.both, _mm512_slli_epi64::<32>(sums.upper));
        let squares = _mm512_add_epi64(lower, sums.upper);
        (_mm512_reduce_add_epi32(sums.sum), _mm512_reduce_add_epi64(squares))
    }
}

/// Sums of the lanes of registers.
struct Sums {
    /// Of values, in lanes of 32 bits.
    sum: __m512i,
    /// Of squares, in lanes of 64 bits, modulo 2⁶⁴: there are two sums of squares in each, the second one
    /// in its upper half.
    both: __m512i,
    /// Of those in upper halves alone.
    upper: __m512i,
}

impl Sums {
    /// # Safety
    ///
    /// Where AVX-512 BW and VNNI are.
    #[inline(always)]
    unsafe fn add<const CENTRED: bool>(&mut self, x: __m512i) {
        // SAFETY: as the caller vouches.
        unsafe {
            if CENTRED {
                self.sum = _mm512_dpwssd_epi32(self.sum, x, _mm512_set1_epi16(1));
            }
            // Two squares are at most 2³¹, without a sign.
            let squares = _mm512_madd_epi16(x, x);
            self.both = _mm512_add_epi64(self.both, squares);
            self.upper = _mm512_add_epi64(self.upper, _mm512_srli_epi64::<32>(squares));
        }
    }
}

/// The factors of rows with these sums of squares, as [`quant::ops::LayerNorm`] defines them.
///
/// # Safety
///
/// Where AVX-512 F is.
#[inline(always)]
unsafe fn factors(energies: &[u64; ROWS]) -> [i32; ROWS] {
    let up = energies.map(|energy| energy.leading_zeros().saturating_sub(44) / 2);
    let scaled = array::from_fn(|row| energies[row] << (2 * up[row]));
    // SAFETY: as the caller vouches.
    let deviations = unsafe { roots(&scaled) };
    array::from_fn(|row| {
        let factor = (i32::MAX as u32).checked_div(deviations[row] as u32).unwrap_or(0);
        (factor << up[row]) as i32
    })
}

/// The square roots of `values`, rounded down, bit by bit.
///
/// # Safety
///
/// Where AVX-512 F is.
#[inline(always)]
unsafe fn roots(values: &[u64; ROWS]) -> [u64; ROWS] {
    let bits = (u64::BITS - values.iter().fold(0, |all, value| all | value).leading_zeros()).div_ceil(2);
    let mut found = [0; ROWS];
    // SAFETY: 64 bytes are read and written, of arrays of as many.
    unsafe {
        let mut roots = [_mm512_setzero_si512(); ROWS / LONGS];
        let parts = values.as_chunks::<LONGS>().0;
        for place in (0..bits).rev() {
            let bit = _mm512_set1_epi64(1 << place);
            for (root, values) in roots.iter_mut().zip(parts) {
                let values = _mm512_loadu_si512(values.as_ptr().cast());
                let larger = _mm512_or_si512(*root, bit);
                let fits = _mm512_cmple_epu64_mask(_mm512_mul_epu32(larger, larger), values);
                *root = _mm512_mask_mov_epi64(*root, fits, larger);
            }
        }
        for (to, root) in found.as_chunks_mut::<LONGS>().0.iter_mut().zip(roots) {
            _mm512_storeu_si512(to.as_mut_ptr().cast(), root);
        }
    }
    found
}

/// Puts the rows of `x` to elements from `at` on.
///
/// # Safety
///
/// `to` has as many elements from there on as `x` has; where AVX-512 BW, VL and VNNI are.
#[inline(always)]
unsafe fn put<O: Output>(
    args: &LayerNormArgs<'_>,
    x: &[i16],
    statistics: &[RowStatistics; ROWS],
    to: &O,
    at: usize,
) {
    let (mantissa, shift) = (args.scale.mantissa, args.scale.shift);
    let channels = args.width.min(mantissa.len()).min(shift.len()).min(args.offset.len());
    for channel in (0..channels).step_by(WIDTH) {
        let count = WIDTH.min(channels - channel);
        // SAFETY: channels from `channel` on are `count` at least, in every row and in all constants.
        unsafe {
            let by = constants(args, channel, count);
            for (number, (row, of)) in rows(x, args.width).zip(statistics).enumerate() {
                let (mean, factor) = (_mm512_set1_epi32(of.mean), _mm512_set1_epi32(of.factor));
                let from = row.as_ptr().add(channel);
                let mut values = [mean; WIDTH / LANES];
                for (part, (value, by)) in values.iter_mut().zip(by).enumerate() {
                    let mask = (first(count) >> (part * LANES)) as u16;
                    let x = _mm256_maskz_loadu_epi16(mask, from.wrapping_add(part * LANES));
                    let y = _mm512_sub_epi32(_mm512_cvtepi16_epi32(x), mean);
                    *value = by.apply(_mm512_mullo_epi32(y, factor));
                }
                to.put(at + number * args.width + channel, count, values);
            }
        }
    }
}

/// What scales and shifts `count` channels from `channel` on, at most 64, in registers of sixteen.
///
/// # Safety
///
/// All constants have so many; where AVX-512 BW and VL are.
#[inline(always)]
unsafe fn constants(args: &LayerNormArgs<'_>, channel: usize, count: usize) -> [HighHalf; WIDTH / LANES] {
    // SAFETY: as the caller vouches.
    let mut by = unsafe { [HighHalf::uniform(0, 33); WIDTH / LANES] };
    for (part, by) in by.iter_mut().enumerate() {
        let (at, mask) = (channel + part * LANES, (first(count) >> (part * LANES)) as u16);
        // SAFETY: all masks together have `count` ones.
        unsafe {
            let mantissa = _mm512_maskz_loadu_epi32(mask, args.scale.mantissa.as_ptr().wrapping_add(at));
            let offset = _mm512_maskz_loadu_epi32(mask, args.offset.as_ptr().wrapping_add(at));
            let shift = _mm_maskz_loadu_epi8(mask, args.scale.shift.as_ptr().wrapping_add(at).cast());
            let shift = _mm512_add_epi32(_mm512_cvtepu8_epi32(shift), _mm512_set1_epi32(-32));
            *by = HighHalf::new(mantissa, offset, _mm512_and_si512(shift, _mm512_set1_epi32(31)));
        }
    }
    by
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use quant::Reference;
    use quant::ops::ChannelsRef;

    use super::*;
    use crate::vector::compiled::Compiled;
    use crate::vector::set::Set;
    use crate::vector::x86::Avx512Vnni;

    /// Rows of noise of every size, of zeros, of the extremes, of both of them, and of single outliers.
    fn value(row: usize, noise: i32) -> i16 {
        match row % 20 {
            16 => 0,
            17 => i16::MIN,
            18 => i16::MAX,
            19 if noise < 0 => i16::MIN,
            19 => i16::MAX,
            small => (noise >> (16 + small)) as i16,
        }
    }

    fn conform(rows: usize, width: usize, eps: u64) {
        let mut state = (width as u64) << 32 | eps;
        let mut random = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 32) as i32
        };
        let x: Vec<i16> = (0..rows * width)
            .map(|i| match random() {
                outlier if outlier & 0xfff == 0 => i16::MIN,
                noise => value(i / width, noise),
            })
            .collect();
        let mantissa: Vec<i32> = (0..width).map(|_| random()).collect();
        let shift: Vec<u8> = (0..width).map(|channel| 33 + ((channel + rows) % 30) as u8).collect();
        let offset: Vec<i32> = (0..width).map(|_| random() >> 1).collect();
        let scale = ChannelsRef { mantissa: &mantissa, shift: &shift };
        let args = LayerNormArgs { width, eps, scale, offset: &offset };
        let mut set = Set::<Avx512Vnni>::default();

        let (mut want, mut got) = (vec![0i8; x.len()], vec![0i8; x.len()]);
        Reference.layer_norm(&args, &x, &mut TensorMut::I8(&mut want)).unwrap();
        set.layer_norm(&args, &x, &mut TensorMut::I8(&mut got)).unwrap();
        assert_eq!(got, want, "{rows} rows of {width}, {eps}");
        Reference.rms_norm(&args, &x, &mut TensorMut::I8(&mut want)).unwrap();
        set.rms_norm(&args, &x, &mut TensorMut::I8(&mut got)).unwrap();
        assert_eq!(got, want, "{rows} rows of {width}, {eps}");
        let (mut want, mut got) = (vec![0i16; x.len()], vec![0i16; x.len()]);
        Reference.layer_norm(&args, &x, &mut TensorMut::I16(&mut want)).unwrap();
        set.layer_norm(&args, &x, &mut TensorMut::I16(&mut got)).unwrap();
        assert_eq!(got, want, "{rows} rows of {width}, {eps}");
        Reference.rms_norm(&args, &x, &mut TensorMut::I16(&mut want)).unwrap();
        set.rms_norm(&args, &x, &mut TensorMut::I16(&mut got)).unwrap();
        assert_eq!(got, want, "{rows} rows of {width}, {eps}");
    }

    /// Whole and ragged registers, blocks of channels and blocks of rows, no deviation and the largest `eps`.
    #[test]
    fn norms_are_the_reference() {
        for width in [1, 2, 7, 16, 31, 32, 33, 63, 64, 65, 96, 100, 127, 192, 384, 777] {
            for (rows, eps) in [(1, 0), (15, 1), (16, 1000), (20, 0), (41, 1 << 20), (20, 1 << 48)] {
                conform(rows, width, eps);
            }
        }
        // The widest rows, whose sums are the largest.
        conform(20, 1 << 15, 0);
    }

    /// Roots of squares, and of what is one less.
    #[test]
    fn roots_are_exact() {
        if !Avx512Vnni::is_available() {
            return;
        }
        for scale in 0..6 {
            let values: [u64; ROWS] = array::from_fn(|place| {
                let root = (1 << (place / 2 + 3 * scale)) + 1;
                root * root - place as u64 % 2
            });
            // SAFETY: the instructions are there.
            assert_eq!(unsafe { roots(&values) }, values.map(u64::isqrt));
        }
    }
}
