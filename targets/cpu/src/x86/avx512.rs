//! AVX-512 with VNNI and VBMI: a panel's sums are one register.

use core::arch::x86_64::{
    __m512i, __mmask64, _mm512_add_epi64, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_mask_blend_epi8,
    _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi8, _mm512_maskz_mov_epi8, _mm512_movepi8_mask,
    _mm512_permutex2var_epi8, _mm512_reduce_add_epi64, _mm512_sad_epu8, _mm512_set1_epi8, _mm512_set1_epi32,
    _mm512_setzero_si512, _mm512_storeu_si512, _mm512_sub_epi8, _mm512_xor_si512,
};

use super::isa::{Exponentials, GROUP, Isa, LANES, Lookup, Weights};

/// 512 bits.
#[derive(Clone, Copy)]
pub(super) struct Avx512;

// SAFETY: every instruction is one of AVX-512 F or VNNI.
unsafe impl Isa for Avx512 {
    const FLIP: u8 = 0x80;
    type Sums = __m512i;

    #[inline(always)]
    unsafe fn sums(values: &[i32; LANES]) -> __m512i {
        // SAFETY: 64 bytes are read, from an array of as many.
        unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
    }

    #[inline(always)]
    unsafe fn values(sums: __m512i) -> [i32; LANES] {
        let mut values = [0; LANES];
        // SAFETY: 64 bytes are written, to an array of as many.
        unsafe { _mm512_storeu_si512(values.as_mut_ptr().cast(), sums) };
        values
    }

    #[inline(always)]
    unsafe fn dot(sums: __m512i, x: [u8; GROUP], w: &Weights) -> __m512i {
        // SAFETY: 64 bytes are read, from an array of as many.
        unsafe {
            let w = _mm512_loadu_si512(w.as_ptr().cast());
            _mm512_dpbusd_epi32(sums, _mm512_set1_epi32(i32::from_le_bytes(x)), w)
        }
    }
}

/// 256 bytes in four registers.
#[derive(Clone, Copy)]
struct Bytes([__m512i; 4]);

impl Bytes {
    /// # Safety
    ///
    /// Where AVX-512 F is.
    #[inline(always)]
    unsafe fn new(bytes: &[u8; 256]) -> Self {
        let start = bytes.as_ptr().cast::<__m512i>();
        // SAFETY: four times 64 bytes are read, from an array of as many.
        Self(core::array::from_fn(|part| unsafe { _mm512_loadu_si512(start.add(part)) }))
    }

    /// That of each byte of `index`.
    ///
    /// # Safety
    ///
    /// Where AVX-512 BW and VBMI are.
    #[inline(always)]
    unsafe fn get(self, index: __m512i) -> __m512i {
        let [a, b, c, d] = self.0;
        // SAFETY: as the caller vouches.
        unsafe {
            let low = _mm512_permutex2var_epi8(a, index, b);
            let high = _mm512_permutex2var_epi8(c, index, d);
            _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high)
        }
    }
}

/// Bytes of a register.
const WIDTH: usize = 64;

/// The first `len` bytes of a register, all of them from 64 on.
#[inline(always)]
fn first(len: usize) -> __mmask64 {
    if len < WIDTH { (1 << len) - 1 } else { __mmask64::MAX }
}

// SAFETY: every instruction is one of AVX-512 F, BW or VBMI, and every access is masked to the
// length of its slice.
unsafe impl Lookup for Avx512 {
    #[inline(always)]
    unsafe fn table(table: &[i8; 256], x: &mut [i8]) {
        // SAFETY: a chunk has as many bytes as its mask has ones; an array of i8 has the bytes of one
        // of u8.
        unsafe {
            let bytes = Bytes::new(&*table.as_ptr().cast());
            for chunk in x.chunks_mut(WIDTH) {
                let mask = first(chunk.len());
                let values = _mm512_maskz_loadu_epi8(mask, chunk.as_ptr());
                let found = bytes.get(_mm512_xor_si512(values, _mm512_set1_epi8(i8::MIN)));
                _mm512_mask_storeu_epi8(chunk.as_mut_ptr(), mask, found);
            }
        }
    }

    #[inline(always)]
    unsafe fn sum(exp: &Exponentials<'_>, max: i8, scores: &[i8]) -> u32 {
        let mut sum = 0;
        for (plane, bytes) in exp.planes.iter().enumerate() {
            // SAFETY: a chunk has as many bytes as its mask has ones.
            unsafe {
                let (bytes, zero) = (Bytes::new(bytes), _mm512_setzero_si512());
                let mut sums = zero;
                for chunk in scores.chunks(WIDTH) {
                    let mask = first(chunk.len());
                    let scores = _mm512_maskz_loadu_epi8(mask, chunk.as_ptr());
                    let found = bytes.get(_mm512_sub_epi8(_mm512_set1_epi8(max), scores));
                    sums = _mm512_add_epi64(sums, _mm512_sad_epu8(_mm512_maskz_mov_epi8(mask, found), zero));
                }
                sum += (_mm512_reduce_add_epi64(sums) as u64) << (8 * plane);
            }
        }
        sum as u32
    }

    #[inline(always)]
    unsafe fn distances(table: &[u16; 256], max: i8, scores: &[i8], high: &mut [u8], low: &mut [u8]) {
        // SAFETY: all three chunks have at least as many bytes as the mask has ones.
        unsafe {
            let of_high = Bytes::new(&table.map(|value| (value >> 8) as u8));
            let of_low = Bytes::new(&table.map(|value| value as u8));
            let chunks = high.chunks_mut(WIDTH).zip(low.chunks_mut(WIDTH));
            for (scores, (high, low)) in scores.chunks(WIDTH).zip(chunks) {
                let mask = first(scores.len().min(high.len()).min(low.len()));
                let scores = _mm512_maskz_loadu_epi8(mask, scores.as_ptr());
                let index = _mm512_sub_epi8(_mm512_set1_epi8(max), scores);
                _mm512_mask_storeu_epi8(high.as_mut_ptr().cast(), mask, of_high.get(index));
                _mm512_mask_storeu_epi8(low.as_mut_ptr().cast(), mask, of_low.get(index));
            }
        }
    }
}
