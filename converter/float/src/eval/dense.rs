//! Matrix products: dense layers, batched products, attention.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder};

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
    let (a, b) = (matrix(x, rows, k, k), matrix(weights, n, k, k));
    general_mat_mul(1.0, &a, &b.t(), 1.0, &mut matrix_mut(out, rows, n, n));
}

/// `rows × columns` at the start of `values`, consecutive rows `stride` elements apart.
pub(super) fn matrix(values: &[f32], rows: usize, columns: usize, stride: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns).strides((stride, 1)), values).expect("a checked shape")
}

/// Like [`matrix`], to be written.
pub(super) fn matrix_mut(
    values: &mut [f32],
    rows: usize,
    columns: usize,
    stride: usize,
) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((rows, columns).strides((stride, 1)), values).expect("a checked shape")
}

/// Matrix `index` of a strided tensor.
fn part<'a>(
    (values, view): (&'a [f32], &Strided),
    index: usize,
    rows: usize,
    columns: usize,
) -> ArrayView2<'a, f32> {
    matrix(&values[view.offset + index * view.batch..], rows, columns, view.row)
}

/// `scale · A · B` of `batch` pairs.
pub(super) struct Product {
    pub batch: usize,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub scale: f32,
}

impl Product {
    pub fn run(&self, a: (&[f32], &Strided), b: (&[f32], &Strided, bool), out: (&mut [f32], &Strided)) {
        let Self { m, n, k, .. } = *self;
        let (out, to) = out;
        for index in 0..self.batch {
            let left = part(a, index, m, k);
            let right = match b.2 {
                true => part((b.0, b.1), index, n, k).reversed_axes(),
                false => part((b.0, b.1), index, k, n),
            };
            let mut product = matrix_mut(&mut out[to.offset + index * to.batch..], m, n, to.row);
            general_mat_mul(self.scale, &left, &right, 0.0, &mut product);
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
    /// `weigh` turns a row of scores into weights of the values.
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
        scratch.clear();
        scratch.resize(queries * keys, 0.0);
        for (head, &scale) in scales.iter().enumerate() {
            let (q, k, v) =
                (part(q, head, queries, width), part(k, head, keys, width), part(v, head, keys, width));
            general_mat_mul(scale, &q, &k.t(), 0.0, &mut matrix_mut(scratch, queries, keys, keys));
            scratch.chunks_exact_mut(keys).for_each(&weigh);
            let probabilities = matrix(scratch, queries, keys, keys);
            let mut result = matrix_mut(&mut out[head * width..], queries, width, heads * width);
            general_mat_mul(1.0, &probabilities, &v, 0.0, &mut result);
        }
    }
}
