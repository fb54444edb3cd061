//! Constants, shapes and ranges.

use super::args::{Args, Folded, axis_of};
use super::op::FoldOp;
use crate::model::{Array, Attribute, Data};

pub(super) const OPS: &[FoldOp] = &[
    FoldOp::one("Constant", constant),
    FoldOp::one("ConstantOfShape", constant_of_shape),
    FoldOp::one("OneHot", one_hot),
    FoldOp::one("Range", range),
    FoldOp::one("Shape", shape),
    FoldOp::one("Size", |args| Ok(Array::integer(args.required(0)?.len() as i64))),
];

/// `Constant`: one of its attributes.
fn constant(args: &Args) -> Folded<Array> {
    let value = |name: &str| args.node.attribute(name);
    let names = ["value", "value_float", "value_floats", "value_int", "value_ints"];
    match names.iter().find_map(|name| value(name)) {
        Some(Attribute::Tensor(array)) => Ok(array.clone()),
        Some(Attribute::Float(value)) => Ok(Array::scalar(*value)),
        Some(Attribute::Floats(values)) => Ok(Array::vector(values.clone())),
        Some(Attribute::Int(value)) => Ok(Array::integer(*value)),
        Some(Attribute::Ints(values)) => Ok(Array::vector(values.clone())),
        _ => Err(args.node.unsupported("expected a tensor, float or integer as its value")),
    }
}

/// `ConstantOfShape`: one value repeated.
fn constant_of_shape(args: &Args) -> Folded<Array> {
    let dims = args.integers(0)?.ok_or_else(|| args.invalid("input 0 is missing"))?;
    let shape: Vec<usize> = dims.iter().map(|&dim| args.dim(dim)).collect::<Folded<_>>()?;
    let len = args.check(&shape)?;
    let data = match args.node.tensor("value").map(|array| &array.data) {
        None => Data::F32(vec![0.0; len].into()),
        Some(Data::F32(values)) if values.len() == 1 => Data::F32(vec![values[0]; len].into()),
        Some(Data::I64(values)) if values.len() == 1 => Data::I64(vec![values[0]; len].into()),
        Some(Data::Bool(values)) if values.len() == 1 => Data::Bool(vec![values[0]; len].into()),
        Some(_) => return Err(args.invalid("its value must have one element")),
    };
    args.array(shape, data)
}

/// `OneHot`: a new axis on which one value stands at each index, another elsewhere.
fn one_hot(args: &Args) -> Folded<Array> {
    let (indices, depth, values) = (args.required(0)?, args.required(1)?, args.required(2)?);
    let depth = match depth.to_i64s().as_slice() {
        &[depth] if depth > 0 => args.dim(depth)?,
        _ => return Err(args.invalid("its depth is not one positive number")),
    };
    if values.len() != 2 {
        return Err(args.invalid(format!("{} values, expected those for off and on", values.len())));
    }
    let axis = args.axis(args.node.int("axis", -1), indices.rank() + 1)?;
    let mut shape = indices.shape.clone();
    shape.insert(axis, depth);
    let len = args.check(&shape)?;
    let inner: usize = indices.shape[axis..].iter().product();
    let mut on = vec![0; len];
    for (at, index) in indices.to_i64s().into_iter().enumerate() {
        // An index of no place is off everywhere.
        if let Some(place) = axis_of(index, depth) {
            on[(at / inner * depth + place) * inner + at % inner] = 1;
        }
    }
    args.array(shape, values.data.pick(on.into_iter()))
}

/// `Range`: from a start, before a limit, by a step.
fn range(args: &Args) -> Folded<Array> {
    let (start, limit, step) = (args.required(0)?, args.required(1)?, args.required(2)?);
    if let (Some(start), Some(limit), Some(step)) =
        (start.scalar_i64(), limit.scalar_i64(), step.scalar_i64())
    {
        if step == 0 {
            return Err(args.invalid("its step is 0"));
        }
        let span = i128::from(limit) - i128::from(start);
        let step = i128::from(step);
        let len = (span / step + i128::from(span % step != 0 && (span > 0) == (step > 0))).max(0);
        let len = args.check(&[usize::try_from(len).unwrap_or(usize::MAX)])?;
        // Every element lies between the start and the limit.
        let values: Vec<i64> = (0..len).map(|at| (i128::from(start) + at as i128 * step) as i64).collect();
        return Ok(Array::vector(values));
    }
    let scalar = |array: &Array| array.scalar_f32().map(f64::from);
    let (Some(start), Some(limit), Some(step)) = (scalar(start), scalar(limit), scalar(step)) else {
        return Err(args.invalid("its inputs must be scalars"));
    };
    let len = ((limit - start) / step).ceil();
    if !len.is_finite() {
        return Err(args.invalid(format!("from {start} to {limit} by {step}")));
    }
    let len = args.check(&[len.max(0.0) as usize])?;
    Ok(Array::vector((0..len).map(|at| (start + at as f64 * step) as f32).collect::<Vec<_>>()))
}

/// `Shape`: the dimensions, from `start` to before `end`.
fn shape(args: &Args) -> Folded<Array> {
    let shape = &args.required(0)?.shape;
    let rank = shape.len() as i64;
    let bound = |name: &str, default: i64| {
        let value = args.node.int(name, default);
        (if value < 0 { value.saturating_add(rank) } else { value }).clamp(0, rank) as usize
    };
    let (start, end) = (bound("start", 0), bound("end", rank));
    let dims = shape.get(start..end).unwrap_or(&[]);
    Ok(Array::vector(dims.iter().map(|&dim| dim as i64).collect::<Vec<_>>()))
}
