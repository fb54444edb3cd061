//! Products of activations of one block, as windows of attention have them: B is laid out as keys or values
//! are, or in two panels.

use core::arch::x86_64::{
    __m512i, _mm_cvtsi32_si128, _mm256_storeu_si256, _mm512_castsi128_si512, _mm512_cvtepi16_epi8,
    _mm512_cvtsepi32_epi8, _mm512_inserti32x4, _mm512_mask_storeu_epi8, _mm512_mask_storeu_epi16,
    _mm512_maskz_loadu_epi16, _mm512_packs_epi32, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_sll_epi32,
    _mm512_slli_epi32, _mm512_srli_epi16, _mm512_sub_epi32, _mm512_xor_si512,
};

use quant::Fault;
use quant::arith::Multiplier;
use quant::ops::{MatMulArgs, Tensor, TensorMut};
use quant::slice::{window, window_mut};

use super::attention::stage;
use super::pack::{GROUPS, Tile, pack_in_order, pack_keys, pack_keys_in_order, pack_values};
use super::products::{excess, products};
use super::requantize::to_words;
use super::{HighHalf, WIDTH, first, halves, narrow};
use crate::vector::isa::{GROUP, LANES};

/// Words of a register.
const WORDS: usize = WIDTH / 2;
/// Most rows of a tile.
const ROWS: usize = 12;

/// Bytes of some rows.
type Bytes = [[u8; WIDTH]; ROWS];

/// All rows, where inputs and columns are those of one block, and their results bytes or words: says whether
/// they are.
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
    let &MatMulArgs { n, k, requant, .. } = args;
    if n > WIDTH || k > WIDTH {
        return Ok(false);
    }
    let Some(scale) = Scale::new(requant, k, a) else { return Ok(false) };
    let product = Product { args, scale, a, b };
    // SAFETY: as the caller vouches.
    unsafe {
        match out {
            TensorMut::I8(out) => product.all(out)?,
            TensorMut::I16(out) => product.all(out)?,
            TensorMut::I32(_) => return Ok(false),
        }
    }
    Ok(true)
}

/// A multiplier of a shift in 33 ..= 62, for sums that are shifted left before.
#[derive(Clone, Copy)]
struct Scale {
    up: u32,
    requant: Multiplier,
}

impl Scale {
    /// `requant` for sums of `k` products of elements of `a`, at most [`WIDTH`], where they have room.
    #[inline(always)]
    fn new(requant: Multiplier, k: usize, a: Tensor<'_>) -> Option<Self> {
        let most = match a {
            Tensor::I8(_) => k << 14,
            Tensor::I16(_) => k << 22,
            Tensor::I32(_) => return None,
        };
        let up = u32::from(33u8.saturating_sub(requant.shift));
        let shift = requant.shift + up as u8;
        (most << up < 1 << 31).then_some(Self { up, requant: Multiplier { shift, ..requant } })
    }
}

/// Elements of a result.
trait Element: Copy {
    /// Stores a row of the values of `P` panels, as many as it has.
    ///
    /// # Safety
    ///
    /// Where AVX-512 BW is; panels are as [`tiles`](Product::tiles) takes them.
    unsafe fn put<const P: usize>(row: &mut [Self], values: [__m512i; 4])
    where
        Self: Sized;
}

impl Element for i8 {
    #[inline(always)]
    unsafe fn put<const P: usize>(row: &mut [Self], [a, b, c, d]: [__m512i; 4]) {
        // SAFETY: the mask has as many ones as there are bytes.
        unsafe {
            let bytes = match P {
                2 => {
                    let (a, b) = (_mm512_cvtsepi32_epi8(a), _mm512_cvtsepi32_epi8(b));
                    _mm512_inserti32x4::<1>(_mm512_castsi128_si512(a), b)
                }
                _ => narrow([a, b, c, d]),
            };
            _mm512_mask_storeu_epi8(row.as_mut_ptr(), first(row.len()), bytes);
        }
    }
}

