//! Operations on every element, with broadcasting.

use std::cmp::Ordering;

use float::math;

use super::args::{Args, Folded};
use super::op::FoldOp;
use super::view::{View, broadcast};
use crate::cast;
use crate::error::OnnxError;
use crate::model::{Array, Data, Element};

pub(super) const OPS: &[FoldOp] = &[
    FoldOp::one("Cast", cast_number).ignoring(cast::IGNORED),
    FoldOp::one("CastLike", cast_like).ignoring(cast::IGNORED),
    FoldOp::one("Neg", |args| number(args, |x| -x, i64::wrapping_neg)),
    FoldOp::one("Abs", |args| number(args, f32::abs, i64::wrapping_abs)),
    FoldOp::one("Sign", |args| number(args, |x| if x == 0.0 { 0.0 } else { x.signum() }, i64::signum)),
    FoldOp::one("Sqrt", |args| float(args, f32::sqrt)),
    FoldOp::one("Exp", |args| float(args, math::expf)),
    FoldOp::one("Log", |args| float(args, math::logf)),
    FoldOp::one("Reciprocal", |args| float(args, |x| 1.0 / x)),
    FoldOp::one("Floor", |args| float(args, f32::floor)),
    FoldOp::one("Ceil", |args| float(args, f32::ceil)),
    FoldOp::one("Round", |args| float(args, f32::round_ties_even)),
    FoldOp::one("Erf", |args| float(args, |x| math::erf(f64::from(x)) as f32)),
    FoldOp::one("Sin", |args| float(args, math::sinf)),
    FoldOp::one("Cos", |args| float(args, math::cosf)),
    FoldOp::one("Tanh", |args| float(args, math::tanhf)),
    FoldOp::one("Sigmoid", |args| float(args, |x| 1.0 / (1.0 + math::expf(-x)))),
    FoldOp::one("Relu", |args| float(args, |x| x.max(0.0))),
    FoldOp::one("Softplus", |args| float(args, |x| x.max(0.0) + math::log1pf(math::expf(-x.abs())))),
    FoldOp::one("Softsign", |args| float(args, |x| x / (1.0 + x.abs()))),
    FoldOp::one("Clip", clip),
    FoldOp::one("IsNaN", is_nan),
    FoldOp::one("Not", not),
    FoldOp::one("Add", |args| two(args, |x, y| x + y, i64::wrapping_add)),
    FoldOp::one("Sub", |args| two(args, |x, y| x - y, i64::wrapping_sub)),
    FoldOp::one("Mul", |args| two(args, |x, y| x * y, i64::wrapping_mul)),
    FoldOp::one("Div", divide),
    FoldOp::one("Mod", modulo),
    FoldOp::one("Pow", pow),
    FoldOp::one("Min", |args| extreme(args, f32::min, i64::min)),
    FoldOp::one("Max", |args| extreme(args, f32::max, i64::max)),
    FoldOp::one("Equal", |args| compare(args, |order| order == Some(Ordering::Equal))),
    FoldOp::one("Less", |args| compare(args, |order| order == Some(Ordering::Less))),
    FoldOp::one("LessOrEqual", |args| compare(args, |order| order.is_some_and(Ordering::is_le))),
    FoldOp::one("Greater", |args| compare(args, |order| order == Some(Ordering::Greater))),
    FoldOp::one("GreaterOrEqual", |args| compare(args, |order| order.is_some_and(Ordering::is_ge))),
    FoldOp::one("And", |args| logic(args, |x, y| x && y)),
    FoldOp::one("Or", |args| logic(args, |x, y| x || y)),
    FoldOp::one("Xor", |args| logic(args, |x, y| x != y)),
    FoldOp::one("Where", select),
];

fn cast_number(args: &Args) -> Folded<Array> {
    let code = args.node.int("to", 0);
    let unknown = || args.node.unsupported(format!("to element type {code}"));
    cast_to(args, cast::target(code).ok_or_else(unknown)?)
}

fn cast_like(args: &Args) -> Folded<Array> {
    let target = match &args.required(1)?.data {
        Data::F32(_) => Element::Float,
        Data::I64(_) => Element::Int,
        Data::Bool(_) => Element::Bool,
    };
    cast_to(args, target)
}

fn cast_to(args: &Args, target: Element) -> Folded<Array> {
    let input = args.required(0)?;
    let data = match (target, &input.data) {
        (Element::Float, Data::F32(_))
        | (Element::U8 | Element::Int, Data::I64(_))
        | (Element::Bool, Data::Bool(_)) => return Ok(input.clone()),
        (Element::Float, _) => input.to_f32s().into(),
        (Element::U8 | Element::Int, _) => input.to_i64s().into(),
        (Element::Bool, Data::F32(values)) => Data::Bool(values.iter().map(|&x| x != 0.0).collect()),
        (Element::Bool, Data::I64(values)) => Data::Bool(values.iter().map(|&x| x != 0).collect()),
    };
    args.array(input.shape.clone(), data)
}

