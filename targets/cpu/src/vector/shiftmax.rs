//! Shiftmax of int8 scores by look-ups in tables of bytes.

use quant::Fault;
use quant::ops::TensorMut;
use quant::slice::rows;

use super::isa::{Exponentials, Lookup};

/// Scores whose probabilities are looked up together.
const BLOCK: usize = 256;

/// A row of scores: the largest, and the factor of its exponentials.
///
/// # Safety
///
/// As [`Lookup`] says.
#[inline(always)]
pub(super) unsafe fn statistics<I: Lookup>(exp: &Exponentials<'_>, scores: &[i8]) -> (i8, u32) {
    // SAFETY: as the caller vouches.
    let (max, sum) = unsafe {
        let max = I::max(scores);
        (max, I::sum(exp, max, scores))
    };
    (max, (i32::MAX as u32).checked_div(sum).unwrap_or(0))
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
    for (row, x) in rows(x, width).take(out.len().checked_div(width).unwrap_or(0)).enumerate() {
        // SAFETY: as the caller vouches.
        let (max, factor) = unsafe { statistics::<I>(&exp, x) };
        let products = exp.values.map(|exp| exp.wrapping_mul(factor));
        let start = row * width;
        let (mut high, mut low) = ([0; BLOCK], [0; BLOCK]);
        match &mut out.window(start, width)? {
            TensorMut::I8(out) => {
                let table = products.map(|product| ((product + (1 << 23)) >> 24).min(i8::MAX as u32) as u16);
                for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
                    // SAFETY: as the caller vouches.
                    unsafe { I::distances(&table, max, x, &mut high, &mut low) };
                    out.iter_mut().zip(&low).for_each(|(out, &p)| *out = p as i8);
                }
            }
            TensorMut::I16(out) => {
                let table = products.map(|product| (product >> 16) as u16);
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
    }
    Ok(())
}
