//! Products that stay in registers.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi8, _mm512_set1_epi32,
    _mm512_setzero_si512,
};

use crate::vector::isa::Weights;

/// `sums[r][p] + Σ x[r] · w[p]` over `groups` groups, with unsigned activations.
///
/// # Safety
///
/// Each row of `x` and each panel of `w` has the groups; where AVX-512 F and VNNI are.
#[inline(always)]
pub(super) unsafe fn products<const R: usize, const P: usize>(
    mut sums: [[__m512i; P]; R],
    x: [*const u8; R],
    w: [*const Weights; P],
    groups: usize,
) -> [[__m512i; P]; R] {
    for group in 0..groups {
        // SAFETY: as the caller vouches.
        unsafe {
            let mut weights = [_mm512_setzero_si512(); P];
            for (weights, w) in weights.iter_mut().zip(w) {
                *weights = _mm512_loadu_si512(w.add(group).cast());
            }
            for (sums, x) in sums.iter_mut().zip(x) {
                let x = _mm512_set1_epi32(x.cast::<i32>().add(group).read_unaligned());
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = _mm512_dpbusd_epi32(*sum, x, weights);
                }
            }
        }
    }
    sums
}

/// What the turned sign of activations adds to the sums of panels.
///
/// # Safety
///
/// Where AVX-512 F and VNNI are.
#[inline(always)]
pub(super) unsafe fn excess<const P: usize>(w: [&[Weights]; P]) -> [__m512i; P] {
    let groups = w.iter().map(|panel| panel.len()).min().unwrap_or(0);
    // SAFETY: every panel has the groups.
    unsafe {
        let flip = _mm512_set1_epi8(i8::MIN);
        let mut sums = [[_mm512_setzero_si512(); P]; 2];
        for pair in 0..groups / 2 {
            for (inside, sums) in sums.iter_mut().enumerate() {
                for (sum, w) in sums.iter_mut().zip(w) {
                    let weights = _mm512_loadu_si512(w.as_ptr().add(2 * pair + inside).cast());
                    *sum = _mm512_dpbusd_epi32(*sum, flip, weights);
                }
            }
        }
        let [mut all, odd] = sums;
        for (sum, odd) in all.iter_mut().zip(odd) {
            *sum = _mm512_add_epi32(*sum, odd);
        }
        if groups % 2 == 1 {
            for (sum, w) in all.iter_mut().zip(w) {
                let weights = _mm512_loadu_si512(w.as_ptr().add(groups - 1).cast());
                *sum = _mm512_dpbusd_epi32(*sum, flip, weights);
            }
        }
        all
    }
}
