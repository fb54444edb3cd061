//! Shiftmax of int8 scores by look-ups in tables of bytes.

use quant::Fault;
use quant::ops::TensorMut;
use quant::slice::rows;

use super::isa::{Exponentials, Lookup, SCORES};
use crate::portable::shiftmax::{to_i8, to_i16};

/// Scores whose probabilities are looked up together, and those of a short row.
const BLOCK: usize = 256;

/// A row of scores: the largest, and the factor of its exponentials.
///
/// # Safety
///
/// As [`Lookup`] says.
#[inline(always)]
unsafe fn statistics<I: Lookup>(exp: &Exponentials<'_>, scores: &[i8]) -> (i8, u32) {
    // SAFETY: as the caller vouches.
    let (max, sum) = unsafe {
        let max = I::max(scores);
        (max, I::sum(exp, max, scores))
    };
    (max, (i32::MAX as u32).checked_div(sum).unwrap_or(0))
}

/// The bytes of the probability `exp[max − score] · factor / 2¹⁶` of each score, the product modulo 2³²:
/// the high ones and the low ones.
///
/// # Safety
///
/// As [`Lookup`] says.
#[inline(always)]
pub(super) unsafe fn probabilities<I: Lookup>(
    exp: &Exponentials<'_>,
    scores: &[i8],
    high: &mut [u8],
    low: &mut [u8],
) {
    // SAFETY: as the caller vouches.
    unsafe {
        let (max, factor) = statistics::<I>(exp, scores);
        let table = exp.values.map(|exp| (exp.wrapping_mul(factor) >> 16) as u16);
        I::distances(&table, max, scores, high, low);
    }
}

/// Rows of `width` scores; `out` is int8 or int16.
///
/// # Safety
///
/// As [`Lookup`] says.
#[inline(always)]
pub(super) unsafe fn shiftmax<I: Lookup>(
    width: usize,
    exp: &[u32; 256],
    x: &[i8],
    out: &mut TensorMut<'_>,
) -> Result<(), Fault> {
    let exp = Exponentials::new(exp);
    // SAFETY: as the caller vouches.
    if let TensorMut::I16(out) = out
        && unsafe { I::short_rows(&exp, width, x, out) }
    {
        return Ok(());
    }
    let mut values = [[0; SCORES]; BLOCK / SCORES];
    for (row, x) in rows(x, width).take(out.len().checked_div(width).unwrap_or(0)).enumerate() {
        let mut out = out.window(row * width, width)?;
        // SAFETY: as the caller vouches.
        unsafe {
            if width <= BLOCK {
                short::<I>(&exp, x, &mut values, &mut out)?;
            } else {
                long::<I>(&exp, x, &mut out)?;
            }
        }
    }
    Ok(())
}

/// A row of at most [`BLOCK`] scores: their exponentials are looked up once, in `values`.
///
/// # Safety
///
/// As [`Lookup`] says.
#[inline(always)]
unsafe fn short<I: Lookup>(
    exp: &Exponentials<'_>,
    x: &[i8],
    values: &mut [[u32; SCORES]; BLOCK / SCORES],
    out: &mut TensorMut<'_>,
) -> Result<(), Fault> {
    // SAFETY: as the caller vouches.
    let max = unsafe { I::max(x) };
    let mut sums = [0u32; SCORES];
    for (x, values) in x.chunks(SCORES).zip(&mut *values) {
        // SAFETY: as the caller vouches.
        unsafe { I::exponentials(exp, max, x, values) };
        for (sum, &value) in sums.iter_mut().zip(&*values) {
            *sum = sum.wrapping_add(value);
        }
    }
    let mut sum = 0u32;
    for part in sums {
        sum = sum.wrapping_add(part);
    }
    let factor = (i32::MAX as u32).checked_div(sum).unwrap_or(0);
    match out {
        TensorMut::I8(out) => {
            for (out, values) in out.chunks_mut(SCORES).zip(&*values) {
                let mut probabilities = [0; SCORES];
                for (to, &value) in probabilities.iter_mut().zip(values) {
                    *to = to_i8(value.wrapping_mul(factor));
                }
                put_first(&probabilities, out);
            }
        }
        TensorMut::I16(out) => {
            for (out, values) in out.chunks_mut(SCORES).zip(&*values) {
                let mut probabilities = [0; SCORES];
                for (to, &value) in probabilities.iter_mut().zip(values) {
                    *to = to_i16(value.wrapping_mul(factor));
                }
                put_first(&probabilities, out);
            }
        }
        TensorMut::I32(_) => return Err(Fault::Instruction),
    }
    Ok(())
}

/// A longer row: the probabilities of all distances are laid out as a table.
///
/// # Safety
///
/// As [`Lookup`] says.
#[inline(always)]
unsafe fn long<I: Lookup>(exp: &Exponentials<'_>, x: &[i8], out: &mut TensorMut<'_>) -> Result<(), Fault> {
    // SAFETY: as the caller vouches.
    let (max, factor) = unsafe { statistics::<I>(exp, x) };
    let products = exp.values.map(|exp| exp.wrapping_mul(factor));
    let (mut high, mut low) = ([0; BLOCK], [0; BLOCK]);
    match out {
        TensorMut::I8(out) => {
            let table = products.map(|product| to_i8(product) as u16);
            for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
                // SAFETY: as the caller vouches.
                unsafe { I::distances(&table, max, x, &mut high, &mut low) };
                out.iter_mut().zip(&low).for_each(|(out, &p)| *out = p as i8);
            }
        }
        TensorMut::I16(out) => {
            let table = products.map(|product| to_i16(product) as u16);
            for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
                // SAFETY: as the caller vouches.
                unsafe { I::distances(&table, max, x, &mut high, &mut low) };
                for (out, (&high, &low)) in out.iter_mut().zip(high.iter().zip(&low)) {
                    *out = i16::from_le_bytes([low, high]);
                }
            }
        }
        TensorMut::I32(_) => return Err(Fault::Instruction),
    }
    Ok(())
}

/// The first of `values`, as many as `out` takes, in parts whose lengths are powers of 2.
#[inline(always)]
fn put_first<T: Copy>(values: &[T; SCORES], out: &mut [T]) {
    let (values, out) = put_part::<64, T>(values, out);
    let (values, out) = put_part::<32, T>(values, out);
    let (values, out) = put_part::<16, T>(values, out);
    let (values, out) = put_part::<8, T>(values, out);
    let (values, out) = put_part::<4, T>(values, out);
    for (to, &from) in out.iter_mut().zip(values) {
        *to = from;
    }
}

/// The first `N` of `values`, where `out` takes so many: gives what is left of both.
#[inline(always)]
fn put_part<'v, 'o, const N: usize, T: Copy>(values: &'v [T], out: &'o mut [T]) -> (&'v [T], &'o mut [T]) {
    if out.len() < N {
        return (values, out);
    }
    let (part, rest) = out.split_at_mut(N);
    let (from, behind) = values.split_at(N);
    part.copy_from_slice(from);
    (behind, rest)
}
