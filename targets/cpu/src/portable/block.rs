//! Blocks of elements, widened to int32.
//!
//! Loops over blocks are `for` loops: the closures of `for_each` and its like are compiled before they
//! are inlined, and then not for the instructions of the set that calls them.

use quant::arith::{saturate_i8, saturate_i16};
use quant::ops::{Tensor, TensorMut};

/// Elements of a block.
pub(super) const BLOCK: usize = 64;

/// The first element and the number of those of every block of `len` elements.
#[inline(always)]
pub(super) fn blocks(len: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..len).step_by(BLOCK).map(move |start| (start, BLOCK.min(len - start)))
}

/// The largest magnitude of the type of `x`.
#[inline(always)]
pub(super) fn magnitude(x: Tensor<'_>) -> u32 {
    match x {
        Tensor::I8(_) => 1 << 7,
        Tensor::I16(_) => 1 << 15,
        Tensor::I32(_) => 1 << 31,
    }
}

/// The first elements of a block, as many as `from` has.
#[inline(always)]
pub(super) fn widen(from: Tensor<'_>, to: &mut [i32; BLOCK]) {
    match from {
        Tensor::I8(from) => each(from, to, |v| v.into()),
        Tensor::I16(from) => each(from, to, |v| v.into()),
        Tensor::I32(from) => each(from, to, |v| v),
    }
}

/// The first elements of a block, as many as `out` takes, saturated.
#[inline(always)]
pub(super) fn narrow(from: &[i32; BLOCK], out: &mut TensorMut<'_>) {
    match out {
        TensorMut::I8(out) => each(from, out, |v| saturate_i8(v.into())),
        TensorMut::I16(out) => each(from, out, |v| saturate_i16(v.into())),
        TensorMut::I32(out) => each(from, out, |v| v),
    }
}

/// Element by element.
#[inline(always)]
fn each<X: Copy, Y>(from: &[X], to: &mut [Y], of: impl Fn(X) -> Y) {
    let len = from.len().min(to.len());
    let (from, to) = (&from[..len], &mut to[..len]);
    // A whole block is a loop of fixed length.
    match (<&[X; BLOCK]>::try_from(from), <&mut [Y; BLOCK]>::try_from(&mut *to)) {
        (Ok(from), Ok(to)) => to.iter_mut().zip(from).for_each(|(to, &v)| *to = of(v)),
        _ => to.iter_mut().zip(from).for_each(|(to, &v)| *to = of(v)),
    }
}
