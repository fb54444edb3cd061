//! Where a linear layer puts its results: those of 64 channels of a row from registers to memory.

use core::arch::x86_64::{
    __m512i, _mm512_mask_storeu_epi8, _mm512_mask_storeu_epi16, _mm512_mask_storeu_epi32,
    _mm512_maskz_loadu_epi16, _mm512_set1_epi8, _mm512_xor_si512,
};
use core::ptr;

use quant::ops::LinearOut;

use super::first;
use super::lookup::Bytes;
use super::requantize::{to_bytes, to_words};
use super::words::Sum;
use crate::vector::isa::LANES;

/// Requantized values of 64 channels of a row, in order.
pub(in crate::vector::x86) type Row = [__m512i; 4];

/// Results of one type.
///
/// # Safety
///
/// [`put`](Self::put) writes to the elements alone that it is given. All functions may run only where
/// AVX-512 F, BW and VBMI are, in functions that are compiled for them.
pub(in crate::vector::x86) unsafe trait Output: Copy {
    /// For no results.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn nowhere() -> Self;

    /// For results in `out`, where they are of this type.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn new(out: &mut LinearOut<'_>) -> Option<Self>;

    /// Puts the first `count` of `row`, at most 64, to elements from `at` on.
    ///
    /// # Safety
    ///
    /// What [`new`](Self::new) was given has them, and is still borrowed; and as the trait says.
    unsafe fn put(&self, at: usize, count: usize, row: Row);
}

/// int8 without a table.
#[derive(Clone, Copy)]
pub(in crate::vector::x86) struct Int8(*mut i8);

// SAFETY: every instruction is one of AVX-512 F or BW.
unsafe impl Output for Int8 {
    #[inline(always)]
    unsafe fn nowhere() -> Self {
        Self(ptr::null_mut())
    }

    #[inline(always)]
    unsafe fn new(out: &mut LinearOut<'_>) -> Option<Self> {
        match out {
            LinearOut::I8 { out, table: None } => Some(Self(out.as_mut_ptr())),
            _ => None,
        }
    }

    #[inline(always)]
    unsafe fn put(&self, at: usize, count: usize, row: Row) {
        // SAFETY: the mask has `count` ones.
        unsafe { _mm512_mask_storeu_epi8(self.0.add(at), first(count), to_bytes(row)) };
    }
}

/// int8 through a table.
#[derive(Clone, Copy)]
pub(in crate::vector::x86) struct Looked {
    out: *mut i8,
    table: Bytes,
}

// SAFETY: every instruction is one of AVX-512 F, BW or VBMI.
unsafe impl Output for Looked {
    #[inline(always)]
    unsafe fn nowhere() -> Self {
        // SAFETY: as the caller vouches.
        Self { out: ptr::null_mut(), table: unsafe { Bytes::new(&[0; 256]) } }
    }

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
        // SAFETY: the mask has `count` ones.
        unsafe {
            let index = _mm512_xor_si512(to_bytes(row), _mm512_set1_epi8(i8::MIN));
            let found = self.table.get(index);
            _mm512_mask_storeu_epi8(self.out.add(at), first(count), found);
        }
    }
}

/// int16.
#[derive(Clone, Copy)]
pub(in crate::vector::x86) struct Int16(*mut i16);

// SAFETY: every instruction is one of AVX-512 F or BW.
unsafe impl Output for Int16 {
    #[inline(always)]
    unsafe fn nowhere() -> Self {
        Self(ptr::null_mut())
    }

    #[inline(always)]
    unsafe fn new(out: &mut LinearOut<'_>) -> Option<Self> {
        match out {
            LinearOut::I16 { out, residual: None } => Some(Self(out.as_mut_ptr())),
            _ => None,
        }
    }

    #[inline(always)]
    unsafe fn put(&self, at: usize, count: usize, [a, b, c, d]: Row) {
        let mask = first(count);
        // SAFETY: both masks together have `count` ones.
        unsafe {
            let to = self.0.add(at);
            _mm512_mask_storeu_epi16(to, mask as u32, to_words([a, b]));
            let (to, mask) = (to.wrapping_add(2 * LANES), (mask >> (2 * LANES)) as u32);
            _mm512_mask_storeu_epi16(to, mask, to_words([c, d]));
        }
    }
}

/// int32.
#[derive(Clone, Copy)]
pub(in crate::vector::x86) struct Int32(*mut i32);

// SAFETY: every instruction is one of AVX-512 F.
unsafe impl Output for Int32 {
    #[inline(always)]
    unsafe fn nowhere() -> Self {
        Self(ptr::null_mut())
    }

    #[inline(always)]
    unsafe fn new(out: &mut LinearOut<'_>) -> Option<Self> {
        match out {
            LinearOut::I32 { out } => Some(Self(out.as_mut_ptr())),
            _ => None,
        }
    }

    #[inline(always)]
    unsafe fn put(&self, at: usize, count: usize, row: Row) {
        let mask = first(count);
        for (panel, values) in row.into_iter().enumerate() {
            let part = (mask >> (panel * LANES)) as u16;
            // SAFETY: all masks together have `count` ones.
            unsafe {
                let to = self.0.add(at).wrapping_add(panel * LANES);
                _mm512_mask_storeu_epi32(to, part, values);
            }
        }
    }
}

/// int16 that is added to what is there.
#[derive(Clone, Copy)]
pub(in crate::vector::x86) struct Added {
    out: *mut i16,
    sum: Sum,
}

// SAFETY: every instruction is one of AVX-512 F or BW.
unsafe impl Output for Added {
    #[inline(always)]
    unsafe fn nowhere() -> Self {
        // SAFETY: as the caller vouches.
        Self { out: ptr::null_mut(), sum: unsafe { Sum::zero() } }
    }

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
        let mask = first(count);
        // SAFETY: both masks together have `count` ones.
        unsafe {
            let y = self.out.add(at);
            for (y, t, mask) in
                [(y, [a, b], mask as u32), (y.wrapping_add(2 * LANES), [c, d], (mask >> (2 * LANES)) as u32)]
            {
                let sum = self.sum.of(_mm512_maskz_loadu_epi16(mask, y), to_words(t));
                _mm512_mask_storeu_epi16(y, mask, sum);
            }
        }
    }
}
