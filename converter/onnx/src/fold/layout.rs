//! Operations that move elements without changing them.

use super::args::{Args, Folded, axis_of};
use super::op::FoldOp;
use super::view::{View, broadcast};
use crate::model::{Array, Data, MAX_RANK};

pub(super) const OPS: &[FoldOp] = &[
    FoldOp::one("Identity", |args| args.required(0).cloned()),
    FoldOp::one("Reshape", reshape),
    FoldOp::one("Flatten", flatten),
    FoldOp::one("Squeeze", squeeze),
    FoldOp::one("Unsqueeze", unsqueeze),
    FoldOp::one("Transpose", transpose),
    FoldOp::one("Expand", expand),
    FoldOp::one("Tile", tile),
    FoldOp::one("Concat", concat),
    FoldOp::one("Gather", gather),
    FoldOp::one("Pad", pad),
    FoldOp::one("Trilu", trilu),
];

/// `Reshape`: 0 keeps a dimension unless `allowzero`, one −1 is what is left.
fn reshape(args: &Args) -> Folded<Array> {
    let input = args.required(0)?;
    let target = args.integers(1)?.ok_or_else(|| args.invalid("input 1 is missing"))?;
    if target.len() > MAX_RANK {
        return Err(args.invalid(format!("{} dimensions, at most {MAX_RANK} are read", target.len())));
    }
    let keep_zero = args.node.int("allowzero", 0) != 0;
    let mut shape = Vec::with_capacity(target.len());
    let mut open = None;
    for (axis, &dim) in target.iter().enumerate() {
        shape.push(match dim {
            -1 if open.replace(axis).is_some() => {
                return Err(args.invalid("its shape has two open dimensions"));
            }
            -1 => 1,
            0 if !keep_zero => *input
                .shape
                .get(axis)
                .ok_or_else(|| args.invalid(format!("dimension {axis} cannot be kept")))?,
            dim => args.dim(dim)?,
        });
    }
    if let Some(axis) = open {
        let known = shape.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
        let left = known.filter(|&known| known > 0 && input.len().is_multiple_of(known));
        let left =
            left.ok_or_else(|| args.invalid(format!("{:?} does not reshape to {target:?}", input.shape)))?;
        shape[axis] = input.len() / left;
    }
    args.reshaped(input, shape)
}

/// `Flatten` to two dimensions.
fn flatten(args: &Args) -> Folded<Array> {
    let input = args.required(0)?;
    let rank = input.rank();
    let axis = match args.node.int("axis", 1) {
        axis if axis == rank as i64 => rank,
        axis => args.axis(axis, rank)?,
    };
    let (rows, columns) = input.shape.split_at(axis);
    args.reshaped(input, vec![rows.iter().product(), columns.iter().product()])
}

/// `Squeeze`: axes from the attribute or the input; all of length 1 without either.
fn squeeze(args: &Args) -> Folded<Array> {
    let input = args.required(0)?;
    let gone = match args.list("axes", 1)? {
        Some(axes) => args.axes(axes, input.rank())?,
        None => input.shape.iter().map(|&dim| dim == 1).collect(),
    };
    let mut shape = Vec::new();
    for (&dim, gone) in input.shape.iter().zip(gone) {
        match (gone, dim) {
            (false, dim) => shape.push(dim),
            (true, 1) => {}
            (true, dim) => return Err(args.invalid(format!("a dimension of {dim} cannot be squeezed"))),
        }
    }
    args.reshaped(input, shape)
}

/// `Unsqueeze`: axes of the result, from the attribute or the input.
fn unsqueeze(args: &Args) -> Folded<Array> {
    let input = args.required(0)?;
    let axes = args.list("axes", 1)?.ok_or_else(|| args.invalid("its axes are missing"))?;
    let rank = input.rank() + axes.len();
    if rank > MAX_RANK {
        return Err(args.invalid(format!("{rank} dimensions, at most {MAX_RANK} are read")));
    }
    let mut dims = input.shape.iter();
    let added = args.axes(axes, rank)?;
    let shape = added.iter().map(|&new| if new { 1 } else { dims.next().copied().unwrap_or(1) }).collect();
    args.reshaped(input, shape)
}

