//! Strided copies: rows that lie together are copied at once.

use quant::Fault;
use quant::ops::{PermuteArgs, Tensor, TensorMut};
use quant::slice::{at, rows_mut, window};

#[inline(always)]
pub(crate) fn permute(args: &PermuteArgs, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
    match (x, out) {
        (Tensor::I8(x), TensorMut::I8(out)) => typed(args, x, out),
        (Tensor::I16(x), TensorMut::I16(out)) => typed(args, x, out),
        (Tensor::I32(x), TensorMut::I32(out)) => typed(args, x, out),
        (Tensor::I8(_) | Tensor::I16(_) | Tensor::I32(_), _) => Err(Fault::Instruction),
    }
}

#[inline(always)]
fn typed<T: Copy>(args: &PermuteArgs, x: &[T], out: &mut [T]) -> Result<(), Fault> {
    let [_, size_b, size_c, size_d] = args.shape;
    let [stride_a, stride_b, stride_c, stride_d] = args.strides;
    for (a, out) in rows_mut(out, size_b * size_c * size_d).enumerate() {
        for (b, out) in rows_mut(out, size_c * size_d).enumerate() {
            let x = x.get((args.first + a) * stride_a + b * stride_b..).ok_or(Fault::Bounds)?;
            if stride_d == 1 {
                for (c, out) in rows_mut(out, size_d).enumerate() {
                    out.copy_from_slice(window(x, c * stride_c, size_d)?);
                }
            } else {
                for (c, out) in rows_mut(out, size_d).enumerate() {
                    for (d, y) in out.iter_mut().enumerate() {
                        *y = at(x, c * stride_c + d * stride_d)?;
                    }
                }
            }
        }
    }
    Ok(())
}
