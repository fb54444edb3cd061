//! Convolutions of every channel by itself, where four channels share a word.

use quant::ops::Conv2d;

use super::conv2d::{Runs, geometry};
use super::{set, whole_words};
use crate::ops::Reason;
use crate::ops::epilogue::{self, EPILOGUE};
use crate::ops::pack::bytes;
use crate::plan::{Dispatch, Planner};
use crate::source::Source;

/// Whether [`depthwise`] can run `op`.
pub(super) fn suits(op: &Conv2d) -> bool {
    let alone = op.groups == op.in_channels && op.groups == op.out_channels;
    let words = op.in_channels.is_multiple_of(4) && op.x.offset.is_multiple_of(4);
    alone && words && whole_words(epilogue::place(&op.out), op.out_channels)
}

pub(super) fn depthwise(op: &Conv2d, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let out = epilogue::place(&op.out);
    let source = Source::of(&[EPILOGUE, super::GEMM, super::TILE, super::DEPTHWISE]);
    let mut dispatch = Dispatch::new("depthwise", source.with("OUT_BYTES", out.bytes()));
    set(&mut dispatch, &[("out", out.offset)]);
    geometry(&mut dispatch, op, &Runs::taps(op));
    epilogue::set(&mut dispatch, planner, &op.out);
    epilogue::channels(&mut dispatch, planner, &op.requant, |_| 0);
    let taps = (op.kernel_h * op.kernel_w) as usize;
    dispatch.constants("weights", by_tap(planner.blob(op.weights), taps));
    let words = op.out_height * op.out_width * (op.out_channels / 4);
    dispatch.workgroups(words.div_ceil(64));
    planner.push(dispatch);
    Ok(())
}

/// Weights of `taps` a channel as a word of four channels after another, one tap after another.
fn by_tap(weights: &[i8], taps: usize) -> Vec<u32> {
    let tap = |tap: usize| weights.iter().skip(tap).step_by(taps).copied().collect::<Vec<i8>>();
    (0..taps).flat_map(|at| bytes(&tap(at)).collect::<Vec<u32>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_of_a_tap_lie_side_by_side() {
        assert_eq!(by_tap(&[1, -1, 2, -2, 3, -3, 4, -4], 2), [0x0403_0201, 0xfcfd_feff]);
    }
}
