//! Rotary with the types and the pairs resolved outside the loop.

use quant::arith::{saturate_i8, saturate_i16};
use quant::mem::Element;
use quant::ops::{Pairs, RotaryArgs, Tensor, TensorMut, turned};
use quant::slice::{chunks, chunks_mut, rows, rows_mut, window};
use quant::{Fault, Kernels};

#[inline(always)]
pub(crate) fn rotary(args: &RotaryArgs<'_>, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
    match (x, out) {
        (Tensor::I8(x), TensorMut::I8(out)) => typed(args, x, out, saturate_i8),
        (Tensor::I8(x), TensorMut::I16(out)) => typed(args, x, out, saturate_i16),
        (Tensor::I16(x), TensorMut::I8(out)) => typed(args, x, out, saturate_i8),
        (Tensor::I16(x), TensorMut::I16(out)) => typed(args, x, out, saturate_i16),
        (x, out) => quant::Reference.rotary(args, x, out),
    }
}

#[inline(always)]
fn typed<X: Element + Into<i32>, Y: Element>(
    args: &RotaryArgs<'_>,
    x: &[X],
    out: &mut [Y],
    saturate: impl Fn(i64) -> Y,
) -> Result<(), Fault> {
    let pair = |first: X, second: X, cos: i16, sin: i16| {
        let (first, second) = turned(first.into(), second.into(), cos, sin);
        [first, second].map(|sum| saturate(args.scale.apply(sum)))
    };
    for (row, out) in rows_mut(out, args.width).enumerate() {
        let (cosines, sines) = args.angles(row)?;
        let angles = || cosines.iter().zip(sines);
        let x = window(x, row * args.stride, args.width)?;
        for (x, out) in rows(x, args.head_dim).zip(rows_mut(out, args.head_dim)) {
            match args.pairs {
                Pairs::Halves => {
                    let half = args.head_dim / 2;
                    let (a, b) = x.split_at_checked(half).ok_or(Fault::Bounds)?;
                    let (p, q) = out.split_at_mut_checked(half).ok_or(Fault::Bounds)?;
                    let made = p.iter_mut().zip(q);
                    for (((p, q), (&a, &b)), (&cos, &sin)) in made.zip(a.iter().zip(b)).zip(angles()) {
                        [*p, *q] = pair(a, b, cos, sin);
                    }
                }
                Pairs::Neighbours => {
                    let made = chunks_mut::<2, Y>(out).0.iter_mut().zip(chunks::<2, X>(x).0);
                    for ((made, &[a, b]), (&cos, &sin)) in made.zip(angles()) {
                        *made = pair(a, b, cos, sin);
                    }
                }
            }
        }
    }
    Ok(())
}
