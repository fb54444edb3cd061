//! Shiftmax of int8 scores by table, three short loops a row.

use quant::ops::{ExponentialRef, ShiftmaxArgs, Tensor, TensorMut};
use quant::slice::{rows, rows_mut};
use quant::{Fault, Kernels};

/// int8 scores to int16 or int8 probabilities; the rest as the reference.
pub(crate) fn shiftmax(args: &ShiftmaxArgs<'_>, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
    match (args.exp, x, out) {
        (ExponentialRef::Table(exp), Tensor::I8(x), TensorMut::I16(out)) => {
            for (x, out) in rows(x, args.width).zip(rows_mut(out, args.width)) {
                probabilities(x, exp, out);
            }
            Ok(())
        }
        (ExponentialRef::Table(exp), Tensor::I8(x), TensorMut::I8(out)) => {
            for (x, out) in rows(x, args.width).zip(rows_mut(out, args.width)) {
                let (max, factor) = factor(x, exp);
                for (p, &score) in out.iter_mut().zip(x) {
                    // At most 2³¹ − 1 before rounding, 2⁷ after: saturated to 127.
                    let product = at(exp, max, score).wrapping_mul(factor);
                    *p = (product.wrapping_add(1 << 23) >> 24).min(127) as i8;
                }
            }
            Ok(())
        }
        (_, x, out) => quant::Reference.shiftmax(args, x, out),
    }
}

/// One row of 16-bit probabilities.
#[inline(always)]
pub(crate) fn probabilities(scores: &[i8], exp: &[u32; 256], out: &mut [i16]) {
    let (max, factor) = factor(scores, exp);
    let p = |score| (at(exp, max, score).wrapping_mul(factor) >> 16) as i16;
    let (scores, scores_tail) = scores.as_chunks::<4>();
    let (out, out_tail) = out.as_chunks_mut::<4>();
    for (out, &scores) in out.iter_mut().zip(scores) {
        *out = scores.map(p);
    }
    for (out, &score) in out_tail.iter_mut().zip(scores_tail) {
        *out = p(score);
    }
}

/// The largest score, and `floor((2³¹ − 1) / Σe)`.
#[inline(always)]
fn factor(scores: &[i8], exp: &[u32; 256]) -> (u8, u32) {
    let max = crate::dsp::max(scores) as u8;
    let (quads, tail) = scores.as_chunks::<4>();
    let quads = quads.iter().fold(0u32, |sum, &[a, b, c, d]| {
        let sum = sum.wrapping_add(at(exp, max, a)).wrapping_add(at(exp, max, b));
        sum.wrapping_add(at(exp, max, c)).wrapping_add(at(exp, max, d))
    });
    let sum = tail.iter().fold(quads, |sum, &x| sum.wrapping_add(at(exp, max, x)));
    (max, (i32::MAX as u32).checked_div(sum).unwrap_or(0))
}

/// The exponential at distance `max − score`, which is in `0..=255`: modulo 256 it is itself.
#[inline(always)]
fn at(exp: &[u32; 256], max: u8, score: i8) -> u32 {
    exp[usize::from(max.wrapping_sub(score as u8))]
}
