//! Shiftmax of int8 scores by table, three short loops a row.

use quant::ops::{ExponentialRef, ShiftmaxArgs, Tensor, TensorMut};
use quant::slice::{chunks, chunks_mut, rows, rows_mut};
use quant::{Fault, Kernels};

use crate::rows::RowOps;

/// int8 scores to int16 or int8 probabilities; the rest as the reference.
pub(crate) fn shiftmax<C: RowOps>(
    args: &ShiftmaxArgs<'_>,
    x: Tensor<'_>,
    out: &mut TensorMut<'_>,
) -> Result<(), Fault> {
    match (args.exp, x, out) {
        (ExponentialRef::Table(exp), Tensor::I8(x), TensorMut::I16(out)) => {
            for (x, out) in rows(x, args.width).zip(rows_mut(out, args.width)) {
                C::probabilities(x, exp, out);
            }
            Ok(())
        }
        (ExponentialRef::Table(exp), Tensor::I8(x), TensorMut::I8(out)) => {
            for (x, out) in rows(x, args.width).zip(rows_mut(out, args.width)) {
                let (max, factor) = factor(x, exp);
                for (p, &score) in out.iter_mut().zip(x) {
                    // At most 2³¹ − 1 before rounding, 2⁷ after: saturated to 127.
                    let product = at(exp, distance(max, score)).wrapping_mul(factor);
                    *p = (product.wrapping_add(1 << 23) >> 24).min(127) as i8;
                }
            }
            Ok(())
        }
        (_, x, out) => quant::Reference.shiftmax(args, x, out),
    }
}

/// [`RowOps::probabilities`] in plain Rust.
#[inline(always)]
pub(crate) fn probabilities(scores: &[i8], exp: &[u32; 256], out: &mut [i16]) {
    let (max, factor) = factor(scores, exp);
    let p = |distance| (at(exp, distance).wrapping_mul(factor) >> 16) as i16;
    let (scores, scores_tail) = chunks::<4, _>(scores);
    let (out, out_tail) = chunks_mut::<4, _>(out);
    for (out, &scores) in out.iter_mut().zip(scores) {
        *out = distances(max, scores).map(p);
    }
    for (out, &score) in out_tail.iter_mut().zip(scores_tail) {
        *out = p(distance(max, score));
    }
}

/// The largest score, and `floor((2³¹ − 1) / Σe)`.
#[inline(always)]
fn factor(scores: &[i8], exp: &[u32; 256]) -> (u8, u32) {
    let max = crate::dsp::max(scores) as u8;
    let (quads, tail) = chunks::<4, _>(scores);
    let quads = quads.iter().fold(0u32, |sum, &quad| {
        let [a, b, c, d] = distances(max, quad).map(|distance| at(exp, distance));
        sum.wrapping_add(a).wrapping_add(b).wrapping_add(c).wrapping_add(d)
    });
    let sum = tail.iter().fold(quads, |sum, &x| sum.wrapping_add(at(exp, distance(max, x))));
    (max, (i32::MAX as u32).checked_div(sum).unwrap_or(0))
}

/// `max − score`, which is in `0..=255`: modulo 256 it is itself.
#[inline(always)]
fn distance(max: u8, score: i8) -> u8 {
    max.wrapping_sub(score as u8)
}

/// Four of them.
#[inline(always)]
fn distances(max: u8, scores: [i8; 4]) -> [u8; 4] {
    crate::dsp::sub4([max; 4], scores.map(|score| score as u8))
}

#[inline(always)]
fn at(exp: &[u32; 256], distance: u8) -> u32 {
    exp[usize::from(distance)]
}
