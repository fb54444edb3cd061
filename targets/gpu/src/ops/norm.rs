//! LayerNorm and RmsNorm.

use quant::ops::{LayerNorm, RmsNorm};

use super::Reason;
use super::element::{place, slot};
use super::pack::{bytes, words};
use super::rows::{Rows, planes};
use super::subgroup;
use crate::plan::{Dispatch, Planner};

const NORM: &[&str] = &[include_str!("../../shaders/root.wgsl"), include_str!("../../shaders/norm.wgsl")];

/// The kernel of subgroups; `cargo xtask shaders` writes it.
const OF_SUBGROUPS: &[u8] = include_bytes!("../../cooperative/norm.spv");

pub(super) fn layer_norm(op: &LayerNorm, planner: &mut Planner<'_>) -> Result<(), Reason> {
    norm("layer_norm", op, true, planner)
}

pub(super) fn rms_norm(op: &RmsNorm, planner: &mut Planner<'_>) -> Result<(), Reason> {
    norm("rms_norm", &op.0, false, planner)
}

fn norm(name: &'static str, op: &LayerNorm, centered: bool, planner: &mut Planner<'_>) -> Result<(), Reason> {
    if let Some(dispatch) = of_subgroups(name, op, centered, planner) {
        planner.push(dispatch);
        return Ok(());
    }
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
    let shift = shifts(op, planner);
    rows.push(planner, |dispatch| {
        dispatch.params.set_64(["eps_low", "eps_high"], op.eps);
        dispatch.constants("mantissa", words(&mantissa));
        dispatch.constants("offset", words(&offset));
        dispatch.constants("shift", bytes(&shift));
    })
}

/// The same by subgroups, where rows are whole fours of channels from 16 bits to 8.
fn of_subgroups(
    name: &'static str,
    op: &LayerNorm,
    centered: bool,
    planner: &Planner<'_>,
) -> Option<Dispatch> {
    let (x, out) = (slot!(op.x, I16), place(op.out));
    let fours = op.width.is_multiple_of(4) && x.offset.is_multiple_of(8) && out.offset.is_multiple_of(4);
    // With its constants, an element takes more registers than it has bytes.
    if !fours || out.bytes() != 1 || !subgroup::takes(planner, op.width.saturating_mul(4)) {
        return None;
    }
    let mut dispatch = subgroup::dispatch(planner, (name, OF_SUBGROUPS), [op.rows, op.width, 0]);
    dispatch.source = dispatch.source.with("CENTERED", centered.into());
    for (name, value) in [("x", x.offset), ("result", out.offset), ("rows", op.rows)] {
        dispatch.params.set(name, value);
    }
    dispatch.params.set_64(["eps_low", "eps_high"], op.eps);
    dispatch.constants("mantissa", words(planner.blob(op.scale.mantissa)));
    dispatch.constants("offset", words(planner.blob(op.offset)));
    dispatch.constants("shift", bytes(&shifts(op, planner)));
    Some(dispatch)
}

/// Shifts behind the high word of a product, 1 to 30.
fn shifts(op: &LayerNorm, planner: &Planner<'_>) -> Vec<i8> {
    planner.blob(op.scale.shift).iter().map(|&shift| (shift - 32).cast_signed()).collect()
}
