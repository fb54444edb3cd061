//! What follows from the order of elements along an axis: running sums, the largest, and where
//! those are that are not 0.

use std::cmp::Ordering;

use super::args::{Args, Folded};
use super::op::{Evaluate, FoldOp};
use crate::model::{Array, Data};

pub(super) const OPS: &[FoldOp] = &[
    FoldOp::one("ArgMax", |args| arg_extreme(args, Ordering::Greater)),
    FoldOp::one("ArgMin", |args| arg_extreme(args, Ordering::Less)),
    FoldOp::one("CumSum", running_sum),
    FoldOp::one("NonZero", non_zero),
    FoldOp::new("TopK", Evaluate::Many(largest)),
];

/// The elements along one axis, of which there is one row for each place on the other axes.
struct Lanes {
    len: usize,
    /// Elements from one to the next.
    stride: usize,
    count: usize,
}

impl Lanes {
    /// Those of an array of `shape` without empty dimensions.
    fn new(shape: &[usize], axis: usize) -> Self {
        let stride = shape[axis + 1..].iter().product();
        let outer: usize = shape[..axis].iter().product();
        Self { len: shape[axis], stride, count: outer * stride }
    }

    /// The elements of row `lane`, by index.
    fn elements(&self, lane: usize) -> impl DoubleEndedIterator<Item = usize> + use<> {
        let (stride, first) = (self.stride, lane / self.stride * self.len * self.stride + lane % self.stride);
        (0..self.len).map(move |at| first + at * stride)
    }
}

/// `CumSum`: the sum of all elements up to each.
fn running_sum(args: &Args) -> Folded<Array> {
    let input = args.required(0)?;
    let axis = args.required(1)?.scalar_i64().ok_or_else(|| args.invalid("its axis is no integer"))?;
    let axis = args.axis(axis, input.rank())?;
    let exclusive = args.node.int("exclusive", 0) != 0;
    let reverse = args.node.int("reverse", 0) != 0;
    if input.is_empty() {
        return Ok(input.clone());
    }
    let lanes = Lanes::new(&input.shape, axis);
    let sums = |add: &mut dyn FnMut(Option<usize>, usize)| {
        for lane in 0..lanes.count {
            let mut elements: Vec<usize> = lanes.elements(lane).collect();
            if reverse {
                elements.reverse();
            }
            let mut before = None;
            for at in elements {
                add(before, at);
                before = Some(at);
            }
        }
    };
    let data: Data = match &input.data {
        Data::F32(values) => {
            let mut out = vec![0.0_f64; values.len()];
            sums(&mut |before, at| {
                let added = if exclusive { before } else { Some(at) };
                out[at] =
                    before.map_or(0.0, |before| out[before]) + added.map_or(0.0, |at| values[at].into());
            });
            out.into_iter().map(|sum| sum as f32).collect::<Vec<_>>().into()
        }
        Data::I64(values) => {
            let mut out = vec![0_i64; values.len()];
            sums(&mut |before, at| {
                let added = if exclusive { before } else { Some(at) };
                out[at] =
                    before.map_or(0, |before| out[before]).wrapping_add(added.map_or(0, |at| values[at]));
            });
            out.into()
        }
        Data::Bool(_) => return Err(args.invalid("input 0 must hold numbers")),
    };
    args.array(input.shape.clone(), data)
}

/// Compares two elements of `data`, NaN above all numbers.
fn order(args: &Args, data: &Data) -> Folded<Box<dyn Fn(usize, usize) -> Ordering>> {
    match data {
        Data::F32(values) => {
            let values = values.clone();
            Ok(Box::new(move |a, b| values[a].total_cmp(&values[b])))
        }
        Data::I64(values) => {
            let values = values.clone();
            Ok(Box::new(move |a, b| values[a].cmp(&values[b])))
        }
        Data::Bool(_) => Err(args.invalid("input 0 must hold numbers")),
    }
}