/// `Transpose`: reverses the dimensions unless told otherwise.
fn transpose(args: &Args) -> Folded<Array> {
    let input = args.required(0)?;
    let rank = input.rank();
    let order: Vec<usize> = match args.node.ints("perm") {
        Some(perm) if perm.len() == rank => {
            args.axes(perm, rank)?;
            perm.iter().map(|&axis| args.axis(axis, rank)).collect::<Folded<_>>()?
        }
        Some(perm) => return Err(args.invalid(format!("perm {perm:?} for {rank} dimensions"))),
        None => (0..rank).rev().collect(),
    };
    let all = View::new(&input.shape);
    let view = View {
        offset: 0,
        shape: order.iter().map(|&axis| all.shape[axis]).collect(),
        strides: order.iter().map(|&axis| all.strides[axis]).collect(),
    };
    args.show(input, &view)
}

/// `Expand`: broadcasting with a shape, in both directions.
fn expand(args: &Args) -> Folded<Array> {
    let input = args.required(0)?;
    let target = args.integers(1)?.ok_or_else(|| args.invalid("input 1 is missing"))?;
    let target: Vec<usize> = target.iter().map(|&dim| args.dim(dim)).collect::<Folded<_>>()?;
    let mismatch = || args.invalid(format!("{:?} does not broadcast with {target:?}", input.shape));
    let shape = broadcast(&input.shape, &target).ok_or_else(mismatch)?;
    args.check(&shape)?;
    let view = View::broadcast(&input.shape, &shape).ok_or_else(mismatch)?;
    args.show(input, &view)
}

/// `Tile`: every dimension repeated.
fn tile(args: &Args) -> Folded<Array> {
    let input = args.required(0)?;
    let repeats = args.integers(1)?.ok_or_else(|| args.invalid("input 1 is missing"))?;
    if repeats.len() != input.rank() {
        return Err(args.invalid(format!("{} repeats for {} dimensions", repeats.len(), input.rank())));
    }
    let repeats: Vec<usize> = repeats.iter().map(|&repeat| args.dim(repeat)).collect::<Folded<_>>()?;
    let too_large = || args.invalid(format!("{:?} repeated {repeats:?} times is too large", input.shape));
    let shape: Option<Vec<usize>> =
        input.shape.iter().zip(&repeats).map(|(&d, &r)| d.checked_mul(r)).collect();
    let shape = shape.ok_or_else(too_large)?;
    args.check(&shape)?;
    // A dimension of d repeated r times is two, r and d, of which the outer does not move.
    let all = View::new(&input.shape);
    let pairs = |outer: &[usize], inner: &[usize]| {
        outer.iter().zip(inner).flat_map(|(&outer, &inner)| [outer, inner]).collect::<Vec<_>>()
    };
    let view = View {
        offset: 0,
        shape: pairs(&repeats, &all.shape),
        strides: pairs(&vec![0; all.shape.len()], &all.strides),
    };
    args.array(shape, view.pick(&input.data))
}

/// `Concat` along an axis.
fn concat(args: &Args) -> Folded<Array> {
    let parts: Vec<&Array> = (0..args.count()).map(|index| args.required(index)).collect::<Folded<_>>()?;
    let first = args.required(0)?;
    let axis = args.axis(args.node.required_int("axis")?, first.rank())?;
    let mut shape = first.shape.clone();
    shape[axis] = 0;
    for part in &parts {
        let same = |(at, dim): (usize, &usize)| at == axis || *dim == first.shape[at];
        if part.rank() != first.rank() || !part.shape.iter().enumerate().all(same) {
            return Err(args.invalid(format!("{:?} does not join {:?}", part.shape, first.shape)));
        }
        shape[axis] = shape[axis].saturating_add(part.shape[axis]);
    }
    let len = args.check(&shape)?;
    let outer: usize = if len == 0 { 0 } else { shape[..axis].iter().product() };
    let data = match &first.data {
        Data::F32(_) => Data::F32(join(args, &parts, outer, Array::f32s)?.into()),
        Data::I64(_) => Data::I64(join(args, &parts, outer, Array::i64s)?.into()),
        Data::Bool(_) => Data::Bool(join(args, &parts, outer, Array::bools)?.into()),
    };
    args.array(shape, data)
}

/// The parts' rows in turn, `outer` of them.
fn join<T: Copy>(
    args: &Args,
    parts: &[&Array],
    outer: usize,
    values: impl Fn(&Array) -> Option<&[T]>,
) -> Folded<Vec<T>> {
    let mut joined = Vec::new();
    for row in 0..outer {
        for part in parts {
            let values =
                values(part).ok_or_else(|| args.invalid("its inputs have different element types"))?;
            let width = values.len() / outer;
            joined.extend_from_slice(&values[row * width..][..width]);
        }
    }
    Ok(joined)
}

