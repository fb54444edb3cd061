//! Ops of an element and another one: that in its place, of its channel or of its row.

use quant::ops::{Act, Div, Mul, Spread};

use super::Reason;
use super::element::{element, place};
use super::pointwise::multiplier;
use crate::plan::{Dispatch, Planner};

/// The element that stands beside one: behind it follows the op.
const OPERANDS: &str = "
fn first(index: u32) -> i32 {
    return load_act(X_BYTES, P.x, index);
}

fn second(index: u32) -> i32 {
    if (SPREAD == 1u) {
        return load_act(Y_BYTES, P.y, index % P.width);
    }
    if (SPREAD == 2u) {
        return load_act(Y_BYTES, P.y, index / P.width);
    }
    return load_act(Y_BYTES, P.y, index);
}
";

/// A dispatch of `text` over `x` and `y`; without `out` the result replaces `x`.
fn paired(
    (name, text): (&'static str, &'static str),
    (width, spread): (u32, Spread),
    (x, y, out): (Act, Act, Option<Act>),
) -> Dispatch {
    let (x, y) = (place(x), place(y));
    let mut dispatch = element(name, text, out.map_or(x, place));
    let spread = match spread {
        Spread::Element => 0,
        Spread::Channel => 1,
        Spread::Row => 2,
    };
    dispatch.source = dispatch.source.and(&[OPERANDS]).with("SPREAD", spread);
    dispatch.source = dispatch.source.with("X_BYTES", x.bytes()).with("Y_BYTES", y.bytes());
    dispatch.params.set("x", x.offset);
    dispatch.params.set("y", y.offset);
    dispatch.params.set("width", width);
    dispatch
}

const MUL: &str = "
fn element(index: u32) -> i32 {
    // |x · y| ≤ 2³⁰.
    return requantize(first(index) * second(index), bitcast<i32>(P.mantissa), P.shift);
}
";

pub(super) fn mul(op: &Mul, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let mut dispatch = paired(("mul", MUL), (op.width, op.spread), (op.x, op.y, op.out));
    multiplier(&mut dispatch, ["mantissa", "shift"], op.scale);
    planner.push(dispatch);
    Ok(())
}

const DIV: &str = "
// quant::ops::quotient: x · mantissa / (y · 2^shift), rounded half up once.
fn element(index: u32) -> i32 {
    var y = second(index);
    var product = mul_i32(first(index), bitcast<i32>(P.mantissa));
    if (y < 0) {
        product = sub_64(vec2<u32>(0u, 0u), product);
        y = -y;
    }
    if (y == 0) {
        let sign = select(1, -1, bitcast<i32>(product.y) < 0);
        return select(sign * 0x7fffffff, 0, (product.x | product.y) == 0u);
    }
    // Below 2⁶¹: y is at most 2¹⁵ and the shift at most 46.
    let half = shr_u64(shl_64(vec2<u32>(bitcast<u32>(y), 0u), P.shift), 1u);
    let a = saturate_i32(shr_i64(add_64(product, half), P.shift));
    // Rounded down; WGSL rounds towards 0.
    return a / y - select(0, 1, a % y < 0);
}
";

pub(super) fn div(op: &Div, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let mut dispatch = paired(("div", DIV), (op.width, op.spread), (op.x, op.y, op.out));
    multiplier(&mut dispatch, ["mantissa", "shift"], op.ratio);
    planner.push(dispatch);
    Ok(())
}