/// A function of numbers of either type.
fn number(args: &Args, float: fn(f32) -> f32, integer: fn(i64) -> i64) -> Folded<Array> {
    let input = args.required(0)?;
    let data = match &input.data {
        Data::F32(values) => Data::F32(values.iter().map(|&x| float(x)).collect()),
        Data::I64(values) => Data::I64(values.iter().map(|&x| integer(x)).collect()),
        Data::Bool(_) => return Err(args.invalid("input 0 must hold numbers")),
    };
    args.array(input.shape.clone(), data)
}

/// A function of floats.
fn float(args: &Args, function: fn(f32) -> f32) -> Folded<Array> {
    let values = args.floats(0)?.iter().map(|&x| function(x)).collect();
    args.array(args.required(0)?.shape.clone(), Data::F32(values))
}

fn is_nan(args: &Args) -> Folded<Array> {
    let values: Vec<bool> = args.floats(0)?.iter().map(|x| x.is_nan()).collect();
    args.array(args.required(0)?.shape.clone(), values)
}

fn not(args: &Args) -> Folded<Array> {
    let input = args.required(0)?;
    let bools = input.bools().ok_or_else(|| args.invalid("input 0 must hold truth values"))?;
    args.array(input.shape.clone(), bools.iter().map(|x| !x).collect::<Vec<_>>())
}

/// Applies `f` to the elements of `a` and `b` repeated to one shape.
fn zip<A: Copy, B: Copy, T>(
    args: &Args,
    (a, a_shape): (&[A], &[usize]),
    (b, b_shape): (&[B], &[usize]),
    f: impl Fn(A, B) -> T,
) -> Folded<(Vec<usize>, Vec<T>)> {
    let mismatch = || args.invalid(format!("the shapes {a_shape:?} and {b_shape:?} do not broadcast"));
    let shape = broadcast(a_shape, b_shape).ok_or_else(mismatch)?;
    args.check(&shape)?;
    let left = View::broadcast(a_shape, &shape).ok_or_else(mismatch)?;
    let right = View::broadcast(b_shape, &shape).ok_or_else(mismatch)?;
    let values = left.indices().zip(right.indices()).map(|(i, j)| f(a[i], b[j])).collect();
    Ok((shape, values))
}

fn mixed(args: &Args) -> OnnxError {
    args.invalid("its inputs have different or unfit element types")
}

/// A function of two numbers of one type.
fn binary(
    args: &Args,
    (a, b): (&Array, &Array),
    float: impl Fn(f32, f32) -> f32,
    integer: impl Fn(i64, i64) -> i64,
) -> Folded<Array> {
    match (&a.data, &b.data) {
        (Data::F32(x), Data::F32(y)) => {
            let (shape, values) = zip(args, (x, &a.shape), (y, &b.shape), float)?;
            args.array(shape, values)
        }
        (Data::I64(x), Data::I64(y)) => {
            let (shape, values) = zip(args, (x, &a.shape), (y, &b.shape), integer)?;
            args.array(shape, values)
        }
        _ => Err(mixed(args)),
    }
}

/// The same of the node's two inputs.
fn two(args: &Args, float: impl Fn(f32, f32) -> f32, integer: impl Fn(i64, i64) -> i64) -> Folded<Array> {
    binary(args, (args.required(0)?, args.required(1)?), float, integer)
}

/// Refuses integers that are divided by 0.
fn check_divisor(args: &Args) -> Folded<()> {
    let (a, b) = (args.required(0)?, args.required(1)?);
    match (a.i64s(), b.i64s()) {
        (Some(_), Some(y)) if y.contains(&0) => Err(args.invalid("it divides an integer by 0")),
        _ => Ok(()),
    }
}

fn divide(args: &Args) -> Folded<Array> {
    check_divisor(args)?;
    two(args, |x, y| x / y, i64::wrapping_div)
}

/// `Mod`: with the sign of the divisor, or with `fmod` of the dividend.
fn modulo(args: &Args) -> Folded<Array> {
    check_divisor(args)?;
    let fmod = args.node.int("fmod", 0) == 1;
    let integer = |x: i64, y: i64| {
        let rest = x.wrapping_rem(y);
        if !fmod && rest != 0 && (rest < 0) != (y < 0) { rest + y } else { rest }
    };
    two(args, |x, y| x % y, integer)
}

