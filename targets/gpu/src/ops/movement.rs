//! Ops that bring elements elsewhere and leave them as they are.

use quant::ops::{Gather, Permute};

use super::Reason;
use super::element::{element, place};
use crate::plan::Planner;

const PERMUTE: &str = "
fn element(index: u32) -> i32 {
    let d = index % P.shape_3;
    let rest = index / P.shape_3;
    let c = rest % P.shape_2;
    let b = rest / P.shape_2 % P.shape_1;
    let a = rest / P.shape_2 / P.shape_1;
    return load_act(OUT_BYTES, P.x, a * P.stride_0 + b * P.stride_1 + c * P.stride_2 + d * P.stride_3);
}
";

pub(super) fn permute(op: &Permute, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let mut dispatch = element("permute", PERMUTE, place(op.out));
    dispatch.params.set("x", place(op.x).offset);
    for (name, size) in ["shape_1", "shape_2", "shape_3"].into_iter().zip(&op.shape[1..]) {
        dispatch.params.set(name, *size);
    }
    for (name, stride) in ["stride_0", "stride_1", "stride_2", "stride_3"].into_iter().zip(op.strides) {
        dispatch.params.set(name, stride);
    }
    planner.push(dispatch);
    Ok(())
}

const GATHER: &str = "
fn element(index: u32) -> i32 {
    let source = constants[P.rows + index / P.width];
    return load_act(OUT_BYTES, P.x, source * P.width + index % P.width);
}
";

pub(super) fn gather(op: &Gather, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let mut dispatch = element("gather", GATHER, place(op.out));
    dispatch.params.set("x", place(op.x).offset);
    dispatch.params.set("width", op.width);
    dispatch.constants("rows", planner.blob(op.index).iter().copied());
    planner.push(dispatch);
    Ok(())
}
