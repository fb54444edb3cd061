//! Loops that only multiply registers.

use core::arch::asm;
use core::arch::x86_64::{
    __m256i, __m512i, _mm256_add_epi32, _mm256_dpbusd_avx_epi32, _mm256_madd_epi16, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_setzero_si256, _mm512_dpbusd_epi32, _mm512_set1_epi8, _mm512_setzero_si512,
};

use super::{Amx, Avx2, Avx512Vnni, AvxVnni};
use crate::peak::Peak;
use crate::vector::compiled::Compiled;

/// A row for each kernel set.
pub(crate) const PEAKS: [Peak; 4] = [
    Peak { name: Amx::NAME, is_available: Amx::is_available, run: super::amx::peak },
    Peak { name: Avx512Vnni::NAME, is_available: Avx512Vnni::is_available, run: avx512vnni },
    Peak { name: AvxVnni::NAME, is_available: AvxVnni::is_available, run: avxvnni },
    Peak { name: Avx2::NAME, is_available: Avx2::is_available, run: avx2 },
];

/// Sums that do not depend on each other: more than the latency of a product times the units that
/// compute it, and no more than there are registers beside its factors.
const SUMS_512: usize = 24;
const SUMS_256: usize = 12;

/// `VPDPBUSD` on 512 bits; 0 where there is none.
fn avx512vnni(rounds: u32) -> u64 {
    #[target_feature(enable = "avx512f,avx512vnni")]
    fn peak(rounds: u32) {
        let (x, w) = (_mm512_set1_epi8(3), _mm512_set1_epi8(5));
        let mut sums = [_mm512_setzero_si512(); SUMS_512];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, x, w);
            }
        }
        for sum in sums {
            // SAFETY: there are no instructions in it: it makes the compiler keep the sum.
            unsafe { asm!("/* {0} */", in(zmm_reg) sum, options(nomem, nostack, preserves_flags)) };
        }
    }
    if !Avx512Vnni::is_available() {
        return 0;
    }
    // SAFETY: it is available.
    unsafe { peak(rounds) };
    (SUMS_512 * size_of::<__m512i>()) as u64
}

/// `VPDPBUSD` on 256 bits; 0 where there is none.
fn avxvnni(rounds: u32) -> u64 {
    #[target_feature(enable = "avx2,avxvnni")]
    fn peak(rounds: u32) {
        let (x, w) = (_mm256_set1_epi8(3), _mm256_set1_epi8(5));
        let mut sums = [_mm256_setzero_si256(); SUMS_256];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm256_dpbusd_avx_epi32(*sum, x, w);
            }
        }
        keep(sums);
    }
    if !AvxVnni::is_available() {
        return 0;
    }
    // SAFETY: it is available.
    unsafe { peak(rounds) };
    (SUMS_256 * size_of::<__m256i>()) as u64
}

/// Products of pairs of words, and their sums; 0 where there is none.
fn avx2(rounds: u32) -> u64 {
    #[target_feature(enable = "avx2")]
    fn peak(rounds: u32) {
        let (x, mut w) = (_mm256_set1_epi16(-3), _mm256_set1_epi16(5));
        let mut sums = [_mm256_setzero_si256(); SUMS_256];
        for _ in 0..rounds {
            for sum in &mut sums {
                // SAFETY: there are no instructions in it: the compiler takes the weights for others each
                // time, and so multiplies them again.
                unsafe { asm!("/* {0} */", inout(ymm_reg) w, options(nomem, nostack, preserves_flags)) };
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(x, w));
            }
        }
        keep(sums);
    }
    if !Avx2::is_available() {
        return 0;
    }
    // SAFETY: it is available.
    unsafe { peak(rounds) };
    (SUMS_256 * size_of::<__m256i>() / size_of::<i16>()) as u64
}

/// Makes the compiler compute `sums`.
#[target_feature(enable = "avx2")]
fn keep(sums: [__m256i; SUMS_256]) {
    for sum in sums {
        // SAFETY: there are no instructions in it.
        unsafe { asm!("/* {0} */", in(ymm_reg) sum, options(nomem, nostack, preserves_flags)) };
    }
}
