//! Operations on every element, with broadcasting.

use super::args::{Args, Folded};
use super::view::{View, broadcast};
use crate::onnx::error::OnnxError;
use crate::onnx::model::{Array, Data, Element};
use crate::onnx::tensor;

/// The result of an element-wise op; none if `args` is of another op.
pub(super) fn evaluate(args: &Args) -> Folded<Option<Array>> {
    let op = args.node.op.as_str();
    Ok(Some(match op {
        "Cast" | "CastLike" => cast(args)?,
        "Neg" | "Abs" | "Sign" => sign(args)?,
        "Sqrt" | "Exp" | "Log" | "Reciprocal" | "Floor" | "Ceil" | "Round" | "Erf" | "Sin" | "Cos"
        | "Tanh" | "Sigmoid" | "Relu" => {
            let values = args.floats(0)?.iter().map(|&x| function(op, x)).collect();
            args.array(args.required(0)?.shape.clone(), Data::F32(values))?
        }
        "IsNaN" => {
            let values: Vec<bool> = args.floats(0)?.iter().map(|x| x.is_nan()).collect();
            args.array(args.required(0)?.shape.clone(), values)?
        }
        "Not" => {
            let input = args.required(0)?;
            let bools = input.bools().ok_or_else(|| args.invalid("input 0 must hold truth values"))?;
            args.array(input.shape.clone(), bools.iter().map(|x| !x).collect::<Vec<_>>())?
        }
        "Add" | "Sub" | "Mul" | "Div" | "Mod" => binary(args, args.required(0)?, args.required(1)?)?,
        "Pow" => pow(args)?,
        "Min" | "Max" => extreme(args)?,
        "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" => compare(args)?,
        "And" | "Or" | "Xor" => logic(args)?,
        "Where" => select(args)?,
        _ => return Ok(None),
    }))
}

fn cast(args: &Args) -> Folded<Array> {
    let input = args.required(0)?;
    let target = if args.node.op == "CastLike" {
        match &args.required(1)?.data {
            Data::F32(_) => Element::Float,
            Data::I64(_) => Element::Int,
            Data::Bool(_) => Element::Bool,
        }
    } else {
        let code = args.node.int("to", 0);
        tensor::cast_target(code).ok_or_else(|| args.node.unsupported(format!("to element type {code}")))?
    };
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

fn sign(args: &Args) -> Folded<Array> {
    let input = args.required(0)?;
    let op = args.node.op.as_str();
    let data = match &input.data {
        Data::F32(values) => Data::F32(values.iter().map(|&x| function(op, x)).collect()),
        Data::I64(values) => {
            let integer = |&x: &i64| match op {
                "Neg" => x.wrapping_neg(),
                "Abs" => x.wrapping_abs(),
                _ => x.signum(),
            };
            Data::I64(values.iter().map(integer).collect())
        }
        Data::Bool(_) => return Err(args.invalid("input 0 must hold numbers")),
    };
    args.array(input.shape.clone(), data)
}

/// A float function by the name of its op; callers pass only names that are here.
fn function(op: &str, x: f32) -> f32 {
    match op {
        "Neg" => -x,
        "Abs" => x.abs(),
        "Sign" if x == 0.0 => 0.0,
        "Sign" => x.signum(),
        "Sqrt" => x.sqrt(),
        "Exp" => x.exp(),
        "Log" => x.ln(),
        "Reciprocal" => 1.0 / x,
        "Floor" => x.floor(),
        "Ceil" => x.ceil(),
        "Round" => x.round_ties_even(),
        "Erf" => libm::erf(f64::from(x)) as f32,
        "Sin" => x.sin(),
        "Cos" => x.cos(),
        "Tanh" => x.tanh(),
        "Sigmoid" => 1.0 / (1.0 + (-x).exp()),
        _ => x.max(0.0),
    }
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

fn binary(args: &Args, a: &Array, b: &Array) -> Folded<Array> {
    let op = args.node.op.as_str();
    match (&a.data, &b.data) {
        (Data::F32(x), Data::F32(y)) => {
            let (shape, values) = zip(args, (x, &a.shape), (y, &b.shape), |x, y| match op {
                "Add" => x + y,
                "Sub" => x - y,
                "Mul" => x * y,
                "Div" => x / y,
                "Min" => x.min(y),
                "Max" => x.max(y),
                _ => x % y,
            })?;
            args.array(shape, values)
        }
        (Data::I64(x), Data::I64(y)) => {
            if matches!(op, "Div" | "Mod") && y.contains(&0) {
                return Err(args.invalid("it divides an integer by 0"));
            }
            let fmod = args.node.int("fmod", 0) == 1;
            let (shape, values) = zip(args, (x, &a.shape), (y, &b.shape), |x, y| match op {
                "Add" => x.wrapping_add(y),
                "Sub" => x.wrapping_sub(y),
                "Mul" => x.wrapping_mul(y),
                "Div" => x.wrapping_div(y),
                "Min" => x.min(y),
                "Max" => x.max(y),
                _ => modulo(x, y, fmod),
            })?;
            args.array(shape, values)
        }
        _ => Err(mixed(args)),
    }
}

/// The remainder with the sign of the divisor, or with `fmod` of the dividend.
fn modulo(x: i64, y: i64, fmod: bool) -> i64 {
    let rest = x.wrapping_rem(y);
    if !fmod && rest != 0 && (rest < 0) != (y < 0) { rest + y } else { rest }
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
            let (shape, values) = zip(args, (x, &a.shape), exponents, |x, y| f64::from(x).powf(y) as f32)?;
            args.array(shape, values)
        }
        Data::I64(x) => {
            let (shape, values) = zip(args, (x, &a.shape), exponents, |x, y| (x as f64).powf(y) as i64)?;
            args.array(shape, values)
        }
        Data::Bool(_) => Err(mixed(args)),
    }
}

/// `Min` and `Max` of any number of inputs.
fn extreme(args: &Args) -> Folded<Array> {
    let first = args.required(0)?.clone();
    (1..args.inputs.len()).try_fold(first, |result, index| binary(args, &result, args.required(index)?))
}

fn compare(args: &Args) -> Folded<Array> {
    fn holds<T: PartialOrd>(op: &str, x: T, y: T) -> bool {
        match op {
            "Equal" => x == y,
            "Less" => x < y,
            "LessOrEqual" => x <= y,
            "Greater" => x > y,
            _ => x >= y,
        }
    }
    let op = args.node.op.as_str();
    let (a, b) = (args.required(0)?, args.required(1)?);
    let (shape, values) = match (&a.data, &b.data) {
        (Data::F32(x), Data::F32(y)) => zip(args, (x, &a.shape), (y, &b.shape), |x, y| holds(op, x, y))?,
        (Data::I64(x), Data::I64(y)) => zip(args, (x, &a.shape), (y, &b.shape), |x, y| holds(op, x, y))?,
        (Data::Bool(x), Data::Bool(y)) => zip(args, (x, &a.shape), (y, &b.shape), |x, y| holds(op, x, y))?,
        _ => return Err(mixed(args)),
    };
    args.array(shape, values)
}

fn logic(args: &Args) -> Folded<Array> {
    let op = args.node.op.as_str();
    let (a, b) = (args.required(0)?, args.required(1)?);
    let (Some(x), Some(y)) = (a.bools(), b.bools()) else { return Err(mixed(args)) };
    let (shape, values) = zip(args, (x, &a.shape), (y, &b.shape), |x, y| match op {
        "And" => x && y,
        "Or" => x || y,
        _ => x != y,
    })?;
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
