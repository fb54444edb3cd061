//! Matrix products of constants.

use super::args::{Args, Folded};
use super::op::FoldOp;
use super::view::{View, broadcast};
use crate::model::Array;

pub(super) const OPS: &[FoldOp] =
    &[FoldOp::one("MatMul", matmul).product(), FoldOp::one("Gemm", gemm).product()];

/// Most multiplications of one product.
const MAX_WORK: usize = 1 << 31;

/// `MatMul`, of stacks of matrices too; vectors are not multiplied.
fn matmul(args: &Args) -> Folded<Array> {
    let (a, b) = (args.required(0)?, args.required(1)?);
    let (x, y) = (args.floats(0)?, args.floats(1)?);
    let mismatch = || args.invalid(format!("{:?} times {:?}", a.shape, b.shape));
    let ([a_outer @ .., m, k], [b_outer @ .., k2, n]) = (a.shape.as_slice(), b.shape.as_slice()) else {
        return Err(args.node.unsupported("constants of two dimensions and more are multiplied"));
    };
    if k != k2 {
        return Err(mismatch());
    }
    let outer = broadcast(a_outer, b_outer).ok_or_else(mismatch)?;
    let shape = [outer.as_slice(), &[*m, *n]].concat();
    let len = args.check(&shape)?;
    check_work(args, len, *k)?;
    if len == 0 {
        return args.array(shape, Vec::<f32>::new());
    }
    let left = View::broadcast(a_outer, &outer).ok_or_else(mismatch)?;
    let right = View::broadcast(b_outer, &outer).ok_or_else(mismatch)?;
    let mut product = Vec::new();
    for (i, j) in left.indices().zip(right.indices()) {
        multiply(&x[i * m * k..][..m * k], &y[j * k * n..][..k * n], *n, &mut product);
    }
    args.array(shape, product)
}

/// `Gemm`: `alpha · A·B + beta · C` of matrices.
fn gemm(args: &Args) -> Folded<Array> {
    let matrix = |index: usize, name: &str| -> Folded<(Vec<f32>, usize, usize)> {
        let array = args.required(index)?;
        let values = args.floats(index)?;
        let &[rows, columns] = array.shape.as_slice() else {
            return Err(args.invalid(format!("input {index} is no matrix")));
        };
        if args.node.int(name, 0) == 0 {
            return Ok((values.to_vec(), rows, columns));
        }
        let view = View { offset: 0, shape: vec![columns, rows], strides: vec![1, columns] };
        Ok((view.indices().map(|at| values[at]).collect(), columns, rows))
    };
    let ((a, m, k), (b, k2, n)) = (matrix(0, "transA")?, matrix(1, "transB")?);
    if k != k2 {
        return Err(args.invalid(format!("{m}×{k} times {k2}×{n}")));
    }
    check_work(args, args.check(&[m, n])?, k)?;
    let mut product = Vec::new();
    multiply(&a, &b, n, &mut product);
    let (alpha, beta) = (args.node.float("alpha", 1.0), args.node.float("beta", 1.0));
    product.iter_mut().for_each(|x| *x *= alpha);
    if let Some(c) = args.optional(2) {
        let view = View::broadcast(&c.shape, &[m, n]);
        let view = view.ok_or_else(|| args.invalid(format!("{:?} does not add to {m}×{n}", c.shape)))?;
        let c = args.floats(2)?;
        product.iter_mut().zip(view.indices()).for_each(|(x, at)| *x += beta * c[at]);
    }
    args.array(vec![m, n], product)
}

fn check_work(args: &Args, elements: usize, k: usize) -> Folded<()> {
    match elements.checked_mul(k) {
        Some(work) if work <= MAX_WORK => Ok(()),
        _ => Err(args
            .node
            .unsupported(format!("a product of constants takes at most {MAX_WORK} multiplications"))),
    }
}

/// Appends the rows of `a · b`, which is `n` wide.
fn multiply(a: &[f32], b: &[f32], n: usize, product: &mut Vec<f32>) {
    let k = b.len().checked_div(n).unwrap_or(0);
    if k == 0 {
        return;
    }
    for row in a.chunks_exact(k) {
        let mut sums = vec![0.0_f64; n];
        for (&x, weights) in row.iter().zip(b.chunks_exact(n)) {
            sums.iter_mut().zip(weights).for_each(|(sum, &w)| *sum += f64::from(x) * f64::from(w));
        }
        product.extend(sums.into_iter().map(|sum| sum as f32));
    }
}
