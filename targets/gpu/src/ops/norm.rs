//! LayerNorm and RmsNorm.

use quant::ops::{LayerNorm, RmsNorm};

use super::Reason;
use super::element::{place, slot};
use super::pack::{bytes, words};
use super::rows::{Rows, planes};
use crate::plan::Planner;

const NORM: &[&str] = &[include_str!("../../shaders/root.wgsl"), include_str!("../../shaders/norm.wgsl")];

pub(super) fn layer_norm(op: &LayerNorm, planner: &mut Planner<'_>) -> Result<(), Reason> {
    norm("layer_norm", op, true, planner)
}

pub(super) fn rms_norm(op: &RmsNorm, planner: &mut Planner<'_>) -> Result<(), Reason> {
    norm("rms_norm", &op.0, false, planner)
}

fn norm(name: &'static str, op: &LayerNorm, centered: bool, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let rows = Rows {
        name,
        parts: NORM,
        settings: vec![("CENTERED", centered.into())],
        rows: op.rows,
        width: op.width,
        x: slot!(op.x, I16),
        out: place(op.out),
    };
    let mantissa = planes(planner.blob(op.scale.mantissa), rows.planes());
    let offset = planes(planner.blob(op.offset), rows.planes());
    // 1 to 30, behind the high word of a product.
    let shift: Vec<i8> =
        planner.blob(op.scale.shift).iter().map(|&shift| (shift - 32).cast_signed()).collect();
    rows.push(planner, |dispatch| {
        dispatch.params.set_64(["eps_low", "eps_high"], op.eps);
        dispatch.constants("mantissa", words(&mantissa));
        dispatch.constants("offset", words(&offset));
        dispatch.constants("shift", bytes(&shift));
    })
}