fn pow(args: &Args) -> Folded<Array> {
    let (a, b) = (args.required(0)?, args.required(1)?);
    let exponents = match &b.data {
        Data::F32(values) => values.iter().map(|&y| f64::from(y)).collect::<Vec<_>>(),
        Data::I64(values) => values.iter().map(|&y| y as f64).collect(),
        Data::Bool(_) => return Err(mixed(args)),
    };
    let exponents = (exponents.as_slice(), b.shape.as_slice());
    match &a.data {
        Data::F32(x) => {
            let (shape, values) = zip(args, (x, &a.shape), exponents, |x, y| math::pow(x.into(), y) as f32)?;
            args.array(shape, values)
        }
        Data::I64(x) => {
            let (shape, values) = zip(args, (x, &a.shape), exponents, |x, y| math::pow(x as f64, y) as i64)?;
            args.array(shape, values)
        }
        Data::Bool(_) => Err(mixed(args)),
    }
}

/// `Min` and `Max` of any number of inputs.
fn extreme(args: &Args, float: fn(f32, f32) -> f32, integer: fn(i64, i64) -> i64) -> Folded<Array> {
    let first = args.required(0)?.clone();
    let gather = |result: Array, index: usize| binary(args, (&result, args.required(index)?), float, integer);
    (1..args.count()).try_fold(first, gather)
}

/// `Clip`: not below the first limit, then not above the second; either may be absent.
fn clip(args: &Args) -> Folded<Array> {
    let mut result = args.required(0)?.clone();
    for (at, float, integer) in
        [(1, f32::max as fn(f32, f32) -> f32, i64::max as fn(i64, i64) -> i64), (2, f32::min, i64::min)]
    {
        if let Some(limit) = args.optional(at) {
            if limit.len() != 1 {
                return Err(args.invalid("its limits are not one number each"));
            }
            result = binary(args, (&result, &Array { shape: Vec::new(), ..limit.clone() }), float, integer)?;
        }
    }
    Ok(result)
}

/// Whether the order of two elements, none if one is NaN, `holds`.
fn compare(args: &Args, holds: fn(Option<Ordering>) -> bool) -> Folded<Array> {
    let (a, b) = (args.required(0)?, args.required(1)?);
    let (shape, values) = match (&a.data, &b.data) {
        (Data::F32(x), Data::F32(y)) => {
            zip(args, (x, &a.shape), (y, &b.shape), |x, y| holds(x.partial_cmp(&y)))?
        }
        (Data::I64(x), Data::I64(y)) => {
            zip(args, (x, &a.shape), (y, &b.shape), |x, y| holds(Some(x.cmp(&y))))?
        }
        (Data::Bool(x), Data::Bool(y)) => {
            zip(args, (x, &a.shape), (y, &b.shape), |x, y| holds(Some(x.cmp(&y))))?
        }
        _ => return Err(mixed(args)),
    };
    args.array(shape, values)
}

fn logic(args: &Args, holds: fn(bool, bool) -> bool) -> Folded<Array> {
    let (a, b) = (args.required(0)?, args.required(1)?);
    let (Some(x), Some(y)) = (a.bools(), b.bools()) else { return Err(mixed(args)) };
    let (shape, values) = zip(args, (x, &a.shape), (y, &b.shape), holds)?;
    args.array(shape, values)
}

/// `Where`.
fn select(args: &Args) -> Folded<Array> {
    let (condition, a, b) = (args.required(0)?, args.required(1)?, args.required(2)?);
    let Some(choices) = condition.bools() else { return Err(mixed(args)) };
    let mismatch = || args.invalid("the shapes of its inputs do not broadcast");
    let shape = broadcast(&a.shape, &b.shape).and_then(|shape| broadcast(&shape, &condition.shape));
    let shape = shape.ok_or_else(mismatch)?;
    args.check(&shape)?;
    let view = |array: &Array| View::broadcast(&array.shape, &shape).ok_or_else(mismatch);
    let (choice, left, right) = (view(condition)?, view(a)?, view(b)?);
    let indices = choice.indices().zip(left.indices().zip(right.indices()));
    let data = match (&a.data, &b.data) {
        (Data::F32(x), Data::F32(y)) => {
            Data::F32(indices.map(|(c, (i, j))| if choices[c] { x[i] } else { y[j] }).collect())
        }
        (Data::I64(x), Data::I64(y)) => {
            Data::I64(indices.map(|(c, (i, j))| if choices[c] { x[i] } else { y[j] }).collect())
        }
        (Data::Bool(x), Data::Bool(y)) => {
            Data::Bool(indices.map(|(c, (i, j))| if choices[c] { x[i] } else { y[j] }).collect())
        }
        _ => return Err(mixed(args)),
    };
    args.array(shape, data)
}
