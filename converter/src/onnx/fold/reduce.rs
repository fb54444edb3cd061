//! Sums, means, products and extremes over axes.

use super::args::{Args, Folded};
use super::view::View;
use crate::onnx::model::{Array, Data};

/// `ReduceSum`, `ReduceMean`, `ReduceProd`, `ReduceMax`, `ReduceMin`.
///
/// Floats are accumulated in 64 bits; integers wrap.
pub(super) fn reduce(args: &Args) -> Folded<Array> {
    let input = args.required(0)?;
    let rank = input.rank();
    let reduced = match args.list("axes", 1)? {
        Some(axes) if !axes.is_empty() => args.axes(axes, rank)?,
        _ if args.node.int("noop_with_empty_axes", 0) != 0 => return Ok(input.clone()),
        _ => vec![true; rank],
    };
    if input.is_empty() {
        return Err(args.invalid("its input is empty"));
    }
    let kept: Vec<usize> =
        input.shape.iter().zip(&reduced).map(|(&d, &gone)| if gone { 1 } else { d }).collect();
    let len: usize = kept.iter().product();
    let view = View::broadcast(&kept, &input.shape).ok_or_else(|| args.invalid("its axes do not fit"))?;
    let op = args.node.op.as_str();
    let data: Data = match &input.data {
        Data::F32(values) => {
            let start = match op {
                "ReduceProd" => 1.0,
                "ReduceMax" => f64::NEG_INFINITY,
                "ReduceMin" => f64::INFINITY,
                _ => 0.0,
            };
            let mut sums = vec![start; len];
            for (at, &x) in view.indices().zip(values.iter()) {
                let x = f64::from(x);
                sums[at] = match op {
                    "ReduceProd" => sums[at] * x,
                    "ReduceMax" => sums[at].max(x),
                    "ReduceMin" => sums[at].min(x),
                    _ => sums[at] + x,
                };
            }
            let count = if op == "ReduceMean" { (values.len() / len) as f64 } else { 1.0 };
            sums.into_iter().map(|sum| (sum / count) as f32).collect::<Vec<_>>().into()
        }
        Data::I64(values) => {
            let start = match op {
                "ReduceProd" => 1,
                "ReduceMax" => i64::MIN,
                "ReduceMin" => i64::MAX,
                _ => 0,
            };
            let mut sums = vec![start; len];
            for (at, &x) in view.indices().zip(values.iter()) {
                sums[at] = match op {
                    "ReduceProd" => sums[at].wrapping_mul(x),
                    "ReduceMax" => sums[at].max(x),
                    "ReduceMin" => sums[at].min(x),
                    _ => sums[at].wrapping_add(x),
                };
            }
            let count = if op == "ReduceMean" { (values.len() / len) as i64 } else { 1 };
            sums.into_iter().map(|sum| sum / count).collect::<Vec<_>>().into()
        }
        Data::Bool(_) => return Err(args.invalid("input 0 must hold numbers")),
    };
    if args.node.int("keepdims", 1) != 0 {
        return args.array(kept, data);
    }
    let shape = input.shape.iter().zip(&reduced).filter(|&(_, &gone)| !gone).map(|(&dim, _)| dim).collect();
    args.array(shape, data)
}