/// `Gather`: slices along an axis picked by indices.
fn gather(args: &Args) -> Folded<Array> {
    let (input, indices) = (args.required(0)?, args.required(1)?);
    let axis = args.axis(args.node.int("axis", 0), input.rank())?;
    let dim = input.shape[axis];
    let list = args.integers(1)?.unwrap_or(&[]);
    let picks: Vec<usize> = list
        .iter()
        .map(|&at| axis_of(at, dim).ok_or_else(|| args.invalid(format!("index {at} of {dim}"))))
        .collect::<Folded<_>>()?;
    let (before, after) = (&input.shape[..axis], &input.shape[axis + 1..]);
    let shape = [before, &indices.shape, after].concat();
    let len = args.check(&shape)?;
    let inner: usize = after.iter().product();
    let outer: usize = if len == 0 { 0 } else { before.iter().product() };
    let source = |row: usize| picks.iter().map(move |&pick| (row * dim + pick) * inner);
    let starts = (0..outer).flat_map(source);
    args.array(shape, input.data.pick(starts.flat_map(|at| at..at + inner)))
}

/// `Pad` of all axes with a constant; negative pads and other modes are refused.
fn pad(args: &Args) -> Folded<Array> {
    let input = args.required(0)?;
    let rank = input.rank();
    let pads = args.integers(1)?.ok_or_else(|| args.invalid("input 1 is missing"))?;
    if args.node.string("mode", "constant") != "constant"
        || args.optional(3).is_some()
        || pads.len() != 2 * rank
    {
        return Err(args.node.unsupported("constants are padded with a constant, on all axes"));
    }
    let pads: Vec<usize> = pads.iter().map(|&pad| args.dim(pad)).collect::<Folded<_>>()?;
    let sums = input.shape.iter().zip(pads.iter().zip(&pads[rank..]));
    let sum =
        |(dim, (before, after)): (&usize, (&usize, &usize))| dim.checked_add(*before)?.checked_add(*after);
    let shape: Vec<usize> =
        sums.map(sum).collect::<Option<_>>().ok_or_else(|| args.invalid("its pads are too large"))?;
    let len = args.check(&shape)?;
    let mut target = View::new(&shape);
    target.offset = target.strides.iter().zip(&pads).map(|(stride, pad)| stride * pad).sum();
    target.shape.clone_from(&input.shape);
    let value = args.optional(2);
    let data: Data = match &input.data {
        Data::F32(values) => {
            let mut padded = vec![value.and_then(Array::scalar_f32).unwrap_or(0.0); len];
            target.indices().zip(values.iter()).for_each(|(at, &x)| padded[at] = x);
            padded.into()
        }
        Data::I64(values) => {
            let mut padded = vec![value.and_then(Array::scalar_i64).unwrap_or(0); len];
            target.indices().zip(values.iter()).for_each(|(at, &x)| padded[at] = x);
            padded.into()
        }
        Data::Bool(_) => return Err(args.node.unsupported("numbers are padded")),
    };
    args.array(shape, data)
}

/// `Trilu`: the upper or lower triangle of each matrix, zero elsewhere.
fn trilu(args: &Args) -> Folded<Array> {
    let input = args.required(0)?;
    let &[.., rows, columns] = input.shape.as_slice() else {
        return Err(args.invalid("its input is no matrix"));
    };
    let diagonal = args.optional(1).and_then(Array::scalar_i64).unwrap_or(0);
    let upper = args.node.int("upper", 1) != 0;
    let keeps = |at: usize| {
        let above = ((at % columns) as i64).saturating_sub((at / columns % rows) as i64);
        if upper { above >= diagonal } else { above <= diagonal }
    };
    let data = match &input.data {
        Data::F32(values) => {
            Data::F32(values.iter().enumerate().map(|(at, &x)| if keeps(at) { x } else { 0.0 }).collect())
        }
        Data::I64(values) => {
            Data::I64(values.iter().enumerate().map(|(at, &x)| if keeps(at) { x } else { 0 }).collect())
        }
        Data::Bool(values) => Data::Bool(values.iter().enumerate().map(|(at, &x)| x && keeps(at)).collect()),
    };
    args.array(input.shape.clone(), data)
}
