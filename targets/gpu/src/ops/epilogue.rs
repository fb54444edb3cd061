//! What stands behind the sums of matrix products: constants and parameters of
//! `shaders/epilogue.wgsl`.

use quant::arith::Multiplier;
use quant::ops::{Channels, Destination, PerChannel, Residual};

use super::element::{Place, slot};
use super::pack::bytes;
use super::pointwise::multiplier;
use crate::plan::{Dispatch, Planner};

/// WGSL of the epilogue.
pub(crate) const EPILOGUE: &str = include_str!("../../shaders/epilogue.wgsl");

/// How a kernel that reads constants by the word reads one for the epilogue.
pub(crate) const BY_WORD: &str = "fn constant_word(at: u32) -> u32 { return constants[at]; }\n";

/// Where the results lie.
pub(crate) fn place(out: &Destination) -> Place {
    match out {
        Destination::I8 { out, .. } => slot!(out, I8),
        Destination::I16 { out, .. } => slot!(out, I16),
        Destination::I32 { out } => slot!(out, I32),
    }
}

/// Sets what the epilogue asks for, but for `OUT_BYTES` and the records of channels.
pub(crate) fn set(dispatch: &mut Dispatch, planner: &Planner<'_>, out: &Destination) {
    let (mut table, mut residual) = (0, 0);
    match *out {
        Destination::I8 { table: Some(values), .. } => {
            table = 1;
            dispatch.constants("table", bytes(planner.blob(values)));
        }
        Destination::I8 { .. } | Destination::I16 { .. } | Destination::I32 { .. } => {
            dispatch.params.set("table", 0);
        }
    }
    let mut scales = Residual { branch: Multiplier::IDENTITY, stream: Multiplier::IDENTITY };
    if let Destination::I16 { residual: Some(of), .. } = *out {
        let quick = |of: Multiplier| (18..=48).contains(&of.shift);
        residual = if quick(of.branch) && quick(of.stream) { 2 } else { 1 };
        scales = of;
    }
    multiplier(dispatch, ["branch_mantissa", "branch_shift"], scales.branch);
    multiplier(dispatch, ["stream_mantissa", "stream_shift"], scales.stream);
    let source = std::mem::take(&mut dispatch.source);
    dispatch.source = source.with("TABLE", table).with("RESIDUAL", residual);
}

/// Appends a record of every channel, `[bias, mantissa, shift, extra]`, from the parameter
/// `requant` on. `extra` gives the last of a channel.
pub(crate) fn channels(
    dispatch: &mut Dispatch,
    planner: &Planner<'_>,
    requant: &PerChannel,
    extra: impl Fn(usize) -> i32,
) {
    records(dispatch, planner, &requant.scale, planner.blob(requant.bias), extra);
}

/// The same without a bias.
pub(crate) fn multipliers(dispatch: &mut Dispatch, planner: &Planner<'_>, scale: &Channels) {
    records(dispatch, planner, scale, &[], |_| 0);
}

fn records(
    dispatch: &mut Dispatch,
    planner: &Planner<'_>,
    scale: &Channels,
    bias: &[i32],
    extra: impl Fn(usize) -> i32,
) {
    let shifts = planner.blob(scale.shift);
    let channel = |(at, (&mantissa, &shift)): (usize, (&i32, &u8))| {
        let bias = bias.get(at).copied().unwrap_or(0);
        [bias.cast_unsigned(), mantissa.cast_unsigned(), shift.into(), extra(at).cast_unsigned()]
    };
    let channels = planner.blob(scale.mantissa).iter().zip(shifts).enumerate();
    dispatch.constants("requant", channels.flat_map(channel));
    let high = shifts.iter().all(|&shift| shift >= 33);
    let source = std::mem::take(&mut dispatch.source);
    dispatch.source = source.with("HIGH_SHIFTS", high.into());
}
