//! Products of activations of one block, as windows of attention have them: B is laid out as keys or values
//! are, or in two panels.

use core::arch::x86_64::{
    __m512i, _mm256_storeu_si256, _mm512_castsi128_si512, _mm512_cvtepi16_epi8, _mm512_cvtsepi32_epi8,
    _mm512_inserti32x4, _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi16, _mm512_set1_epi8,
    _mm512_setzero_si512, _mm512_slli_epi32, _mm512_srli_epi16, _mm512_sub_epi32, _mm512_xor_si512,
};

use quant::Fault;
use quant::ops::{MatMulArgs, Tensor, TensorMut};
use quant::slice::{window, window_mut};

use super::attention::{requantized, stage};
use super::pack::{GROUPS, Tile, pack_in_order, pack_keys, pack_values};
use super::products::{excess, products};
use super::{HighHalf, WIDTH, first};
use crate::vector::isa::{GROUP, LANES};

/// Words of a register.
const WORDS: usize = WIDTH / 2;
/// Most rows of a tile.
const ROWS: usize = 12;

/// Bytes of some rows.
type Bytes = [[u8; WIDTH]; ROWS];

/// All rows, where inputs and columns are those of one block, and their results bytes: says whether they are.
///
/// # Safety
///
/// As [`Isa`](crate::vector::isa::Isa) says.
#[inline(always)]
pub(super) unsafe fn matmul(
    args: &MatMulArgs,
    a: Tensor<'_>,
    b: &[i8],
    out: &mut TensorMut<'_>,
) -> Result<bool, Fault> {
    let &MatMulArgs { n, k, b_row, transpose_b, requant, .. } = args;
    let TensorMut::I8(out) = out else { return Ok(false) };
    if n > WIDTH || k > WIDTH || requant.shift < 33 {
        return Ok(false);
    }
    let mut block: [[Tile; 4]; 1] = [[[[0; LANES * GROUP]; GROUPS]; 4]];
    // SAFETY: as the caller vouches.
    unsafe {
        if n <= 2 * LANES && !transpose_b {
            let [[first, second, ..]] = &mut block;
            pack_in_order([first, second], b, b_row, (k, n))?;
            tiles::<2, ROWS>(args, a, [first, second], out)?;
            return Ok(true);
        }
        match transpose_b {
            true => pack_keys(&mut block, b, b_row, (n, k))?,
            false => pack_values(&mut block, b, b_row, (k, n))?,
        }
        tiles::<4, 6>(args, a, block[0].each_ref(), out)?;
    }
    Ok(true)
}

/// All rows by the columns of `panels`, `R` at a time; the last two and the last one by themselves.
///
/// # Safety
///
/// As [`matmul`]; two panels have their columns in order, and four as [`narrow`](super::narrow) takes them.
#[inline(always)]
unsafe fn tiles<const P: usize, const R: usize>(
    args: &MatMulArgs,
    a: Tensor<'_>,
    panels: [&Tile; P],
    out: &mut [i8],
) -> Result<(), Fault> {
    let mut staged = [[[0; WIDTH]; ROWS]; 2];
    // SAFETY: as the caller vouches.
    unsafe {
        let mut start = excess(panels.map(|panel| &panel[..args.k.div_ceil(GROUP)]));
        for start in &mut start {
            *start = _mm512_sub_epi32(_mm512_setzero_si512(), *start);
        }
        let mut row = 0;
        while row < args.m {
            if args.m - row <= 2 {
                tile::<P, 2>(args, (a, row), (panels, start), &mut staged, out)?;
                row += 2;
            } else {
                tile::<P, R>(args, (a, row), (panels, start), &mut staged, out)?;
                row += R;
            }
        }
    }
    Ok(())
}

/// As many of the `R` rows from number `row` on as there are.
///
/// # Safety
///
/// As [`tiles`].
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn tile<const P: usize, const R: usize>(
    args: &MatMulArgs,
    (a, row): (Tensor<'_>, usize),
    (panels, start): ([&Tile; P], [__m512i; P]),
    [high, low]: &mut [Bytes; 2],
    out: &mut [i8],
) -> Result<(), Fault> {
    let &MatMulArgs { m, n, k, a_row, out_row, requant, .. } = args;
    let (rows, groups) = ((m - row).min(R), k.div_ceil(GROUP));
    // SAFETY: rows and panels have 16 groups; `n` bytes are written, to slices of as many; and as the caller
    // vouches.
    unsafe {
        let panels = panels.map(|panel| panel.as_ptr());
        let mut sums = [start; R];
        match a {
            Tensor::I8(x) => {
                stage(high, (x.get(row * a_row..).ok_or(Fault::Bounds)?, a_row), (rows, k))?;
                sums = products(sums, core::array::from_fn(|r| high[r].as_ptr()), panels, groups);
            }
            Tensor::I16(x) => {
                split((high, low), (x.get(row * a_row..).ok_or(Fault::Bounds)?, a_row), (rows, k))?;
                sums = products(sums, core::array::from_fn(|r| high[r].as_ptr()), panels, groups);
                for sums in &mut sums {
                    for sum in sums {
                        *sum = _mm512_slli_epi32::<8>(*sum);
                    }
                }
                sums = products(sums, core::array::from_fn(|r| low[r].as_ptr()), panels, groups);
            }
            Tensor::I32(_) => return Err(Fault::Instruction),
        }
        let by = HighHalf::uniform(requant.mantissa, requant.shift);
        for (r, sums) in sums.iter().enumerate().take(rows) {
            let out = window_mut(out, (row + r) * out_row, n)?;
            let mut four = [_mm512_setzero_si512(); 4];
            four[..P].copy_from_slice(sums);
            let bytes = match P {
                2 => in_order(by, four[0], four[1]),
                _ => requantized(by, &four),
            };
            _mm512_mask_storeu_epi8(out.as_mut_ptr(), first(n), bytes);
        }
    }
    Ok(())
}

/// Two panels of a row whose columns are in order, requantized `by`.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
unsafe fn in_order(by: HighHalf, a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: as the caller vouches.
    unsafe {
        let (a, b) = (_mm512_cvtsepi32_epi8(by.apply(a)), _mm512_cvtsepi32_epi8(by.apply(b)));
        _mm512_inserti32x4::<1>(_mm512_castsi128_si512(a), b)
    }
}

/// The bytes of `rows` rows of `k` words: the high ones, their sign turned, and the low ones.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
unsafe fn split(
    (high, low): (&mut Bytes, &mut Bytes),
    (x, stride): (&[i16], usize),
    (rows, k): (usize, usize),
) -> Result<(), Fault> {
    for (row, (high, low)) in high.iter_mut().zip(low).enumerate().take(rows) {
        let from = window(x, row * stride, k)?;
        for half in 0..k.div_ceil(WORDS) {
            let at = half * WORDS;
            // SAFETY: words are read as far as there are some, and 32 bytes written, of 64 that there are,
            // for `k` is at most 64.
            unsafe {
                let words = _mm512_maskz_loadu_epi16(first(k - at) as u32, from.as_ptr().add(at));
                let upper = _mm512_xor_si512(words, _mm512_set1_epi8(i8::MIN));
                let upper = _mm512_cvtepi16_epi8(_mm512_srli_epi16::<8>(upper));
                _mm256_storeu_si256(high.as_mut_ptr().add(at).cast(), upper);
                _mm256_storeu_si256(low.as_mut_ptr().add(at).cast(), _mm512_cvtepi16_epi8(words));
            }
        }
    }
    Ok(())
}
