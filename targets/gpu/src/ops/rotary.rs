//! Rotary position embedding.

use quant::ops::{Pairs, Rotary};

use super::Reason;
use super::element::{element, place};
use super::pack::halves;
use super::pointwise::multiplier;
use crate::plan::Planner;

const ROTARY: &str = "
fn element(index: u32) -> i32 {
    let row = index / P.width;
    let column = index % P.width;
    let channel = column % P.head_dim;
    let half = P.head_dim / 2u;
    // The pair that the channel belongs to, whether it is the second of it, and the other's distance.
    var pair = channel % half;
    var is_second = channel >= half;
    var apart = half;
    if (NEIGHBOURS == 1u) {
        pair = channel / 2u;
        is_second = (channel & 1u) == 1u;
        apart = 1u;
    }
    let at = row * P.stride + column;
    let angles = row % P.positions * P.head_dim + pair;
    let cosine = constant_i16(P.angles, angles);
    let sine = constant_i16(P.angles, angles + half);
    let here = load_act(X_BYTES, P.x, at) * cosine;
    // |sums| ≤ 2³⁰.
    if (is_second) {
        return requantize(here + load_act(X_BYTES, P.x, at - apart) * sine, bitcast<i32>(P.mantissa), P.shift);
    }
    return requantize(here - load_act(X_BYTES, P.x, at + apart) * sine, bitcast<i32>(P.mantissa), P.shift);
}
";

pub(super) fn rotary(op: &Rotary, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let x = place(op.x);
    let neighbours = match op.pairs {
        Pairs::Halves => 0,
        Pairs::Neighbours => 1,
    };
    let mut dispatch = element("rotary", ROTARY, place(op.out));
    dispatch.source = dispatch.source.with("X_BYTES", x.bytes()).with("NEIGHBOURS", neighbours);
    dispatch.params.set("x", x.offset);
    dispatch.params.set("width", op.width);
    dispatch.params.set("head_dim", op.head_dim);
    dispatch.params.set("stride", op.stride);
    dispatch.params.set("positions", op.angles.len / op.head_dim);
    multiplier(&mut dispatch, ["mantissa", "shift"], op.scale);
    dispatch.constants("angles", halves(planner.blob(op.angles)));
    planner.push(dispatch);
    Ok(())
}
