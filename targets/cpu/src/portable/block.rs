//! Blocks of elements, widened to int32.
//!
//! Loops over blocks are `for` loops: the closures of `for_each` and its like are compiled before they
//! are inlined, and then not for the instructions of the set that calls them.

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
        TensorMut::I8(out) => each(from, out, |v| v.clamp(i8::MIN.into(), i8::MAX.into()) as i8),
        TensorMut::I16(out) => each(from, out, |v| v.clamp(i16::MIN.into(), i16::MAX.into()) as i16),
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
        (Ok(from), Ok(to)) => {
            for c in 0..BLOCK {
                to[c] = of(from[c]);
            }
        }
        _ => {
            for (to, &from) in to.iter_mut().zip(from) {
                *to = of(from);
            }
        }
    }
}
