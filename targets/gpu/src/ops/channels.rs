//! GroupNorm and ResponseNorm: statistics of channels over all rows.

use quant::mem::DType;
use quant::ops::{Act, GroupNorm, ResponseNorm, root_bits};

use super::Reason;
use super::columns::strips;
use super::element::{element, place};
use crate::plan::{Dispatch, Planner};
use crate::source::Source;

const ROOT: &str = include_str!("../../shaders/root.wgsl");

/// From mean, factor and shift of the channel's group.
const NORMALISE: &str = "
fn element(index: u32) -> i32 {
    let channel = index % P.width;
    let found = P.found + channel / P.channels * 16u;
    let shift = load_u32(found + 8u);
    let half = vec2<u32>((1u << shift) >> 1u, 0u);
    let product = mul_i32(load_i16(P.x + index * 2u) - load_i32(found), load_i32(found + 4u));
    let z = bitcast<i32>(shr_i64(add_64(product, half), shift).x);
    let at = P.scale + channel * 4u;
    return (mul_high(z, constant_i32(at)) + constant_i32(at + 1u)) >> constants[at + 2u];
}
";

pub(super) fn group_norm(op: &GroupNorm, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let channels = op.width / op.groups;
    let sums = strips("group_norm_sums", Act::I16(op.x), (op.rows, op.width), planner)?;
    let found = planner.scratch(u64::from(op.groups) * 16).ok_or("more groups than can be addressed")?;

    let source = Source::of(&[ROOT, include_str!("../../shaders/group_norm.wgsl")]);
    let mut dispatch = Dispatch::new("group_norm_statistics", source);
    for (name, value) in [
        ("sums", sums.offset),
        ("strips", sums.count),
        ("width", op.width),
        ("groups", op.groups),
        ("channels", channels),
        ("count", op.rows * channels),
        ("found", found),
    ] {
        dispatch.params.set(name, value);
    }
    dispatch.params.set_64(["eps_low", "eps_high"], op.eps);
    dispatch.workgroups(op.groups);
    planner.push(dispatch);

    let mut dispatch = element("group_norm", NORMALISE, place(op.out));
    dispatch.params.set("x", op.x.offset);
    dispatch.params.set("width", op.width);
    dispatch.params.set("channels", channels);
    dispatch.params.set("found", found);
    let scale = planner.blob(op.scale.mantissa).iter().zip(planner.blob(op.scale.shift));
    let constants = scale.zip(planner.blob(op.offset)).flat_map(|((&mantissa, &shift), &offset)| {
        // Behind the high word of a product.
        [mantissa.cast_unsigned(), offset.cast_unsigned(), u32::from(shift) - 32, 0]
    });
    dispatch.constants("scale", constants);
    planner.push(dispatch);
    Ok(())
}

pub(super) fn response_norm(op: &ResponseNorm, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let sums = strips("response_norm_sums", op.x, (op.rows, op.width), planner)?;
    let source = Source::of(&[ROOT, include_str!("../../shaders/response_norm.wgsl")]);
    let mut dispatch = Dispatch::new("response_norm", source);
    for (name, value) in [
        ("sums", sums.offset),
        ("strips", sums.count),
        ("width", op.width),
        ("lengths", op.lengths.offset),
        ("out", op.out.offset),
        ("unit", op.unit),
        ("up", 2 * root_bits(op.rows, op.x.dtype() == DType::I16)),
    ] {
        dispatch.params.set(name, value);
    }
    dispatch.params.set_64(["eps_low", "eps_high"], op.eps);
    planner.push(dispatch);
    Ok(())
}