impl Element for i16 {
    #[inline(always)]
    unsafe fn put<const P: usize>(row: &mut [Self], [a, b, c, d]: [__m512i; 4]) {
        let (to, mask) = (row.as_mut_ptr(), first(row.len()));
        // SAFETY: both masks together have as many ones as there are words.
        unsafe {
            if P == 2 {
                _mm512_mask_storeu_epi16(to, mask as u32, to_words([a, b]));
                return;
            }
            let [low, high] = halves(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
            _mm512_mask_storeu_epi16(to, mask as u32, low);
            _mm512_mask_storeu_epi16(to.wrapping_add(WORDS), (mask >> WORDS) as u32, high);
        }
    }
}

/// One product: what is multiplied, and how sums are requantized.
struct Product<'a> {
    args: &'a MatMulArgs,
    scale: Scale,
    a: Tensor<'a>,
    b: &'a [i8],
}

impl Product<'_> {
    /// All rows.
    ///
    /// # Safety
    ///
    /// As [`matmul`].
    #[inline(always)]
    unsafe fn all<T: Element>(&self, out: &mut [T]) -> Result<(), Fault> {
        let &MatMulArgs { n, k, b_row, transpose_b, .. } = self.args;
        let mut block: [[Tile; 4]; 1] = [[[[0; LANES * GROUP]; GROUPS]; 4]];
        // SAFETY: as the caller vouches.
        unsafe {
            if n <= 2 * LANES {
                let [[first, second, ..]] = &mut block;
                match transpose_b {
                    true => pack_keys_in_order([first, second], self.b, b_row, (n, k))?,
                    false => pack_in_order([first, second], self.b, b_row, (k, n))?,
                }
                return self.tiles::<T, 2, ROWS>([first, second], out);
            }
            match transpose_b {
                true => pack_keys(&mut block, self.b, b_row, (n, k))?,
                false => pack_values(&mut block, self.b, b_row, (k, n))?,
            }
            self.tiles::<T, 4, 6>(block[0].each_ref(), out)
        }
    }

    /// All rows by the columns of `panels`, `R` at a time; the last two and the last one by themselves.
    ///
    /// # Safety
    ///
    /// As [`matmul`]; two panels have their columns in order, and four as [`narrow`] takes them.
    #[inline(always)]
    unsafe fn tiles<T: Element, const P: usize, const R: usize>(
        &self,
        panels: [&Tile; P],
        out: &mut [T],
    ) -> Result<(), Fault> {
        let (m, k) = (self.args.m, self.args.k);
        let mut staged = [[[0; WIDTH]; ROWS]; 2];
        // SAFETY: as the caller vouches.
        unsafe {
            let mut start = excess(panels.map(|panel| &panel[..k.div_ceil(GROUP)]));
            for start in &mut start {
                *start = _mm512_sub_epi32(_mm512_setzero_si512(), *start);
            }
            let mut row = 0;
            while row < m {
                if m - row <= 2 {
                    self.tile::<T, P, 2>(row, (panels, start), &mut staged, out)?;
                    row += 2;
                } else {
                    self.tile::<T, P, R>(row, (panels, start), &mut staged, out)?;
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
    /// As [`tiles`](Self::tiles).
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
    unsafe fn tile<T: Element, const P: usize, const R: usize>(
        &self,
        row: usize,
        (panels, start): ([&Tile; P], [__m512i; P]),
        [high, low]: &mut [Bytes; 2],
        out: &mut [T],
    ) -> Result<(), Fault> {
        let &MatMulArgs { m, n, k, a_row, out_row, .. } = self.args;
        let (rows, groups) = ((m - row).min(R), k.div_ceil(GROUP));
        // SAFETY: rows and panels have 16 groups; and as the caller vouches.
        unsafe {
            let panels = panels.map(|panel| panel.as_ptr());
            let mut sums = [start; R];
            match self.a {
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
            let Scale { up, requant } = self.scale;
            if up > 0 {
                let up = _mm_cvtsi32_si128(up as i32);
                for sums in &mut sums {
                    for sum in sums {
                        *sum = _mm512_sll_epi32(*sum, up);
                    }
                }
            }
            let by = HighHalf::uniform(requant.mantissa, requant.shift);
            for (r, sums) in sums.iter().enumerate().take(rows) {
                let mut values = [_mm512_setzero_si512(); 4];
                for (value, &sum) in values.iter_mut().zip(sums) {
                    *value = by.apply(sum);
                }
                T::put::<P>(window_mut(out, (row + r) * out_row, n)?, values);
            }
        }
        Ok(())
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
