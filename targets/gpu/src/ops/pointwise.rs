//! Ops of one element, or of one element and another: each is a function in WGSL behind the
//! plan that sets its parameters.

use quant::arith::Multiplier;
use quant::ops::{Add, Addend, Const, Interpolate, Load, PerChannel, QuantizeImage, Relu, Requantize, Table};

use super::Reason;
use super::element::{element, place, slot};
use super::pack::{bytes, halves, words};
use crate::plan::{Dispatch, Planner};

const TABLE: &str = "
fn element(index: u32) -> i32 {
    return constant_i8(P.table, bitcast<u32>(load_i8(P.x + index) + 128));
}
";

pub(super) fn table(op: &Table, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let x = slot!(op.x, I8);
    let mut dispatch = element("table", TABLE, x);
    dispatch.params.set("x", x.offset);
    dispatch.constants("table", bytes(planner.blob(op.table)));
    planner.push(dispatch);
    Ok(())
}

const RELU: &str = "
fn element(index: u32) -> i32 {
    return max(load_act(OUT_BYTES, P.out, index), 0);
}
";

pub(super) fn relu(op: &Relu, planner: &mut Planner<'_>) -> Result<(), Reason> {
    planner.push(element("relu", RELU, place(op.x)));
    Ok(())
}

const ADD: &str = "
fn element(index: u32) -> i32 {
    var y = 0;
    if (Y_CONSTANT == 1u) {
        y = constant_i16(P.y, index % P.y_len);
    } else {
        y = load_i16(P.y + index * 2u);
    }
    let x = load_i16(P.out + index * 2u);
    return residual(x, bitcast<i32>(P.x_mantissa), P.x_shift, y, bitcast<i32>(P.y_mantissa), P.y_shift);
}
";

pub(super) fn add(op: &Add, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let mut dispatch = element("add", ADD, slot!(op.x, I16));
    multiplier(&mut dispatch, ["x_mantissa", "x_shift"], op.x_scale);
    multiplier(&mut dispatch, ["y_mantissa", "y_shift"], op.y_scale);
    let constant = match op.y {
        Addend::Slot(y) => {
            dispatch.params.set("y", y.offset);
            dispatch.params.set("y_len", y.len);
            0
        }
        Addend::Blob(y) => {
            dispatch.constants("y", halves(planner.blob(y)));
            dispatch.params.set("y_len", y.len);
            1
        }
    };
    dispatch.source = dispatch.source.with("Y_CONSTANT", constant);
    planner.push(dispatch);
    Ok(())
}

/// Sets two parameters to a multiplier.
pub(super) fn multiplier(dispatch: &mut Dispatch, [mantissa, shift]: [&'static str; 2], of: Multiplier) {
    dispatch.params.set_signed(mantissa, of.mantissa);
    dispatch.params.set(shift, of.shift.into());
}

const REQUANTIZE: &str = "
fn element(index: u32) -> i32 {
    let at = P.requant + (index % P.channels) * 4u;
    // x + bias is saturated to 32 bits.
    let z = saturate_i32(add_64(wide(load_act(X_BYTES, P.x, index)), wide(constant_i32(at))));
    return requantize(z, constant_i32(at + 1u), constants[at + 2u]);
}
";

pub(super) fn requantize(op: &Requantize, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let x = place(op.x);
    let mut dispatch = element("requantize", REQUANTIZE, place(op.out));
    dispatch.source = dispatch.source.with("X_BYTES", x.bytes());
    dispatch.params.set("x", x.offset);
    dispatch.params.set("channels", op.channels);
    per_channel(&mut dispatch, planner, &op.requant);
    planner.push(dispatch);
    Ok(())
}

/// Appends bias, mantissa, shift and 0 of every channel, which begin at the parameter `requant`.
pub(super) fn per_channel(dispatch: &mut Dispatch, planner: &Planner<'_>, requant: &PerChannel) {
    let bias = planner.blob(requant.bias);
    let scale = planner.blob(requant.scale.mantissa).iter().zip(planner.blob(requant.scale.shift));
    let channel = |(&bias, (&mantissa, &shift)): (&i32, (&i32, &u8))| {
        [bias.cast_unsigned(), mantissa.cast_unsigned(), shift.into(), 0]
    };
    dispatch.constants("requant", bias.iter().zip(scale).flat_map(channel));
}

const QUANTIZE_IMAGE: &str = "
fn element(index: u32) -> i32 {
    return constant_i8(P.table, (index % P.channels) * 256u + load_u8(P.out + index));
}
";

pub(super) fn quantize_image(op: &QuantizeImage, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let mut dispatch = element("quantize_image", QUANTIZE_IMAGE, slot!(op.x, I8));
    dispatch.params.set("channels", op.channels);
    dispatch.constants("table", bytes(planner.blob(op.tables)));
    planner.push(dispatch);
    Ok(())
}

const INTERPOLATE: &str = "
fn element(index: u32) -> i32 {
    let u = bitcast<u32>(load_i16(P.out + index * 2u) + 32768);
    let low = constant_i16(P.table, u / 128u);
    let high = constant_i16(P.table, u / 128u + 1u);
    return (128 * low + (high - low) * bitcast<i32>(u % 128u) + 64) >> 7u;
}
";

pub(super) fn interpolate(op: &Interpolate, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let mut dispatch = element("interpolate", INTERPOLATE, slot!(op.x, I16));
    dispatch.constants("table", halves(planner.blob(op.table)));
    planner.push(dispatch);
    Ok(())
}

const LOAD: &str = "
fn element(index: u32) -> i32 {
    return constant_act(OUT_BYTES, P.value, index);
}
";

pub(super) fn load(op: &Load, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let mut dispatch = element("load", LOAD, place(op.out));
    match op.value {
        Const::I8(value) => dispatch.constants("value", bytes(planner.blob(value))),
        Const::I16(value) => dispatch.constants("value", halves(planner.blob(value))),
        Const::I32(value) => dispatch.constants("value", words(planner.blob(value))),
    }
    planner.push(dispatch);
    Ok(())
}
