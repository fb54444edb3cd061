//! What a core brings to the ops that go row by row; all but the names is optional.

use quant::Fault;
use quant::ops::{AttentionArgs, BinaryLinearArgs, BinaryLinearOut, LayerNormArgs, RowStatistics};

use crate::requantize::Scale16;
use crate::{attention, layer_norm, shift_gelu, shiftmax};

/// The innermost loops. Every override returns what the default does.
pub(crate) trait RowOps: Sized {
    /// All queries of an attention.
    fn attention(args: AttentionArgs<'_>) -> Result<(), Fault> {
        attention::attention::<Self>(args)
    }

    /// 16-bit probabilities of one row of scores.
    fn probabilities(scores: &[i8], exp: &[u32; 256], out: &mut [i16]) {
        shiftmax::probabilities(scores, exp, out);
    }

    /// ShiftGELU of one row in place.
    fn gelu(x: &mut [i8], exp: &[u32; 256], out: Scale16) {
        shift_gelu::row(x, exp, out);
    }

    /// [`row_statistics`](quant::ops::row_statistics) of one row.
    fn about_mean(row: &[i16], eps: u64) -> RowStatistics {
        layer_norm::about_mean(row, eps)
    }

    /// The steps of LayerNorm behind the statistics, to int8.
    fn normalize_i8(args: &LayerNormArgs<'_>, row: &[i16], statistics: RowStatistics, out: &mut [i8]) {
        layer_norm::normalize_i8(args, row, statistics, out);
    }

    /// The same to int16.
    fn normalize_i16(args: &LayerNormArgs<'_>, row: &[i16], statistics: RowStatistics, out: &mut [i16]) {
        layer_norm::normalize_i16(args, row, statistics, out);
    }

    /// A layer of 1-bit weights over int8, where it is not by tables.
    fn binary_i8(
        _: &BinaryLinearArgs<'_>,
        _: &[i8],
        _: &mut BinaryLinearOut<'_>,
    ) -> Option<Result<(), Fault>> {
        None
    }

    /// The same over int16.
    fn binary_i16(
        _: &BinaryLinearArgs<'_>,
        _: &[i16],
        _: &mut BinaryLinearOut<'_>,
    ) -> Option<Result<(), Fault>> {
        None
    }
}