/// `ArgMax` and `ArgMin`: the index of the element that is `wanted` beside all others.
fn arg_extreme(args: &Args, wanted: Ordering) -> Folded<Array> {
    let input = args.required(0)?;
    let axis = args.axis(args.node.int("axis", 0), input.rank())?;
    let keeps = args.node.int("keepdims", 1) != 0;
    let last = args.node.int("select_last_index", 0) != 0;
    if input.is_empty() {
        return Err(args.invalid("its input is empty"));
    }
    let lanes = Lanes::new(&input.shape, axis);
    let order = order(args, &input.data)?;
    let better = |found: usize, best: usize| match order(found, best) {
        Ordering::Equal => last,
        other => other == wanted,
    };
    let best = |lane| {
        let mut elements = lanes.elements(lane).enumerate();
        let first = elements.next().unwrap_or_default();
        elements.fold(first, |best, next| if better(next.1, best.1) { next } else { best }).0 as i64
    };
    let indices: Vec<i64> = (0..lanes.count).map(best).collect();
    let mut shape = input.shape.clone();
    if keeps {
        shape[axis] = 1;
    } else {
        shape.remove(axis);
    }
    args.array(shape, indices)
}

/// `TopK`: the largest or smallest elements, and their indices; of equal ones the first come
/// first.
fn largest(args: &Args) -> Folded<Vec<Array>> {
    let input = args.required(0)?;
    let wanted = args.required(1)?;
    let wanted = match wanted.i64s() {
        Some(&[count]) => args.dim(count)?,
        _ => return Err(args.invalid("its count is not one integer")),
    };
    let axis = args.axis(args.node.int("axis", -1), input.rank())?;
    let descends = args.node.int("largest", 1) != 0;
    // In no order they may be in this one.
    args.node.ignore("sorted");
    if wanted == 0 || wanted > input.shape[axis] || input.is_empty() {
        return Err(args.invalid(format!("{wanted} of {} elements", input.shape[axis])));
    }
    let lanes = Lanes::new(&input.shape, axis);
    let order = order(args, &input.data)?;
    let mut shape = input.shape.clone();
    shape[axis] = wanted;
    let results = Lanes::new(&shape, axis);
    let (mut picked, mut indices) = (vec![0; args.check(&shape)?], vec![0_i64; args.check(&shape)?]);
    for lane in 0..lanes.count {
        let mut elements: Vec<(usize, usize)> = lanes.elements(lane).enumerate().collect();
        elements.sort_by(|a, b| {
            let order = order(a.1, b.1);
            if descends { order.reverse() } else { order }
        });
        for (to, (index, at)) in results.elements(lane).zip(elements) {
            (picked[to], indices[to]) = (at, index as i64);
        }
    }
    Ok(vec![args.array(shape.clone(), input.data.pick(picked.into_iter()))?, args.array(shape, indices)?])
}

/// `NonZero`: the indices of all elements that are not 0, a row for each axis.
fn non_zero(args: &Args) -> Folded<Array> {
    let input = args.required(0)?;
    let found: Vec<usize> = match &input.data {
        Data::F32(values) => places(values, |&value| value != 0.0),
        Data::I64(values) => places(values, |&value| value != 0),
        Data::Bool(values) => places(values, |&value| value),
    };
    let shape = vec![input.rank(), found.len()];
    let mut indices = Vec::with_capacity(args.check(&shape)?);
    for axis in 0..input.rank() {
        let lanes = Lanes::new(&input.shape, axis);
        indices.extend(found.iter().map(|at| (at / lanes.stride % lanes.len) as i64));
    }
    args.array(shape, indices)
}

/// Where `values` are `wanted`.
fn places<T>(values: &[T], wanted: impl Fn(&T) -> bool) -> Vec<usize> {
    values.iter().enumerate().filter(|(_, value)| wanted(value)).map(|(at, _)| at).collect()
}
