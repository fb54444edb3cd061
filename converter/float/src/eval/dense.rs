//! Matrix products: dense layers, batched products, attention.

use super::product::{self, Matrix, Size};
use crate::graph::Dense;
use crate::layout::Strided;

/// The rows `x · Wᵀ + bias` of a dense layer: as many as `x` has, `dense.k` elements each.
///
/// # Panics
/// If `x` is not whole rows of `dense.k`, or the layer is not `n × k` weights and `n` biases.
pub fn linear(dense: &Dense, x: &[f32]) -> Vec<f32> {
    let mut out = Vec::new();
    linear_into(dense, x, &mut out);
    out
}

pub(super) fn linear_into(dense: &Dense, x: &[f32], out: &mut Vec<f32>) {
    let Dense { n, k, ref weights, ref bias } = *dense;
    assert!(x.len().is_multiple_of(k) && bias.len() == n, "shape of a dense layer");
    let rows = x.len() / k;
    for _ in 0..rows {
        out.extend_from_slice(bias);
    }
    let weights = Matrix::rows(weights, k).transposed();
    product::add(Size { m: rows, n, k }, 1.0, Matrix::rows(x, k), weights, out, n);
}

/// Matrix `index` of a strided tensor.
fn part<'a>((values, view): (&'a [f32], &Strided), index: usize) -> Matrix<'a> {
    Matrix::rows(&values[view.offset + index * view.batch..], view.row)
}

/// `scale · A · B` of as many pairs as there are scales.
pub(super) struct Product<'a> {
    pub size: Size,
    pub scales: &'a [f32],
}

impl Product<'_> {
    /// Adds to `out`; the matrices of `b` are transposed where it says so.
    pub fn run(&self, a: (&[f32], &Strided), b: (&[f32], &Strided, bool), out: (&mut [f32], &Strided)) {
        let (out, to) = out;
        for (index, &scale) in self.scales.iter().enumerate() {
            let right = part((b.0, b.1), index);
            let right = if b.2 { right.transposed() } else { right };
            let made = &mut out[to.offset + index * to.batch..];
            product::add(self.size, scale, part(a, index), right, made, to.row);
        }
    }
}

/// The shape of an attention.
pub(super) struct Heads {
    pub queries: usize,
    pub keys: usize,
    pub heads: usize,
    pub width: usize,
}

impl Heads {
    /// Adds to `out`; `weigh` turns a row of scores into weights of the values.
    #[expect(clippy::too_many_arguments, reason = "the operands of one attention")]
    pub fn run(
        &self,
        q: (&[f32], &Strided),
        k: (&[f32], &Strided),
        v: (&[f32], &Strided),
        scales: &[f32],
        out: &mut [f32],
        scratch: &mut Vec<f32>,
        weigh: impl Fn(&mut [f32]),
    ) {
        let Self { queries, keys, heads, width } = *self;
        let (scores, mixed) =
            (Size { m: queries, n: keys, k: width }, Size { m: queries, n: width, k: keys });
        for (head, &scale) in scales.iter().enumerate() {
            scratch.clear();
            scratch.resize(queries * keys, 0.0);
            product::add(scores, scale, part(q, head), part(k, head).transposed(), scratch, keys);
            scratch.chunks_exact_mut(keys).for_each(&weigh);
            let made = &mut out[head * width..];
            product::add(mixed, 1.0, Matrix::rows(scratch, keys), part(v, head), made, heads * width);
        }
    }
}
