//! Where results go: those of 32 channels of a row from registers to memory.

use core::arch::x86_64::{
    __m256i, _mm256_loadu_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_storeu_si256,
    _mm256_xor_si256,
};
use core::ptr;

use quant::ops::LinearOut;

use super::lookup::Bytes;
use super::requantize::{CHANNELS, to_bytes, to_words};
use super::tile::Row;
use super::words::Sum;

/// Results of one type.
///
/// # Safety
///
/// [`put`](Self::put) writes to the elements alone that it is given. All functions may run only where AVX2
/// is, in functions that are compiled for it.
pub(super) unsafe trait Output: Sized {
    /// For results in `out`, where they are of this type.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn new(out: &mut LinearOut<'_>) -> Option<Self>;

    /// Puts the first `count` of `row`, at most 32, to elements from `at` on.
    ///
    /// # Safety
    ///
    /// What [`new`](Self::new) was given has them, and is still borrowed; and as the trait says.
    unsafe fn put(&self, at: usize, count: usize, row: Row);
}

/// Puts the first `count` values of registers that hold 32 of them.
///
/// # Safety
///
/// `to` takes so many; where AVX2 is.
#[inline(always)]
unsafe fn store<T, const N: usize>(to: *mut T, count: usize, registers: [__m256i; N]) {
    const { assert!(size_of::<[__m256i; N]>() == size_of::<[T; CHANNELS]>()) };
    // SAFETY: as the caller vouches.
    unsafe {
        if count == CHANNELS {
            for (part, register) in registers.into_iter().enumerate() {
                _mm256_storeu_si256(to.cast::<__m256i>().add(part), register);
            }
        } else {
            ptr::copy_nonoverlapping(registers.as_ptr().cast::<T>(), to, count.min(CHANNELS));
        }
    }
}

/// int8 without a table.
pub(super) struct Int8(*mut i8);

// SAFETY: every instruction is one of AVX2.
unsafe impl Output for Int8 {
    #[inline(always)]
    unsafe fn new(out: &mut LinearOut<'_>) -> Option<Self> {
        match out {
            LinearOut::I8 { out, table: None } => Some(Self(out.as_mut_ptr())),
            _ => None,
        }
    }

    #[inline(always)]
    unsafe fn put(&self, at: usize, count: usize, row: Row) {
        // SAFETY: as the caller vouches.
        unsafe { store(self.0.add(at), count, [to_bytes(row)]) };
    }
}

/// int8 through a table.
pub(super) struct Looked {
    out: *mut i8,
    table: Bytes,
}

// SAFETY: every instruction is one of AVX2.
unsafe impl Output for Looked {
    #[inline(always)]
    unsafe fn new(out: &mut LinearOut<'_>) -> Option<Self> {
        match out {
            LinearOut::I8 { out, table: Some(table) } => {
                // SAFETY: as the caller vouches.
                Some(Self { out: out.as_mut_ptr(), table: unsafe { Bytes::new(bytemuck::cast_ref(*table)) } })
            }
            _ => None,
        }
    }

    #[inline(always)]
    unsafe fn put(&self, at: usize, count: usize, row: Row) {
        // SAFETY: as the caller vouches.
        unsafe {
            let index = _mm256_xor_si256(to_bytes(row), _mm256_set1_epi8(i8::MIN));
            store(self.out.add(at), count, [self.table.get(index)]);
        }
    }
}

/// int16.
pub(super) struct Int16(*mut i16);

// SAFETY: every instruction is one of AVX2.
unsafe impl Output for Int16 {
    #[inline(always)]
    unsafe fn new(out: &mut LinearOut<'_>) -> Option<Self> {
        match out {
            LinearOut::I16 { out, residual: None } => Some(Self(out.as_mut_ptr())),
            _ => None,
        }
    }

    #[inline(always)]
    unsafe fn put(&self, at: usize, count: usize, [a, b, c, d]: Row) {
        // SAFETY: as the caller vouches.
        unsafe { store(self.0.add(at), count, [to_words([a, b]), to_words([c, d])]) };
    }
}

/// int32.
pub(super) struct Int32(*mut i32);

// SAFETY: every instruction is one of AVX2.
unsafe impl Output for Int32 {
    #[inline(always)]
    unsafe fn new(out: &mut LinearOut<'_>) -> Option<Self> {
        match out {
            LinearOut::I32 { out } => Some(Self(out.as_mut_ptr())),
            _ => None,
        }
    }

    #[inline(always)]
    unsafe fn put(&self, at: usize, count: usize, row: Row) {
        // SAFETY: as the caller vouches.
        unsafe { store(self.0.add(at), count, row) };
    }
}

/// int16 that is added to what is there.
pub(super) struct Added {
    out: *mut i16,
    sum: Sum,
}

// SAFETY: every instruction is one of AVX2.
unsafe impl Output for Added {
    #[inline(always)]
    unsafe fn new(out: &mut LinearOut<'_>) -> Option<Self> {
        match out {
            LinearOut::I16 { out, residual: Some(residual) } => {
                // SAFETY: as the caller vouches.
                Some(Self { out: out.as_mut_ptr(), sum: unsafe { Sum::new(residual)? } })
            }
            _ => None,
        }
    }

    #[inline(always)]
    unsafe fn put(&self, at: usize, count: usize, [a, b, c, d]: Row) {
        // SAFETY: as the caller vouches.
        unsafe {
            let y = self.out.add(at);
            let mut there = [_mm256_setzero_si256(); 2];
            if count == CHANNELS {
                there = [_mm256_loadu_si256(y.cast()), _mm256_loadu_si256(y.add(CHANNELS / 2).cast())];
            } else {
                ptr::copy_nonoverlapping(y, there.as_mut_ptr().cast::<i16>(), count.min(CHANNELS));
            }
            let low = self.sum.of(there[0], to_words([a, b]));
            let high = self.sum.of(there[1], to_words([c, d]));
            store(y, count, [low, high]);
        }
    }
}
