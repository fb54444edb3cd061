//! Elements and slices that indices pick or replace.

use super::args::{Args, Folded, axis_of};
use super::op::FoldOp;
use super::view::View;
use crate::model::{Array, Data};

pub(super) const OPS: &[FoldOp] = &[
    FoldOp::one("GatherElements", gather_elements),
    FoldOp::one("GatherND", gather_slices),
    FoldOp::one("ScatterElements", scatter_elements),
    FoldOp::one("ScatterND", scatter_slices),
];

/// `GatherElements`: one element for each index.
fn gather_elements(args: &Args) -> Folded<Array> {
    let (input, indices) = (args.required(0)?, args.required(1)?);
    let picked = elements(args, input, indices)?;
    args.array(indices.shape.clone(), input.data.pick(picked.into_iter()))
}

/// `GatherND`: one slice for each row of indices.
fn gather_slices(args: &Args) -> Folded<Array> {
    let (input, indices) = (args.required(0)?, args.required(1)?);
    let batch = args.dim(args.node.int("batch_dims", 0))?;
    let slices = slices(args, input, indices, batch)?;
    let rows = &indices.shape[..indices.rank() - 1];
    let shape = [rows, slices.shape].concat();
    args.check(&shape)?;
    let picked = slices.starts.iter().flat_map(|&start| start..start + slices.len);
    args.array(shape, input.data.pick(picked))
}

/// `ScatterElements`: one element for each index is replaced.
fn scatter_elements(args: &Args) -> Folded<Array> {
    let (input, indices, updates) = (args.required(0)?, args.required(1)?, args.required(2)?);
    if indices.shape != updates.shape {
        return Err(args.invalid("its indices and updates have different shapes"));
    }
    let targets = elements(args, input, indices)?;
    replace(args, input, targets.into_iter(), updates)
}

/// `ScatterND`: one slice for each row of indices is replaced.
fn scatter_slices(args: &Args) -> Folded<Array> {
    let (input, indices, updates) = (args.required(0)?, args.required(1)?, args.required(2)?);
    let slices = slices(args, input, indices, 0)?;
    if updates.shape != [&indices.shape[..indices.rank() - 1], slices.shape].concat() {
        return Err(args.invalid(format!("its updates of shape {:?} do not fit", updates.shape)));
    }
    let targets = slices.starts.iter().flat_map(|&start| start..start + slices.len);
    replace(args, input, targets, updates)
}

/// For each index its element of `input`: that of the index's own place, but at the index along
/// the node's axis.
fn elements(args: &Args, input: &Array, indices: &Array) -> Folded<Vec<usize>> {
    let axis = args.axis(args.node.int("axis", 0), input.rank())?;
    let list = args.integers(1)?.unwrap_or(&[]);
    let inside = |(at, (&len, &of)): (usize, (&usize, &usize))| at == axis || len <= of;
    let fits = indices.shape.iter().zip(&input.shape).enumerate().all(inside);
    if indices.rank() != input.rank() || !fits {
        return Err(args.invalid(format!("indices of shape {:?} for {:?}", indices.shape, input.shape)));
    }
    let mut view = View::new(&input.shape);
    let (dim, stride) = (input.shape[axis], std::mem::take(&mut view.strides[axis]));
    view.shape.clone_from(&indices.shape);
    let at = |(base, &index): (usize, &i64)| Ok(base + position(args, index, dim)? * stride);
    view.indices().zip(list).map(at).collect()
}

/// Slices of an array.
struct Slices<'a> {
    /// The first element of each.
    starts: Vec<usize>,
    /// Elements of each.
    len: usize,
    /// Dimensions of each.
    shape: &'a [usize],
}

/// The slices that the rows of `indices` name, behind `batch` dimensions that both have.
fn slices<'a>(args: &Args, input: &'a Array, indices: &Array, batch: usize) -> Folded<Slices<'a>> {
    let list = args.integers(1)?.unwrap_or(&[]);
    let Some((&depth, rows)) = indices.shape.split_last().filter(|(depth, _)| **depth > 0) else {
        return Err(args.invalid("its indices name no axis"));
    };
    let behind = batch.saturating_add(depth);
    if behind > input.rank() || rows.get(..batch) != input.shape.get(..batch) {
        return Err(args.invalid(format!("indices of shape {:?} for {:?}", indices.shape, input.shape)));
    }
    let (counted, shape) = (&input.shape[batch..behind], &input.shape[behind..]);
    let len: usize = shape.iter().product();
    let all = View::new(&input.shape);
    let whole: usize = input.shape[batch..].iter().product();
    let each = rows[batch..].iter().product::<usize>().max(1);
    let count: usize = rows.iter().product();
    let mut starts = Vec::with_capacity(count);
    for row in 0..count {
        let mut start = row / each * whole;
        for (place, &dim) in counted.iter().enumerate() {
            start += position(args, list[row * depth + place], dim)? * all.strides[batch + place];
        }
        starts.push(start);
    }
    Ok(Slices { starts, len, shape })
}

fn position(args: &Args, index: i64, dim: usize) -> Folded<usize> {
    axis_of(index, dim).ok_or_else(|| args.invalid(format!("index {index} of {dim}")))
}

/// `input` with the elements `targets` replaced by `updates`, or joined with them.
fn replace(
    args: &Args,
    input: &Array,
    targets: impl Iterator<Item = usize>,
    updates: &Array,
) -> Folded<Array> {
    let reduction = args.node.string("reduction", "none");
    let unknown = || args.node.unsupported(format!("a reduction of `{reduction}` of such elements"));
    fn put<T: Copy>(
        old: &[T],
        targets: impl Iterator<Item = usize>,
        new: &[T],
        join: impl Fn(T, T) -> T,
    ) -> Vec<T> {
        let mut values = old.to_vec();
        targets.zip(new).for_each(|(at, &new)| values[at] = join(values[at], new));
        values
    }
    let data = match (&input.data, &updates.data) {
        (Data::F32(old), Data::F32(new)) => {
            let join: fn(f32, f32) -> f32 = match reduction {
                "none" => |_, new| new,
                "add" => |old, new| old + new,
                "mul" => |old, new| old * new,
                "max" => f32::max,
                "min" => f32::min,
                _ => return Err(unknown()),
            };
            Data::from(put(old, targets, new, join))
        }
        (Data::I64(old), Data::I64(new)) => {
            let join: fn(i64, i64) -> i64 = match reduction {
                "none" => |_, new| new,
                "add" => i64::wrapping_add,
                "mul" => i64::wrapping_mul,
                "max" => i64::max,
                "min" => i64::min,
                _ => return Err(unknown()),
            };
            put(old, targets, new, join).into()
        }
        (Data::Bool(old), Data::Bool(new)) if reduction == "none" => {
            put(old, targets, new, |_, new| new).into()
        }
        (Data::Bool(_), Data::Bool(_)) => return Err(unknown()),
        _ => return Err(args.invalid("its inputs have different element types")),
    };
    args.array(input.shape.clone(), data)
}
