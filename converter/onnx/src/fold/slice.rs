//! `Slice` and `Split`.

use super::args::{Args, Folded};
use super::op::{Evaluate, FoldOp};
use super::view::View;
use crate::model::Array;

pub(super) const OPS: &[FoldOp] = &[FoldOp::one("Slice", slice), FoldOp::new("Split", Evaluate::Many(split))];

/// `Slice` with any steps.
fn slice(args: &Args) -> Folded<Array> {
    let input = args.required(0)?;
    let rank = input.rank();
    let needed =
        |list: Option<&'static str>| args.invalid(format!("its {} are missing", list.unwrap_or("bounds")));
    let starts = args.list("starts", 1)?.ok_or_else(|| needed(Some("starts")))?;
    let ends = args.list("ends", 2)?.ok_or_else(|| needed(Some("ends")))?;
    let axes = args.list("axes", 3)?.map_or_else(|| (0..starts.len() as i64).collect(), <[i64]>::to_vec);
    let steps = args.integers(4)?.map_or_else(|| vec![1; starts.len()], <[i64]>::to_vec);
    if [ends.len(), axes.len(), steps.len()].iter().any(|&len| len != starts.len()) {
        return Err(args.invalid("its starts, ends, axes and steps have different lengths"));
    }
    args.axes(&axes, rank)?;
    let mut view = View::new(&input.shape);
    for (at, &axis) in axes.iter().enumerate() {
        let axis = args.axis(axis, rank)?;
        if steps[at] == 0 {
            return Err(args.invalid("a step is 0"));
        }
        let (start, len) = bounds(input.shape[axis], starts[at], ends[at], steps[at]);
        view.offset += start * view.strides[axis];
        view.shape[axis] = len;
        view.strides[axis] = view.strides[axis].wrapping_mul(steps[at] as usize);
    }
    args.show(input, &view)
}

/// The first index of a slice of `dim` elements, and how many it has.
fn bounds(dim: usize, start: i64, end: i64, step: i64) -> (usize, usize) {
    let dim = dim as i64;
    let wrap = |at: i64| if at < 0 { at.saturating_add(dim) } else { at };
    let len = if step > 0 {
        let (start, end) = (wrap(start).clamp(0, dim), wrap(end).clamp(0, dim));
        (start, (end - start).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
    } else {
        let (start, end) = (wrap(start).clamp(-1, dim - 1), wrap(end).clamp(-1, dim - 1));
        (start.max(0), (start - end).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
    };
    // An empty slice may start past the end, where its offset is not used.
    (if len.1 == 0 { 0 } else { len.0 as usize }, len.1 as usize)
}

/// `Split` into parts of given or equal lengths.
fn split(args: &Args) -> Folded<Vec<Array>> {
    let input = args.required(0)?;
    let axis = args.axis(args.node.int("axis", 0), input.rank())?;
    let dim = input.shape[axis];
    let parts = args.node.int("num_outputs", args.node.outputs.len() as i64);
    let lengths: Vec<usize> = match args.list("split", 1)? {
        Some(list) => list.iter().map(|&len| args.dim(len)).collect::<Folded<_>>()?,
        None => {
            let parts = usize::try_from(parts).unwrap_or(0).clamp(1, args.node.outputs.len().max(1));
            if args.opset < 18 && !dim.is_multiple_of(parts) {
                return Err(args.invalid(format!("{dim} does not split into {parts} equal parts")));
            }
            let each = dim.div_ceil(parts);
            (0..parts).map(|part| each.min(dim.saturating_sub(part * each))).collect()
        }
    };
    if lengths.iter().try_fold(0_usize, |sum, &len| sum.checked_add(len)) != Some(dim) {
        return Err(args.invalid(format!("parts of {lengths:?} do not make {dim}")));
    }
    let mut start = 0;
    let mut parts = Vec::new();
    for len in lengths.into_iter().take(args.node.outputs.len()) {
        let mut view = View::new(&input.shape);
        view.offset = start * view.strides[axis];
        view.shape[axis] = len;
        parts.push(args.show(input, &view)?);
        start += len;
    }
    Ok(parts)
}
