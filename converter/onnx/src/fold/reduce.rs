//! Sums, means, products and extremes over axes.

use super::args::{Args, Folded};
use super::op::FoldOp;
use super::view::View;
use crate::model::{Array, Data};

pub(super) const OPS: &[FoldOp] = &[
    FoldOp::one("ReduceSum", |args| reduce(args, &SUM, false)),
    FoldOp::one("ReduceMean", |args| reduce(args, &SUM, true)),
    FoldOp::one("ReduceProd", |args| reduce(args, &PRODUCT, false)),
    FoldOp::one("ReduceMax", |args| reduce(args, &LARGEST, false)),
    FoldOp::one("ReduceMin", |args| reduce(args, &SMALLEST, false)),
];

/// What elements are gathered by, and what of none is.
struct Reduction {
    floats: (f64, fn(f64, f64) -> f64),
    integers: (i64, fn(i64, i64) -> i64),
}

const SUM: Reduction = Reduction { floats: (0.0, |a, b| a + b), integers: (0, i64::wrapping_add) };
const PRODUCT: Reduction = Reduction { floats: (1.0, |a, b| a * b), integers: (1, i64::wrapping_mul) };
const LARGEST: Reduction =
    Reduction { floats: (f64::NEG_INFINITY, f64::max), integers: (i64::MIN, i64::max) };
const SMALLEST: Reduction = Reduction { floats: (f64::INFINITY, f64::min), integers: (i64::MAX, i64::min) };

/// The reduction over the node's axes, or their mean if it is a sum.
///
/// Floats are accumulated in 64 bits; integers wrap.
fn reduce(args: &Args, reduction: &Reduction, mean: bool) -> Folded<Array> {
    let input = args.required(0)?;
    let rank = input.rank();
    let idle = args.node.int("noop_with_empty_axes", 0) != 0;
    let keeps = args.node.int("keepdims", 1) != 0;
    let reduced = match args.list("axes", 1)? {
        Some(axes) if !axes.is_empty() => args.axes(axes, rank)?,
        _ if idle => return Ok(input.clone()),
        _ => vec![true; rank],
    };
    if input.is_empty() {
        return Err(args.invalid("its input is empty"));
    }
    let kept: Vec<usize> =
        input.shape.iter().zip(&reduced).map(|(&d, &gone)| if gone { 1 } else { d }).collect();
    let len: usize = kept.iter().product();
    let view = View::broadcast(&kept, &input.shape).ok_or_else(|| args.invalid("its axes do not fit"))?;
    let data: Data = match &input.data {
        Data::F32(values) => {
            let (start, gather) = reduction.floats;
            let mut sums = vec![start; len];
            for (at, &x) in view.indices().zip(values.iter()) {
                sums[at] = gather(sums[at], f64::from(x));
            }
            let count = if mean { (values.len() / len) as f64 } else { 1.0 };
            sums.into_iter().map(|sum| (sum / count) as f32).collect::<Vec<_>>().into()
        }
        Data::I64(values) => {
            let (start, gather) = reduction.integers;
            let mut sums = vec![start; len];
            for (at, &x) in view.indices().zip(values.iter()) {
                sums[at] = gather(sums[at], x);
            }
            let count = if mean { (values.len() / len) as i64 } else { 1 };
            sums.into_iter().map(|sum| sum / count).collect::<Vec<_>>().into()
        }
        Data::Bool(_) => return Err(args.invalid("input 0 must hold numbers")),
    };
    if keeps {
        return args.array(kept, data);
    }
    let shape = input.shape.iter().zip(&reduced).filter(|&(_, &gone)| !gone).map(|(&dim, _)| dim).collect();
    args.array(shape, data)
}
